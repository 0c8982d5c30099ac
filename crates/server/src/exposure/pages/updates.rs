//! A server's findings by the update that fixes them: one kernel may carry a thousand,
//! so groups are counted and only the first few of each are told with their proof.

use vulns::{Fixability, UpdateGroup};

use crate::{
    exposure::{
        Acceptance, CoverageReport, Gap, Known,
        api::{ListedFinding, ServerFindings},
    },
    pages::{Badge, Frame, grouped},
};

/// Findings of one update that are told one by one; the rest is a number.
const TOLD: usize = 10;
/// Updates that are shown; a neglected host may have hundreds.
const SHOWN: usize = 150;
/// Accepted findings that are shown.
const ACCEPTED: usize = 100;
/// Packages in no feed that are named.
const NAMED: usize = 60;

/// What is told of a server's findings.
pub struct FindingsView {
    /// In effect, in the order of attention.
    pub groups: Vec<Group>,
    /// Groups in effect beyond those shown.
    pub more_groups: usize,
    /// In effect in all.
    pub open: usize,
    /// Of these, fixable now.
    pub fixable: usize,
    /// Counts of what can be done about them, and of what is not in effect.
    pub by_fixability: Vec<(Badge, usize)>,
    /// Findings in effect that somebody has accepted.
    pub accepted_open: usize,
    /// Of these, known to be exploited.
    pub accepted_exploited: usize,
    /// What somebody has accepted, also what is not in effect.
    pub accepted: Vec<AcceptedRow>,
    /// Accepted beyond those shown.
    pub more_accepted: usize,
    /// What the feeds can and cannot say.
    pub coverage: CoverageView,
}

/// An accepted finding.
pub struct AcceptedRow {
    /// The CVE.
    pub cve: String,
    /// Source package.
    pub package: String,
    /// Its severity.
    pub severity: Badge,
    /// It is known to be exploited.
    pub exploited: bool,
    /// What can be done.
    pub fixability: Badge,
    /// Who accepted it and why.
    pub mark: AcceptedMark,
}

/// What stands beside an accepted finding.
pub struct AcceptedMark {
    /// The acceptance.
    pub id: String,
    /// "accepted until … by … because …".
    pub words: String,
}

impl AcceptedMark {
    /// Of this acceptance.
    pub fn of(acceptance: &Acceptance) -> Self {
        Self { id: acceptance.id.to_string(), words: acceptance.in_words() }
    }

    /// The same where the word itself stands before it.
    pub fn after_the_word(&self) -> &str {
        self.words.strip_prefix("accepted ").unwrap_or(&self.words)
    }
}

/// What the feeds can and cannot say about a server.
pub struct CoverageView {
    /// In short.
    pub badge: Badge,
    /// Share of its source packages that feeds name, in percent.
    pub percent: usize,
    /// The numbers in a sentence.
    pub numbers: String,
    /// A sentence for each gap and each feed that is missing or stale.
    pub lines: Vec<String>,
    /// Packages of which the feeds cannot speak, a list for each reason.
    pub named: Vec<Named>,
}

/// The first few of a long list of names.
pub struct Named {
    /// What they are.
    pub title: &'static str,
    /// These.
    pub first: Vec<String>,
    /// How many more.
    pub more: usize,
}

impl Named {
    fn of(title: &'static str, names: &[String]) -> Option<Self> {
        let (first, more) = (names.iter().take(NAMED).cloned().collect(), names.len().saturating_sub(NAMED));
        (!names.is_empty()).then_some(Self { title, first, more })
    }
}

/// Findings that one update fixes, or for which there is the same thing to do.
pub struct Group {
    /// Source package.
    pub package: String,
    /// Its version on the host.
    pub installed: String,
    /// The version that fixes all of them.
    pub to: Option<String>,
    /// How many.
    pub cves: usize,
    /// How many of them are known to be exploited.
    pub kev: usize,
    /// The worst severity.
    pub worst: Badge,
    /// What can be done.
    pub fixability: Badge,
    /// Installed binary packages.
    pub binaries: String,
    /// The first few.
    pub told: Vec<Told>,
    /// How many more.
    pub more: usize,
}

/// One finding with its proof.
pub struct Told {
    /// The CVE.
    pub cve: String,
    /// Its severity.
    pub severity: Badge,
    /// It is known to be exploited.
    pub exploited: bool,
    /// The chain of facts.
    pub proof: Vec<String>,
}

/// How a server's findings are told.
pub fn findings_view(found: &ServerFindings, frame: &Frame) -> FindingsView {
    let list = &found.list;
    let open: Vec<&UpdateGroup> = found.updates.iter().filter(|group| group.fixability.is_open()).collect();
    let accepted: Vec<AcceptedRow> = list.iter().filter_map(accepted_row).collect();
    FindingsView {
        groups: open.iter().take(SHOWN).map(|group| told_group(group, list)).collect(),
        more_groups: open.len().saturating_sub(SHOWN),
        open: found.summary.open,
        fixable: found.summary.fixable,
        by_fixability: found.summary.by_fixability.iter().map(|(can, n)| (fixability(*can), *n)).collect(),
        accepted_open: found.accepted,
        accepted_exploited: found.accepted_exploited,
        more_accepted: accepted.len().saturating_sub(ACCEPTED),
        accepted: accepted.into_iter().take(ACCEPTED).collect(),
        coverage: coverage(&found.coverage, frame),
    }
}

fn accepted_row(listed: &ListedFinding) -> Option<AcceptedRow> {
    let (finding, acceptance) = (&listed.finding, listed.accepted.as_ref()?);
    Some(AcceptedRow {
        cve: finding.cve.to_string(),
        package: finding.source_package.to_string(),
        severity: Badge::severity(finding.severity),
        exploited: finding.kev.is_some(),
        fixability: fixability(finding.fixability),
        mark: AcceptedMark::of(acceptance),
    })
}

fn told_group(group: &UpdateGroup, list: &[ListedFinding]) -> Group {
    let told =
        group.findings.iter().filter_map(|place| list.get(*place)).map(|listed| &listed.finding).take(TOLD);
    let binaries: Vec<&str> = group.binaries.iter().map(|name| &**name).collect();
    Group {
        package: group.source_package.to_string(),
        installed: group.installed.to_string(),
        to: group.to.as_ref().map(ToString::to_string),
        cves: group.cves,
        kev: group.kev,
        worst: Badge::severity(group.worst),
        fixability: fixability(group.fixability),
        binaries: binaries.join(", "),
        told: told
            .map(|finding| Told {
                cve: finding.cve.to_string(),
                severity: Badge::severity(finding.severity),
                exploited: finding.kev.is_some(),
                proof: finding.explain(),
            })
            .collect(),
        more: group.cves.saturating_sub(TOLD),
    }
}

/// What can be done, as a word with a tone.
pub fn fixability(fixability: Fixability) -> Badge {
    let word = fixability.to_string();
    match fixability {
        Fixability::Fixable => Badge::accent(word),
        Fixability::NotInEffect | Fixability::Held | Fixability::EndOfLife => Badge::amber(word),
        _ => Badge::quiet(word),
    }
}

fn coverage(report: &CoverageReport, frame: &Frame) -> CoverageView {
    let (named, all) = (report.coverage.sources_named, report.coverage.sources);
    let gaps = report.gaps.iter().map(Gap::in_words);
    let silent = report.silent_feeds.iter().map(|feed| feed.in_words(frame.now));
    CoverageView {
        badge: known_badge(report.known),
        percent: percent(named, all),
        numbers: format!("The feeds name {} of {} source packages.", grouped(named), grouped(all)),
        lines: gaps.chain(silent).collect(),
        named: [
            Named::of("Packages of another builder", &report.coverage.third_party),
            Named::of("Source packages that no feed names", &report.coverage.unnamed),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

/// How much is known, as a word with a tone.
pub fn known_badge(known: Known) -> Badge {
    match known {
        Known::Nothing => Badge::amber("not covered"),
        Known::Partly => Badge::amber("partly covered"),
        Known::Well => Badge::green("covered"),
    }
}

/// A share in percent, rounded down: it says 100 only when nothing is missing.
pub fn percent(part: usize, whole: usize) -> usize {
    (part * 100).checked_div(whole).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn view(found: &ServerFindings) -> FindingsView {
        findings_view(found, &samples::frame("/servers/web-1", &[]))
    }

    #[test]
    fn a_group_tells_a_few_and_counts_the_rest() {
        let view = view(&samples::findings(37));
        let group = view.groups.iter().find(|group| group.package == "openssl").unwrap();
        assert_eq!((group.cves, group.told.len(), group.more), (37, TOLD, 27));
        assert_eq!(group.kev, 1);
        assert!(group.told[0].exploited, "the exploited one is told first");
        assert!(group.told[0].proof.iter().any(|fact| fact.contains("is built from openssl")));
        assert_eq!(view.more_groups, 0);
    }

    #[test]
    fn few_findings_are_all_told() {
        let view = view(&samples::findings(3));
        assert_eq!(view.groups[0].more, 0);
        assert_eq!(view.groups[0].told.len(), 3);
    }

    #[test]
    fn what_is_accepted_is_told_apart() {
        let (before, after) = (view(&samples::findings(5)), view(&samples::accepted_findings(5)));
        assert_eq!((after.open, after.accepted_open, after.accepted_exploited), (before.open - 1, 1, 1));
        let group = after.groups.iter().find(|group| group.package == "openssl").unwrap();
        assert!(group.kev == 0 && group.told.iter().all(|told| told.cve != "CVE-2024-1001"));
        assert_eq!((after.accepted.len(), after.accepted[0].cve.as_str()), (1, "CVE-2024-1001"));
        assert!(after.accepted[0].mark.words.starts_with("accepted until 2026-05-01 by ann because"));
    }

    #[test]
    fn packages_in_no_feed_are_counted_and_some_named() {
        let mut found = samples::findings(3);
        let names = (0..100).map(|n| format!("acme-{n:03}"));
        found.coverage.coverage.unnamed = names.collect();
        let lists = view(&found).coverage.named;
        assert_eq!((lists.len(), lists[0].first.len(), lists[0].more), (1, NAMED, 100 - NAMED));
    }

    #[test]
    fn all_but_one_is_not_all() {
        assert_eq!((percent(999, 1000), percent(3, 3), percent(0, 0)), (99, 100, 0));
    }
}
