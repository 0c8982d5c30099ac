//! What the feeds say about a server in short: the columns of tables.

use serde::{Deserialize, Serialize};
use vulns::{Findings, Fixability, Summary};

/// The short form of a server's findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// Counts of findings in effect.
    #[serde(flatten)]
    pub summary: Summary,
    /// Updates that would fix some of them now.
    pub updates: usize,
    /// The feeds know the server's release. Where they do not, no finding means nothing.
    pub covered: bool,
}

impl Risk {
    /// The short form of these findings.
    pub fn of(findings: &Findings, covered: bool) -> Self {
        let fixable =
            findings.by_update().iter().filter(|group| group.fixability == Fixability::Fixable).count();
        Self { summary: findings.summary(), updates: fixable, covered }
    }
}
