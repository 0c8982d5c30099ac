//! Findings grouped by the update that closes them. One kernel update can close a
//! thousand, so this is what pages, mails and receipts list.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{finding::Finding, fixability::Fixability, severity::Severity};

/// The findings that one update of one source package closes, or that wait for the
/// same thing: all have the same fixability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateGroup {
    /// The source package.
    pub source_package: Arc<str>,
    /// Its version on the host.
    pub installed: Arc<str>,
    /// The version that fixes them all: the highest of the fixed versions.
    pub to: Option<Arc<str>>,
    /// The installed binary packages.
    pub binaries: Arc<[Arc<str>]>,
    /// What can be done about them.
    pub fixability: Fixability,
    /// How many there are.
    pub cves: usize,
    /// How many of them are known to be exploited.
    pub kev: usize,
    /// The worst severity among them.
    pub worst: Severity,
    /// Where they stand in [`Findings::list`](crate::Findings::list).
    pub findings: Vec<usize>,
}

impl UpdateGroup {
    /// Groups findings; groups come in the order of their first finding.
    pub fn of(list: &[Finding]) -> Vec<Self> {
        Self::of_places(list.iter().enumerate())
    }

    /// The same of some findings of a list, each with its place there.
    pub(crate) fn of_places<'a>(findings: impl Iterator<Item = (usize, &'a Finding)>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        let mut places: HashMap<(&str, &str, Fixability), usize> = HashMap::new();
        for (at, finding) in findings {
            let key = (&*finding.source_package, &*finding.installed, finding.fixability);
            let place = *places.entry(key).or_insert_with(|| {
                groups.push(Self {
                    source_package: Arc::clone(&finding.source_package),
                    installed: Arc::clone(&finding.installed),
                    to: None,
                    binaries: Arc::clone(&finding.binaries),
                    fixability: finding.fixability,
                    cves: 0,
                    kev: 0,
                    worst: finding.severity,
                    findings: Vec::new(),
                });
                groups.len() - 1
            });
            groups[place].add(at, finding);
        }
        groups
    }

    fn add(&mut self, at: usize, finding: &Finding) {
        self.cves += 1;
        self.kev += usize::from(finding.kev.is_some());
        self.worst = self.worst.max(finding.severity);
        self.findings.push(at);
        if let Some(fixed) = &finding.fixed
            && self.to.as_ref().is_none_or(|to| finding.compare_versions(fixed, to).is_gt())
        {
            self.to = Some(Arc::clone(fixed));
        }
    }
}
