//! The findings of a host together: counted, and compared with an earlier inventory.

use std::collections::{BTreeMap, HashSet};

use base::Release;
use serde::{Deserialize, Serialize};

use crate::{finding::Finding, fixability::Fixability, severity::Severity, update::UpdateGroup};

/// The findings of a host, in the order of attention.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    release: Option<Release>,
    list: Vec<Finding>,
}

/// Counts of findings. One CVE in two source packages counts twice. All but
/// `by_fixability` count only what is in effect ([`Fixability::is_open`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Findings in effect.
    pub open: usize,
    /// Of these, critical ones.
    pub critical: usize,
    /// High ones.
    pub high: usize,
    /// Medium ones.
    pub medium: usize,
    /// Low ones.
    pub low: usize,
    /// Ones that nobody has scored yet.
    pub unknown: usize,
    /// Ones known to be exploited, whatever their severity.
    pub kev: usize,
    /// Ones that an update fixes now.
    pub fixable: usize,
    /// Ones that need something else than an update of this host, or for which there is nothing.
    pub unfixable: usize,
    /// Known to be exploited and fixable now.
    pub kev_fixable: usize,
    /// The worst severity of what is fixable now.
    pub worst_fixable: Option<Severity>,
    /// Every finding, also those not in effect.
    pub by_fixability: BTreeMap<Fixability, usize>,
}

impl Summary {
    pub(crate) fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut summary = Self::default();
        for finding in findings {
            *summary.by_fixability.entry(finding.fixability).or_default() += 1;
            if !finding.is_open() {
                continue;
            }
            summary.open += 1;
            *match finding.severity {
                Severity::Critical => &mut summary.critical,
                Severity::High => &mut summary.high,
                Severity::Medium => &mut summary.medium,
                Severity::Low => &mut summary.low,
                Severity::Unknown => &mut summary.unknown,
            } += 1;
            let exploited = usize::from(finding.kev.is_some());
            summary.kev += exploited;
            if finding.fixability == Fixability::Fixable {
                summary.fixable += 1;
                summary.kev_fixable += exploited;
                summary.worst_fixable = summary.worst_fixable.max(Some(finding.severity));
            } else {
                summary.unfixable += 1;
            }
        }
        summary
    }

    /// Adds the counts of other findings.
    pub(crate) fn add(&mut self, other: &Self) {
        // Without a wildcard, so that no count is forgotten.
        let Self {
            open,
            critical,
            high,
            medium,
            low,
            unknown,
            kev,
            fixable,
            unfixable,
            kev_fixable,
            worst_fixable,
            by_fixability,
        } = self;
        for (mine, theirs) in [
            (open, other.open),
            (critical, other.critical),
            (high, other.high),
            (medium, other.medium),
            (low, other.low),
            (unknown, other.unknown),
            (kev, other.kev),
            (fixable, other.fixable),
            (unfixable, other.unfixable),
            (kev_fixable, other.kev_fixable),
        ] {
            *mine += theirs;
        }
        *worst_fixable = (*worst_fixable).max(other.worst_fixable);
        for (fixability, count) in &other.by_fixability {
            *by_fixability.entry(*fixability).or_default() += count;
        }
    }
}

/// What changed from one inventory to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingsDiff {
    /// In effect now and not before.
    pub opened: Vec<Finding>,
    /// In effect before and no longer: as they were before.
    pub closed: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(release: Option<Release>, list: Vec<Finding>) -> Self {
        // Findings are large and there can be thousands, so short keys are sorted and each finding is
        // moved once. The keys decide nearly always; where they do not, the whole order does.
        let mut order: Vec<_> = list.iter().map(|finding| finding.attention_key()).zip(0_usize..).collect();
        order.sort_unstable_by(|(key, at), (other_key, other)| {
            key.cmp(other_key).then_with(|| list[*at].by_attention(&list[*other])).then_with(|| at.cmp(other))
        });
        let mut list: Vec<Option<Finding>> = list.into_iter().map(Some).collect();
        let list = order.into_iter().filter_map(|(_, at)| list[at].take()).collect();
        Self { release, list }
    }

    /// The release that was matched; `None` if it is not known, and then an absence
    /// of findings means nothing.
    pub fn release(&self) -> Option<Release> {
        self.release
    }

    /// The findings, in the order of attention.
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// The findings, in the order of attention.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.list.iter()
    }

    /// How many there are, also of those not in effect.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The counts.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.list)
    }

    /// The findings by update, in the order of attention.
    pub fn by_update(&self) -> Vec<UpdateGroup> {
        UpdateGroup::of(&self.list)
    }

    /// The counts of those that `counts` says yes to; a caller may count some apart.
    pub fn summary_where(&self, counts: impl Fn(&Finding) -> bool) -> Summary {
        Summary::of(self.list.iter().filter(|finding| counts(finding)))
    }

    /// Those that `counts` says yes to by update, in the order of attention. Their places are
    /// those in the whole list.
    pub fn by_update_where(&self, counts: impl Fn(&Finding) -> bool) -> Vec<UpdateGroup> {
        UpdateGroup::of_places(self.list.iter().enumerate().filter(|(_, finding)| counts(finding)))
    }

    /// What opened and what closed between two inventories of a host. A finding closes only when
    /// it is no longer in effect, so an installed kernel that does not run yet closes none.
    pub fn diff(before: &Self, after: &Self) -> FindingsDiff {
        let open = |findings: &'_ Self| -> HashSet<(String, String)> {
            let open = findings.list.iter().filter(|finding| finding.is_open()).map(Finding::key);
            open.map(|(cve, package)| (cve.to_owned(), package.to_owned())).collect()
        };
        let (was, is) = (open(before), open(after));
        let beyond = |findings: &Self, known: &HashSet<(String, String)>| -> Vec<Finding> {
            let open = findings.list.iter().filter(|finding| finding.is_open());
            open.filter(|finding| {
                let (cve, package) = finding.key();
                !known.contains(&(cve.to_owned(), package.to_owned()))
            })
            .cloned()
            .collect()
        };
        FindingsDiff { opened: beyond(after, &was), closed: beyond(before, &is) }
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}
