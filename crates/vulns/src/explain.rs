//! A finding in plain words: the chain of facts that leads to it.

use std::sync::Arc;

use base::Distribution;

use crate::{
    epss::Epss,
    feeds::FeedKind,
    finding::Finding,
    fixability::Fixability,
    proof::{Proof, Statement},
    score::{Score, ScoreRole},
    severity::{Severity, SeveritySource},
};

impl Finding {
    /// The chain of facts, a sentence each: what the feed says, how the packages lead to it, how
    /// the versions compare, what follows, and how bad it is.
    pub fn explain(&self) -> Vec<String> {
        let mut facts = match &self.engine {
            Some(engine) => engine.explain(&self.cve),
            None => self.how_the_package_is_affected(),
        };
        facts.push(self.what_follows());
        facts.extend(self.who_retracts_it());
        facts.push(self.how_bad_it_is());
        facts.extend(self.scores.iter().map(score_in_words));
        facts.extend(self.exploitation());
        facts
    }

    fn how_the_package_is_affected(&self) -> Vec<String> {
        let mut facts = vec![self.what_the_feed_says()];
        facts.extend(self.which_advisories());
        facts.extend(self.how_packages_lead_to_it());
        facts.push(match &self.fixed {
            Some(fixed) => format!("Version {} is older than {fixed}.", self.installed),
            None => format!("Version {} is affected, as every version is.", self.installed),
        });
        facts.extend(self.which_kernel_runs());
        facts
    }

    fn what_the_feed_says(&self) -> String {
        let Proof { feed, as_of, listed_in, notice, statement, .. } = &self.proof;
        let (cve, package) = (&self.cve, &self.source_package);
        let says = match (statement, &self.fixed) {
            (Statement::Unimportant, _) => {
                "affected in the source, without impact on its binary packages".into()
            }
            (Statement::EndOfLife, _) => "affected and no longer supported".into(),
            (Statement::Ignored, _) => "affected and not to be fixed in this release".into(),
            (Statement::Postponed, _) => "affected, its fix postponed to a later update".into(),
            (Statement::NoAdvisory, _) => "affected, too minor for an advisory".into(),
            (_, Some(fixed)) => format!("affected before {fixed}"),
            (_, None) => "affected, without a fix".to_owned(),
        };
        let as_of = as_of.map(|time| format!(" as of {}", time.strftime("%Y-%m-%d"))).unwrap_or_default();
        let notice = notice.as_ref().map(|id| format!(" (fixed by {id})")).unwrap_or_default();
        format!("{}{as_of} lists {cve} in {listed_in}: {package} is {says}{notice}.", feed.title())
    }

    fn which_advisories(&self) -> Option<String> {
        let named = |id: &&Arc<str>| self.proof.notice.as_ref() != Some(*id);
        let ids: Vec<&str> = self.advisories.iter().filter(named).map(|id| &**id).collect();
        (!ids.is_empty()).then(|| format!("Advisories about it: {}.", ids.join(", ")))
    }

    fn who_retracts_it(&self) -> Option<String> {
        let Proof { rejected_by, feed, .. } = &self.proof;
        let by: Vec<&str> = rejected_by.iter().map(|feed| feed.title()).collect();
        (!by.is_empty()).then(|| {
            format!(
                "{} calls the CVE rejected; it stays listed here until {} drops it.",
                by.join(" and "),
                feed.title()
            )
        })
    }

    fn how_bad_it_is(&self) -> String {
        let Proof { severity_source, own_severity, .. } = &self.proof;
        match (severity_source, self.scores.first()) {
            (None, _) => "Nobody has given a score yet.".to_owned(),
            (Some(SeveritySource::Cvss), Some(score)) => {
                let own = match own_severity {
                    Severity::Unknown => String::new(),
                    own => format!("; the distribution itself calls it {own}"),
                };
                format!("Severity is {} by {score}, the score preferred of those given{own}.", self.severity)
            }
            (Some(source), _) => format!("Severity is {} by {source}.", self.severity),
        }
    }

    fn exploitation(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if let Some(kev) = &self.kev {
            let ransomware = if kev.ransomware { ", and it is used by ransomware" } else { "" };
            let due = kev.due_date.map(|day| format!(", due by {day}")).unwrap_or_default();
            let name = if kev.name.is_empty() { String::new() } else { format!(" as \"{}\"", kev.name) };
            let told_by = match kev.told_by {
                FeedKind::Kev => String::new(),
                feed => format!(" (told by {})", feed.title()),
            };
            facts.push(format!(
                "It is being exploited: CISA lists it{name} since {}{due}{ransomware}{told_by}.",
                kev.date_added
            ));
            if !kev.required_action.is_empty() {
                facts.push(format!("CISA requires: {}", kev.required_action));
            }
        }
        if let Some(ssvc) = &self.ssvc {
            let when = ssvc.decided_at.map(|time| format!(" on {}", time.strftime("%Y-%m-%d")));
            facts.push(format!("{} decided{}: {ssvc}.", ssvc.source, when.unwrap_or_default()));
        }
        if let Some(Epss { probability, percentile, run }) = &self.epss {
            let rank = percentile.map(|share| format!(", more than {share} of all CVEs"));
            let model = run.model.as_ref().map(|model| format!(" model {model}")).unwrap_or_default();
            let day = run.date.map(|day| format!(" of {day}")).unwrap_or_default();
            facts.push(format!(
                "EPSS{model}{day} gives {probability} for an attack within 30 days{}.",
                rank.unwrap_or_default()
            ));
        }
        facts
    }

    fn how_packages_lead_to_it(&self) -> Vec<String> {
        let facts = self.proof.binaries.iter().map(|fact| {
            let built = format!(
                "{} {} is built from {} {}",
                fact.name, fact.version, fact.source, fact.source_version
            );
            if fact.source == self.source_package {
                format!("{built}.")
            } else {
                format!("{built}, which packages the kernel {}.", self.source_package)
            }
        });
        facts.collect()
    }

    fn what_to_restart(&self) -> String {
        let units: Vec<&str> =
            self.proof.in_use_by.iter().flat_map(|units| units.iter()).map(|unit| &**unit).collect();
        let who = match units.as_slice() {
            [] => "a program that is no service still runs".to_owned(),
            [unit] => format!("{unit} still runs"),
            units => format!("{} still run", units.join(", ")),
        };
        format!(
            "The fix is installed, but {who} what it replaced; a restart, or a reboot, puts the fix into effect."
        )
    }

    fn which_kernel_runs(&self) -> Option<String> {
        let kernel = self.kernel.as_ref()?;
        let release = &kernel.release;
        Some(if kernel.shared_with_host {
            format!("The running kernel {release} is not this container's but that of the machine below.")
        } else if kernel.running {
            format!("The running kernel {release} is {} {}.", self.source_package, self.installed)
        } else if release.is_empty() {
            "Which kernel runs is not known.".to_owned()
        } else {
            format!("The running kernel is {release}, not this one.")
        })
    }

    /// What can be done about it, in a sentence.
    pub(crate) fn what_follows(&self) -> String {
        match self.fixability {
            Fixability::Fixable => "An update with the fix can be installed now.".into(),
            Fixability::NotInEffect if self.kernel.is_none() => self.what_to_restart(),
            Fixability::NotInEffect => "A kernel with the fix is installed; a reboot puts it into effect.".into(),
            Fixability::RestartDue => {
                "A version with the fix is installed; a restart of the engine puts it into effect.".into()
            }
            Fixability::ManualStep => {
                "The update is installed. Whether the step by hand was done cannot be seen from the version; record it in the override list once it is."
                    .into()
            }
            Fixability::Phased => "The update is being phased in and has not reached this host.".into(),
            Fixability::Held => "The package is held on this host; release the hold to install the fix.".into(),
            Fixability::SharedKernel => "It has to be fixed on the machine below, not here.".into(),
            Fixability::EsmOnly => "The fix is released to Ubuntu Pro subscribers only.".into(),
            Fixability::NotYetInArchive => {
                "The package sources of this host do not offer the fixed version; refresh them, or check that its security pocket is enabled."
                    .into()
            }
            Fixability::NotJudged => {
                "It counts as affected until its version can be judged or the override list says otherwise.".into()
            }
            Fixability::NoUpstream => {
                "The community edition is no longer maintained and will not be fixed; move to a maintained fork or edition."
                    .into()
            }
            Fixability::NoFix => "There is no fix to install yet.".into(),
            Fixability::EndOfLife => "No fix will come for this release; move to one that is supported.".into(),
            Fixability::Livepatched => format!(
                "The live patch of {} fixes it in the kernel that runs, until the next boot; a kernel with the fix and a reboot make it last.",
                self.proof.livepatch.as_deref().unwrap_or("a notice")
            ),
            Fixability::NotRunning => "It is not in use; removing the old kernel package ends it.".into(),
            Fixability::Unimportant => "Nothing needs to be done.".into(),
        }
    }
}

fn score_in_words(score: &Score) -> String {
    let role = match score.role {
        ScoreRole::Primary => "",
        ScoreRole::Secondary => " as a second opinion",
    };
    let vector = if score.vector.is_empty() { String::new() } else { format!(" ({})", score.vector) };
    format!("{} gave {} in CVSS {}{role}{vector}.", score.source, score.base, score.version)
}

/// The name under which feeds list a release.
pub(crate) fn listed_in(release: base::Release, pro: bool) -> String {
    match release.distribution() {
        Distribution::Debian => release.codename().to_owned(),
        Distribution::Ubuntu => {
            // Every Ubuntu release that is known by name is a long-term one.
            format!("Ubuntu:{}{}:LTS", if pro { "Pro:" } else { "" }, release.version())
        }
    }
}
