//! What the feeds say about a server in short: the columns of tables.

use serde::{Deserialize, Serialize};
use vulns::{Coverage, Finding, Findings, Fixability, ReleaseCoverage, Summary};

use super::{AcceptedHere, Gap, Known, coverage::known};

/// The short form of a server's findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// Counts of findings in effect, without those that are accepted.
    #[serde(flatten)]
    pub summary: Summary,
    /// Updates that would fix some of them now.
    pub updates: usize,
    /// Findings in effect that somebody has accepted.
    #[serde(default)]
    pub accepted: usize,
    /// Of these, known to be exploited.
    #[serde(default)]
    pub accepted_exploited: usize,
    /// The feeds know the server's release. Where they do not, no finding means nothing.
    pub covered: bool,
    /// What the feeds cannot say about it.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// Its source packages.
    #[serde(default)]
    pub sources: usize,
    /// Of these, the ones that a feed names.
    #[serde(default)]
    pub sources_named: usize,
}

impl Risk {
    /// The short form of these findings.
    pub fn of(findings: &Findings, coverage: &Coverage, accepted: &AcceptedHere) -> Self {
        let counts = |finding: &Finding| accepted.covering(finding).is_none();
        let groups = findings.by_update_where(counts);
        let set_apart = || findings.iter().filter(|finding| finding.is_open() && !counts(finding));
        Self {
            summary: findings.summary_where(counts),
            updates: groups.iter().filter(|group| group.fixability == Fixability::Fixable).count(),
            accepted: set_apart().count(),
            accepted_exploited: set_apart().filter(|finding| finding.kev.is_some()).count(),
            covered: coverage.release == ReleaseCoverage::Covered,
            gaps: Gap::of(coverage),
            sources: coverage.sources,
            sources_named: coverage.sources_named,
        }
    }

    /// How much is known about the server.
    pub fn known(&self) -> Known {
        match self.covered {
            true => known(&self.gaps),
            false => Known::Nothing,
        }
    }
}
