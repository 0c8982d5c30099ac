//! How bad a vulnerability is, and who says so.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A rank. Being in CISA's catalogue is not a rank: it is told apart and
/// outranks all of these.
///
/// The order is that of attention: what nobody has scored yet stands above
/// what somebody has scored as low.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// CVSS 0.1 to 3.9, or a distribution's `low` or `negligible`.
    Low,
    /// Nobody has given a score yet. Never shown as low.
    #[default]
    Unknown,
    /// CVSS 4.0 to 6.9, or a distribution's `medium`.
    Medium,
    /// CVSS 7.0 to 8.9, or a distribution's `high`.
    High,
    /// CVSS 9.0 to 10.0, or a distribution's `critical`.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Unknown => "no score yet",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// Who gave a [`Severity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeveritySource {
    /// The priority that Ubuntu's security team gave.
    UbuntuPriority,
    /// The urgency in Debian's security tracker.
    DebianUrgency,
    /// The preferred CVSS score, the first of the finding's scores.
    Cvss,
}

impl fmt::Display for SeveritySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UbuntuPriority => "Ubuntu's priority",
            Self::DebianUrgency => "Debian's urgency",
            Self::Cvss => "CVSS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_score_outranks_low() {
        assert!(Severity::Unknown > Severity::Low);
        assert!(Severity::Medium > Severity::Unknown);
        assert!(Severity::Critical > Severity::High);
    }
}
