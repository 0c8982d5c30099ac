//! Sums over the fleet, and the banner that they call for.

use super::table::State;
use crate::{exposure::Risk, hosts::Server, pages::count};

/// Sums over the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Servers.
    pub servers: usize,
    /// Findings known to be exploited.
    pub exploited: usize,
    /// Of these, fixable now.
    pub exploited_fixable: usize,
    /// Critical findings.
    pub critical: usize,
    /// High findings.
    pub high: usize,
    /// Servers with exploited or critical findings.
    pub red_servers: usize,
    /// Servers with high findings.
    pub amber_servers: usize,
    /// Findings fixable now.
    pub fixable: usize,
    /// Pending security updates.
    pub pending_security: usize,
    /// Servers that should be rebooted.
    pub reboots: usize,
    /// Servers of which the feeds say nothing.
    pub unjudged: usize,
    /// Findings in effect that somebody has accepted; in none of the numbers above.
    pub accepted: usize,
    /// Of these, known to be exploited.
    pub accepted_exploited: usize,
    /// Servers with accepted findings.
    pub accepted_servers: usize,
}

impl Totals {
    /// Of these servers.
    pub fn of(servers: &[&Server]) -> Self {
        let mut totals = Self { servers: servers.len(), ..Self::default() };
        for server in servers {
            totals.accepted_servers += usize::from(State::Accepted.holds(server));
            totals.unjudged += usize::from(State::Unjudged.holds(server));
            totals.reboots += usize::from(State::Reboot.holds(server));
            totals.pending_security += server.facts.as_ref().map_or(0, |facts| facts.pending_security);
            let Some(Risk { summary, accepted, accepted_exploited, .. }) = &server.risk else { continue };
            totals.accepted += accepted;
            totals.accepted_exploited += accepted_exploited;
            totals.exploited += summary.kev;
            totals.exploited_fixable += summary.kev_fixable;
            totals.critical += summary.critical;
            totals.high += summary.high;
            totals.fixable += summary.fixable;
            totals.red_servers += usize::from(summary.kev + summary.critical > 0);
            totals.amber_servers += usize::from(summary.high > 0);
        }
        totals
    }

    /// What the banner says of exploited and critical findings, or else of high ones.
    pub fn banner(&self) -> Option<Banner> {
        let findings = |number| count(number, "finding", "findings");
        if self.exploited + self.critical > 0 {
            let mut parts = Vec::new();
            if self.exploited > 0 {
                let fixable = format!("{} fixable now", self.exploited_fixable);
                parts.push(format!("{} known to be exploited, {fixable}", findings(self.exploited)));
            }
            if self.critical > 0 {
                parts.push(format!("{} critical", findings(self.critical)));
            }
            let on = count(self.red_servers, "server", "servers");
            return Some(Banner { tone: "red", head: format!("{on} at risk"), text: parts.join("; ") });
        }
        (self.high > 0).then(|| Banner {
            tone: "amber",
            head: format!("{} to look at", count(self.amber_servers, "server", "servers")),
            text: format!("{} of high severity", findings(self.high)),
        })
    }
}

/// The banner above the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// `red` or `amber`.
    pub tone: &'static str,
    /// In short.
    pub head: String,
    /// The numbers.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exposure::pages::live, hosts::ServerState, pages::samples};

    #[test]
    fn destroyed_servers_do_not_count() {
        let mut fleet = samples::fleet();
        for server in &mut fleet {
            server.state = ServerState::Destroyed;
        }
        assert_eq!(Totals::of(&live(&fleet)), Totals::default());
        assert_eq!(Totals::default().banner(), None);
    }

    #[test]
    fn what_is_accepted_counts_apart() {
        let fleet = samples::fleet();
        let totals = Totals::of(&live(&fleet));
        assert_eq!((totals.accepted, totals.accepted_exploited, totals.accepted_servers), (3, 1, 1));
        assert_eq!(totals.exploited, 2, "the accepted one is not among them");
    }

    #[test]
    fn the_banner_counts() {
        let fleet = samples::fleet();
        let banner = Totals::of(&live(&fleet)).banner().unwrap();
        assert_eq!(banner.tone, "red");
        assert_eq!(banner.head, "1 server at risk");
        assert_eq!(banner.text, "2 findings known to be exploited, 1 fixable now; 1 finding critical");
    }
}
