//! The columns of the Security page's table: their heads, and how each sorts servers.

use std::cmp::Ordering;

use super::updates::percent;
use crate::{
    exposure::Risk,
    hosts::{Facts, Server},
};

/// A column by which the table can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Name.
    Server,
    /// Pending updates.
    Updates,
    /// Whether a reboot is due.
    Reboot,
    /// Running kernel.
    Kernel,
    /// Last reboot.
    Boot,
    /// Exploited.
    Exploited,
    /// Critical.
    Critical,
    /// High.
    High,
    /// Medium.
    Medium,
    /// Low.
    Low,
    /// Not scored yet, which is never shown as low.
    Unscored,
    /// Fixable now.
    Fixable,
    /// All in effect.
    Open,
    /// How much the feeds can say.
    Coverage,
}

impl Column {
    /// From left to right.
    pub const ALL: [Self; 14] = [
        Self::Server,
        Self::Updates,
        Self::Reboot,
        Self::Kernel,
        Self::Boot,
        Self::Exploited,
        Self::Critical,
        Self::High,
        Self::Medium,
        Self::Low,
        Self::Unscored,
        Self::Fixable,
        Self::Open,
        Self::Coverage,
    ];

    /// In addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "name",
            Self::Updates => "updates",
            Self::Reboot => "reboot",
            Self::Kernel => "kernel",
            Self::Boot => "boot",
            Self::Exploited => "exploited",
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Unscored => "unscored",
            Self::Fixable => "fixable",
            Self::Open => "open",
            Self::Coverage => "coverage",
        }
    }

    /// Its head.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Updates => "Updates",
            Self::Reboot => "Reboot",
            Self::Kernel => "Kernel",
            Self::Boot => "Last reboot",
            Self::Exploited => "KEV",
            Self::Critical => "Crit",
            Self::High => "High",
            Self::Medium => "Med",
            Self::Low => "Low",
            Self::Unscored => "No score",
            Self::Fixable => "Fixable",
            Self::Open => "Open",
            Self::Coverage => "Known",
        }
    }

    /// Its head, at length.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Server => "Name and operating system",
            Self::Updates => "Updates that apt offers, and how many are security updates",
            Self::Reboot => "Whether a reboot is due, and why",
            Self::Kernel => "Running kernel, and whether a newer one is installed",
            Self::Boot => "When it last booted, and for how long it has been up",
            Self::Exploited => "Known to be exploited (CISA KEV)",
            Self::Critical => "Critical",
            Self::High => "High",
            Self::Medium => "Medium",
            Self::Low => "Low",
            Self::Unscored => "Nobody has given a score yet",
            Self::Fixable => "An update fixes them now",
            Self::Open => "All findings in effect; what is accepted is counted apart",
            Self::Coverage => "How many of its source packages the feeds name, and what they cannot say",
        }
    }

    /// Whether its cells are numbers.
    pub fn is_number(&self) -> bool {
        (self.falls() && *self != Self::Reboot) || *self == Self::Coverage
    }

    /// Whether the most comes first.
    pub fn falls(self) -> bool {
        !matches!(self, Self::Server | Self::Kernel | Self::Boot | Self::Coverage)
    }

    /// Which of two servers comes first; one of which nothing is known comes last.
    pub fn compare(self, a: &Server, b: &Server) -> Ordering {
        // Of what is not known, a table says nothing at its end.
        let facts =
            |count: fn(&Facts) -> usize| b.facts.as_ref().map(count).cmp(&a.facts.as_ref().map(count));
        let risk = |count: fn(&Risk) -> usize| b.risk.as_ref().map(count).cmp(&a.risk.as_ref().map(count));
        match self {
            Self::Server => a.name.as_str().cmp(b.name.as_str()),
            Self::Updates => facts(|facts| facts.pending_security).then(facts(|facts| facts.pending)),
            Self::Reboot => facts(|facts| facts.reboot_reasons.len()),
            Self::Kernel => {
                let kernel =
                    |server: &Server| server.facts.as_ref().map(|facts| facts.kernel_running.clone());
                last_unknown(kernel(a), kernel(b), |a, b| vulns::version::compare(a, b))
            }
            Self::Boot => {
                let boot = |server: &Server| server.facts.as_ref().map(|facts| facts.booted_at);
                last_unknown(boot(a), boot(b), Ord::cmp)
            }
            Self::Exploited => risk(|risk| risk.summary.kev),
            Self::Critical => risk(|risk| risk.summary.critical),
            Self::High => risk(|risk| risk.summary.high),
            Self::Medium => risk(|risk| risk.summary.medium),
            Self::Low => risk(|risk| risk.summary.low),
            Self::Unscored => risk(|risk| risk.summary.unknown),
            Self::Fixable => risk(|risk| risk.summary.fixable),
            Self::Open => risk(|risk| risk.summary.open),
            // The least known comes first, as that is what one looks for; never judged is
            // least of all.
            Self::Coverage => {
                let share = |server: &Server| {
                    let known = |risk: &Risk| (risk.known(), percent(risk.sources_named, risk.sources));
                    server.risk.as_ref().map(known)
                };
                share(a).cmp(&share(b))
            }
        }
    }
}

fn last_unknown<T>(a: Option<T>, b: Option<T>, compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(&a, &b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}
