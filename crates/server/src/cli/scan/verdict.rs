//! `--fail-on`: when a scan should fail what called it.

use base::Problem;
use clap::ValueEnum;
use vulns::{
    FeedKind, Finding, Fixability, Severity,
    report::{FeedLine, FeedPresence},
};

/// What makes a scan fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Known to be exploited.
    Kev,
    /// Critical, or known to be exploited.
    Critical,
    /// High or critical, or known to be exploited.
    High,
    /// Fixed by an update that can be installed now.
    Fixable,
}

impl FailOn {
    fn meets(self, finding: &Finding) -> bool {
        let exploited = finding.kev.is_some();
        finding.is_open()
            && match self {
                Self::Kev => exploited,
                Self::Critical => exploited || finding.severity == Severity::Critical,
                Self::High => exploited || finding.severity >= Severity::High,
                Self::Fixable => finding.fixability == Fixability::Fixable,
            }
    }
}

/// Whether any finding is of such a kind.
pub fn reached(kinds: &[FailOn], findings: &[Finding]) -> bool {
    findings.iter().any(|finding| kinds.iter().any(|kind| kind.meets(finding)))
}

/// Refuses to judge by a feed that was not read.
pub fn must_be_decidable(kinds: &[FailOn], feeds: &[FeedLine]) -> Result<(), Problem> {
    let missing = feeds.iter().find(|line| line.name == FeedKind::Kev && line.state == FeedPresence::Missing);
    match missing {
        Some(line) if kinds.contains(&FailOn::Kev) => Err(Problem::new(
            "scan.fail_on_undecidable",
            "`--fail-on kev` cannot be decided without CISA's catalogue",
        )
        .found(line.reason.clone().unwrap_or_default())
        .next("add the catalogue to the feeds, or leave `--fail-on kev` out")),
        _ => Ok(()),
    }
}
