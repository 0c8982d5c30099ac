//! A server's findings by the update that fixes them: one kernel may carry a thousand,
//! so groups are counted and only the first few of each are told with their proof.

use vulns::{Coverage, Finding, Fixability, KernelCoverage, ReleaseCoverage, UpdateGroup};

use crate::{
    exposure::api::ServerFindings,
    pages::{Badge, count},
};

/// Findings of one update that are told one by one; the rest is a number.
const TOLD: usize = 10;
/// Updates that are shown; a neglected host may have hundreds.
const SHOWN: usize = 150;

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
    /// What the feeds can and cannot say.
    pub coverage: Vec<String>,
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
pub fn findings_view(found: &ServerFindings) -> FindingsView {
    let list = found.findings.list();
    let open: Vec<&UpdateGroup> = found.updates.iter().filter(|group| group.fixability.is_open()).collect();
    FindingsView {
        groups: open.iter().take(SHOWN).map(|group| told_group(group, list)).collect(),
        more_groups: open.len().saturating_sub(SHOWN),
        open: found.summary.open,
        fixable: found.summary.fixable,
        by_fixability: found.summary.by_fixability.iter().map(|(can, n)| (fixability(*can), *n)).collect(),
        coverage: found.coverage.as_ref().map(coverage).unwrap_or_default(),
    }
}

fn told_group(group: &UpdateGroup, list: &[Finding]) -> Group {
    let told = group.findings.iter().filter_map(|place| list.get(*place)).take(TOLD);
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

fn fixability(fixability: Fixability) -> Badge {
    let word = fixability.to_string();
    match fixability {
        Fixability::Fixable => Badge::accent(word),
        Fixability::NotInEffect | Fixability::Held | Fixability::EndOfLife => Badge::amber(word),
        _ => Badge::quiet(word),
    }
}

/// What the feeds can and cannot say, a sentence each.
fn coverage(coverage: &Coverage) -> Vec<String> {
    let release = match coverage.release {
        ReleaseCoverage::Covered => {
            let unnamed = coverage.sources.saturating_sub(coverage.sources_named);
            let all = count(coverage.sources, "source package", "source packages");
            let packages = match unnamed {
                0 => format!("The feeds speak of all of its {all}."),
                _ => format!(
                    "The feeds speak of {} of its {all}. The other {unnamed} never had a CVE or come from a third party; a feed cannot tell which.",
                    coverage.sources_named,
                ),
            };
            return vec![packages, kernel(coverage.kernel).to_owned()];
        }
        ReleaseCoverage::Unknown => "Its release is not one that Holdfast knows, so nothing was matched.",
        ReleaseCoverage::NotInFeed => "The feed of its distribution does not speak of its release.",
        ReleaseCoverage::NoFeed => "No feed of its distribution has been read.",
    };
    vec![format!("{release} That there are no findings means nothing.")]
}

fn kernel(kernel: KernelCoverage) -> &'static str {
    match kernel {
        KernelCoverage::Covered => "Its running kernel is covered.",
        KernelCoverage::SharedWithHost => {
            "Its kernel belongs to the machine below and is judged and patched there."
        }
        KernelCoverage::Unknown => "Its running kernel comes from no package that a feed names.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn a_group_tells_a_few_and_counts_the_rest() {
        let found = samples::findings(37);
        let view = findings_view(&found);
        let group = view.groups.iter().find(|group| group.package == "openssl").unwrap();
        assert_eq!((group.cves, group.told.len(), group.more), (37, TOLD, 27));
        assert_eq!(group.kev, 1);
        assert!(group.told[0].exploited, "the exploited one is told first");
        assert!(group.told[0].proof.iter().any(|fact| fact.contains("is built from openssl")));
        assert_eq!(view.more_groups, 0);
    }

    #[test]
    fn few_findings_are_all_told() {
        let view = findings_view(&samples::findings(3));
        assert_eq!(view.groups[0].more, 0);
        assert_eq!(view.groups[0].told.len(), 3);
    }

    #[test]
    fn an_unknown_release_is_no_good_news() {
        let unknown = Coverage {
            release: ReleaseCoverage::Unknown,
            kernel: KernelCoverage::Unknown,
            packages: 3,
            sources: 3,
            sources_named: 0,
            unnamed: Vec::new(),
            third_party: 0,
            engines: Vec::new(),
        };
        let said = coverage(&unknown);
        assert!(said[0].ends_with("That there are no findings means nothing."), "{said:?}");
    }
}
