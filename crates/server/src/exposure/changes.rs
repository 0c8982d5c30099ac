//! What opened and what closed on a server, grouped by package: one kernel update can
//! close a thousand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vulns::{Finding, FindingsDiff};

/// The findings of one source package that opened or closed between two inventories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingChange {
    /// The source package.
    pub source_package: String,
    /// Its version before.
    pub installed: String,
    /// CVEs that are no longer in effect.
    pub closed: Vec<String>,
    /// CVEs that are in effect now and were not.
    pub opened: Vec<String>,
    /// Those among the closed that are known to be exploited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_exploited: Vec<String>,
}

/// A change with its moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatedChange {
    /// When the inventory that shows it was received.
    pub at: Timestamp,
    /// What changed.
    #[serde(flatten)]
    pub change: FindingChange,
}

/// Groups a difference by source package, in alphabetical order.
pub fn by_package(diff: &FindingsDiff) -> Vec<FindingChange> {
    let mut groups: BTreeMap<&str, FindingChange> = BTreeMap::new();
    fn group<'a, 'b>(
        groups: &'b mut BTreeMap<&'a str, FindingChange>,
        finding: &'a Finding,
    ) -> &'b mut FindingChange {
        let change = groups.entry(&finding.source_package).or_default();
        change.source_package = finding.source_package.to_string();
        change.installed = finding.installed.to_string();
        change
    }
    for finding in &diff.closed {
        let change = group(&mut groups, finding);
        change.closed.push(finding.cve.to_string());
        if finding.kev.is_some() {
            change.closed_exploited.push(finding.cve.to_string());
        }
    }
    for finding in &diff.opened {
        group(&mut groups, finding).opened.push(finding.cve.to_string());
    }
    groups.into_values().collect()
}
