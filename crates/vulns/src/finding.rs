//! A vulnerability that touches a host, and its explanation.

use std::{
    cmp::{Ordering, Reverse},
    sync::Arc,
};

use base::Distribution;
use serde::{Deserialize, Serialize};

use crate::{
    feeds::{FeedKind, KevEntry},
    fixability::Fixability,
    proof::{Proof, Statement},
    severity::Severity,
};

/// One CVE in one source package of a host. Texts are shared between findings, so a clone is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The CVE, or the tracker's own name (`TEMP-…`) while there is none.
    pub cve: Arc<str>,
    /// The source package under which the feed lists it; for kernels the kernel's source, such as `linux`.
    pub source_package: Arc<str>,
    /// The installed binary packages it is in.
    pub binaries: Arc<[Arc<str>]>,
    /// The version of the source package that was compared; for a running kernel, the version that runs.
    pub installed: Arc<str>,
    /// The first version with the fix, if there is one.
    pub fixed: Option<Arc<str>>,
    /// What can be done about it.
    pub fixability: Fixability,
    /// How bad it is.
    pub severity: Severity,
    /// CISA's entry, if it is known to be exploited. Outranks `severity`.
    pub kev: Option<Arc<KevEntry>>,
    /// For kernels, which one runs.
    pub kernel: Option<Arc<KernelFacts>>,
    /// Why this is believed.
    pub proof: Proof,
}

/// The kernels of the host, as far as they matter to a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelFacts {
    /// Whether the vulnerable kernel is the one that runs.
    pub running: bool,
    /// What `uname -r` prints; empty when it is not known.
    pub release: Arc<str>,
    /// Whether the running kernel belongs to the machine below this container.
    pub shared_with_host: bool,
    /// The installed images of this kernel source, oldest first.
    pub images: Arc<[ImageFact]>,
}

/// An installed kernel image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFact {
    /// The binary package.
    pub name: Arc<str>,
    /// The version of the kernel source.
    pub version: Arc<str>,
}

impl Finding {
    /// What makes it the same finding in another inventory: the CVE and the source package.
    pub fn key(&self) -> (&str, &str) {
        (&self.cve, &self.source_package)
    }

    /// Whether the vulnerability is in effect on the host.
    pub fn is_open(&self) -> bool {
        self.fixability.is_open()
    }

    /// The order of attention: what is in effect first; of that, exploited first, then by
    /// severity, then what can be fixed now.
    pub fn by_attention(&self, other: &Self) -> Ordering {
        let rank = |finding: &Self| {
            (finding.is_open(), finding.kev.is_some(), finding.severity, Reverse(finding.fixability))
        };
        rank(other).cmp(&rank(self)).then_with(|| {
            (&self.source_package, &self.cve, &self.installed).cmp(&(
                &other.source_package,
                &other.cve,
                &other.installed,
            ))
        })
    }

    /// The chain of facts, a sentence each: what the feed says, how the packages lead to it, how
    /// the versions compare, what follows, and how bad it is.
    pub fn explain(&self) -> Vec<String> {
        let mut facts = vec![self.what_the_feed_says()];
        facts.extend(self.how_packages_lead_to_it());
        facts.push(match &self.fixed {
            Some(fixed) => format!("Version {} is older than {fixed}.", self.installed),
            None => format!("Version {} is affected, as every version is.", self.installed),
        });
        facts.extend(self.which_kernel_runs());
        facts.push(self.what_follows());
        facts.push(match self.proof.severity_source {
            Some(source) => format!("Severity is {} by {source}.", self.severity),
            None => "Nobody has given a score yet.".to_owned(),
        });
        if let Some(kev) = &self.kev {
            let ransomware = if kev.ransomware { ", and it is used by ransomware" } else { "" };
            let due = kev.due_date.map(|day| format!(", due by {day}")).unwrap_or_default();
            facts.push(format!(
                "It is being exploited: CISA lists it as \"{}\" since {}{due}{ransomware}.",
                kev.name, kev.date_added
            ));
        }
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
            Fixability::NotInEffect => "A kernel with the fix is installed; a reboot puts it into effect.".into(),
            Fixability::Phased => "The update is being phased in and has not reached this host.".into(),
            Fixability::Held => "The package is held on this host; release the hold to install the fix.".into(),
            Fixability::SharedKernel => "It has to be fixed on the machine below, not here.".into(),
            Fixability::EsmOnly => "The fix is released to Ubuntu Pro subscribers only.".into(),
            Fixability::NotYetInArchive => {
                "The package sources of this host do not offer the fixed version; refresh them, or check that its security pocket is enabled."
                    .into()
            }
            Fixability::NoFix => "There is no fix to install yet.".into(),
            Fixability::EndOfLife => "No fix will come for this release; move to one that is supported.".into(),
            Fixability::NotRunning => "It is not in use; removing the old kernel package ends it.".into(),
            Fixability::Unimportant => "Nothing needs to be done.".into(),
        }
    }
}

/// The name under which a feed lists a release.
pub(crate) fn listed_in(feed: FeedKind, release: base::Release, pro: bool) -> String {
    match (feed, release.distribution()) {
        (FeedKind::DebianTracker, _) | (_, Distribution::Debian) => release.codename().to_owned(),
        (_, Distribution::Ubuntu) => {
            // Every Ubuntu release that is known by name is a long-term one.
            format!("Ubuntu:{}{}:LTS", if pro { "Pro:" } else { "" }, release.version())
        }
    }
}
