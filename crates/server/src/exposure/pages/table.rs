//! The table of the Security page: which servers, in which order, and what a row says.
//!
//! Only the shown page of rows is built, so ten thousand servers cost a filter and a sort.

use std::cmp::Ordering;

use serde::Deserialize;

use super::{column::Column, updates::percent};
use crate::{
    exposure::{Known, Risk},
    hosts::{Server, ServerState},
    pages::{Badge, Frame, Link, When, span},
};

/// What the address asks for, as it was typed.
#[derive(Debug, Default, Deserialize)]
pub struct Query {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    order: String,
    #[serde(default)]
    page: String,
}

impl Query {
    /// What is meant; what makes no sense is as if it had not been typed.
    pub fn wanted(self) -> Wanted {
        let column = Column::ALL.into_iter().find(|column| column.name() == self.sort);
        Wanted {
            text: self.q.trim().chars().take(100).collect(),
            state: State::ALL.into_iter().find(|state| state.name() == self.state).unwrap_or(State::All),
            sort: column,
            reversed: self.order == "reversed",
            page: self.page.parse().unwrap_or(1),
        }
    }
}

/// Which servers, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Part of a name or an operating system.
    pub text: String,
    /// In which state.
    pub state: State,
    /// By which column; by attention if none.
    pub sort: Option<Column>,
    /// Against the column's own order.
    pub reversed: bool,
    /// Counts from 1.
    pub page: usize,
}

impl Wanted {
    /// The servers that are wanted, in order.
    pub fn select<'a>(&self, servers: &[&'a Server]) -> Vec<&'a Server> {
        let text = self.text.to_lowercase();
        let matches = |server: &&&Server| {
            self.state.holds(server)
                && (text.is_empty()
                    || server.name.as_str().contains(&text)
                    || server.facts.as_ref().is_some_and(|facts| facts.os.to_lowercase().contains(&text)))
        };
        let mut found: Vec<&Server> = servers.iter().filter(matches).copied().collect();
        let by_name = |a: &&Server, b: &&Server| a.name.as_str().cmp(b.name.as_str());
        found.sort_by(|a, b| {
            let order = self.sort.map_or_else(|| by_attention(a, b), |column| column.compare(a, b));
            let order = if self.reversed { order.reverse() } else { order };
            order.then_with(|| by_name(a, b))
        });
        found
    }

    fn link(&self) -> Link {
        Link::to("/security")
            .with("q", &self.text)
            .with("state", if self.state == State::All { "" } else { self.state.name() })
            .with("sort", self.sort.map_or("", Column::name))
            .with("order", if self.reversed { "reversed" } else { "" })
    }

    /// The address of a page of the same list.
    pub fn on_page(&self, page: usize) -> String {
        self.link().with("page", &page.to_string()).address()
    }

    /// The address of the list by this column; by the same column again, reversed.
    pub fn by_column(&self, column: &Column) -> String {
        let again = self.sort == Some(*column);
        let wanted = Self { sort: Some(*column), reversed: again && !self.reversed, ..self.clone() };
        wanted.link().address()
    }

    /// The address of the servers in this state.
    pub fn in_state(&self, state: &State) -> String {
        Self { state: *state, ..self.clone() }.link().address()
    }

    /// Whether the list is narrowed to this state.
    pub fn is_in(&self, state: &State) -> bool {
        self.state == *state
    }

    /// The address of the list as it comes.
    pub fn by_attention(&self) -> String {
        Self { sort: None, reversed: false, ..self.clone() }.link().address()
    }

    /// How the column is sorted, as ARIA names it; empty when it is not.
    pub fn aria_sort(&self, column: &Column) -> &'static str {
        match (self.sort == Some(*column), self.reversed ^ column.falls()) {
            (false, _) => "",
            (true, false) => "ascending",
            (true, true) => "descending",
        }
    }
}

/// What a list of servers can be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is left out.
    All,
    /// With something known to be exploited.
    Exploited,
    /// With something critical.
    Critical,
    /// With something high.
    High,
    /// With something to fix now.
    Fixable,
    /// With pending security updates.
    Pending,
    /// That should be rebooted.
    Reboot,
    /// That do not answer.
    Unreachable,
    /// About which the feeds say nothing.
    Unjudged,
    /// Of which a part that matters is not judged.
    Partly,
    /// On which somebody has accepted a risk.
    Accepted,
}

impl State {
    /// In the order in which they are offered.
    pub const ALL: [Self; 11] = [
        Self::All,
        Self::Exploited,
        Self::Critical,
        Self::High,
        Self::Fixable,
        Self::Pending,
        Self::Reboot,
        Self::Unreachable,
        Self::Unjudged,
        Self::Partly,
        Self::Accepted,
    ];

    /// In addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exploited => "exploited",
            Self::Critical => "critical",
            Self::High => "high",
            Self::Fixable => "fixable",
            Self::Pending => "pending",
            Self::Reboot => "reboot",
            Self::Unreachable => "unreachable",
            Self::Unjudged => "unjudged",
            Self::Partly => "partly",
            Self::Accepted => "accepted",
        }
    }

    /// For people.
    pub fn title(&self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Exploited => "Exploited",
            Self::Critical => "Critical",
            Self::High => "High",
            Self::Fixable => "Fixable now",
            Self::Pending => "Security updates",
            Self::Reboot => "Reboot due",
            Self::Unreachable => "Not answering",
            Self::Unjudged => "Not judged",
            Self::Partly => "Partly judged",
            Self::Accepted => "Risk accepted",
        }
    }

    /// Whether a server is in it.
    pub fn holds(self, server: &Server) -> bool {
        let risk = |count: fn(&Risk) -> usize| server.risk.as_ref().is_some_and(|risk| count(risk) > 0);
        match self {
            Self::All => true,
            Self::Exploited => risk(|risk| risk.summary.kev),
            Self::Critical => risk(|risk| risk.summary.critical),
            Self::High => risk(|risk| risk.summary.high),
            Self::Fixable => risk(|risk| risk.summary.fixable),
            Self::Pending => server.facts.as_ref().is_some_and(|facts| facts.pending_security > 0),
            Self::Reboot => server.facts.as_ref().is_some_and(|facts| !facts.reboot_reasons.is_empty()),
            Self::Unreachable => server.last_fault.is_some(),
            Self::Unjudged => server.risk.as_ref().is_none_or(|risk| risk.known() == Known::Nothing),
            Self::Partly => server.risk.as_ref().is_some_and(|risk| risk.known() == Known::Partly),
            Self::Accepted => risk(|risk| risk.accepted),
        }
    }
}

/// First what is exploited and can be fixed at once, since the list is for acting; then
/// by how bad it is.
fn by_attention(a: &Server, b: &Server) -> Ordering {
    let rank = |server: &Server| {
        let Some(risk) = &server.risk else { return (0, 0, 0, 0, 0) };
        let summary = &risk.summary;
        (summary.kev_fixable, summary.kev, summary.critical, summary.high, summary.fixable)
    };
    rank(b).cmp(&rank(a))
}

/// The servers that are there, and not only remembered.
pub fn live(servers: &[Server]) -> Vec<&Server> {
    servers.iter().filter(|server| server.state != ServerState::Destroyed).collect()
}

/// A row about a server.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its operating system.
    pub os: String,
    /// What is unusual about it.
    pub notes: Vec<Badge>,
    /// What its inventory says, if there is one.
    pub host: Option<HostCells>,
    /// What the feeds say, if anything.
    pub risk: Option<Risk>,
    /// How much that is.
    pub meter: Option<Meter>,
    /// Why nothing can be started on it.
    pub unmanaged: Option<&'static str>,
}

/// The coverage meter in a row.
#[derive(Debug, Clone)]
pub struct Meter {
    /// Share of the source packages that feeds name, in percent; none where that means nothing.
    pub percent: Option<usize>,
    /// What is missing and matters, in a few words; empty when nothing is.
    pub missing: String,
    /// All that the feeds cannot say.
    pub all: String,
}

impl Meter {
    fn of(risk: &Risk) -> Self {
        let told = |matters: fn(Known) -> bool| {
            let gaps = risk.gaps.iter().filter(|gap| matters(gap.leaves()));
            gaps.map(|gap| gap.in_short()).collect::<Vec<_>>().join(", ")
        };
        Self {
            percent: (risk.known() != Known::Nothing).then(|| percent(risk.sources_named, risk.sources)),
            missing: told(|known| known < Known::Well),
            all: told(|_| true),
        }
    }
}

/// The cells that come of an inventory.
#[derive(Debug, Clone)]
pub struct HostCells {
    /// Updates that apt offers.
    pub pending: usize,
    /// Those of security archives.
    pub pending_security: usize,
    /// Why it should be rebooted.
    pub reboot: Option<String>,
    /// Running kernel.
    pub kernel: String,
    /// A newer kernel that is installed.
    pub kernel_installed: Option<String>,
    /// The kernel belongs to the machine below.
    pub kernel_shared: bool,
    /// When it booted.
    pub booted: When,
    /// For how long it has been up.
    pub up: String,
}

impl Row {
    /// The row of this server.
    pub fn of(server: &Server, frame: &Frame) -> Self {
        let host = server.facts.as_ref().map(|facts| HostCells {
            pending: facts.pending,
            pending_security: facts.pending_security,
            reboot: (!facts.reboot_reasons.is_empty()).then(|| facts.reboot_reasons.join("; ")),
            kernel: facts.kernel_running.clone(),
            kernel_installed: facts.kernel_installed.clone().filter(|_| !facts.kernel_shared),
            kernel_shared: facts.kernel_shared,
            booted: When::exactly(facts.booted_at),
            up: span(frame.now.as_second() - facts.booted_at.as_second()),
        });
        let os = server.facts.as_ref().map(|facts| facts.os.clone());
        Self {
            name: server.name.to_string(),
            os: os.or_else(|| server.release.map(|release| release.to_string())).unwrap_or_default(),
            notes: notes(server),
            host,
            risk: server.risk.clone(),
            meter: server.risk.as_ref().map(Meter::of),
            unmanaged: server.unmanaged_because(),
        }
    }
}

/// What is unusual about a server, in words.
pub fn notes(server: &Server) -> Vec<Badge> {
    let mut notes = Vec::new();
    match server.state {
        ServerState::Provisioning => notes.push(Badge::accent("being provisioned")),
        ServerState::Destroyed => notes.push(Badge::quiet("destroyed")),
        ServerState::Enrolled => {}
    }
    if server.in_maintenance {
        notes.push(Badge::accent("in maintenance"));
    }
    if server.last_fault.is_some() {
        notes.push(Badge::amber("not answering"));
    }
    if server.facts.as_ref().is_some_and(|facts| !facts.packages_sound) {
        notes.push(Badge::red("packages broken"));
    }
    if server.risk.as_ref().is_some_and(|risk| !risk.covered) {
        notes.push(Badge::amber("not covered by feeds"));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn names(servers: &[Server], query: Query) -> Vec<String> {
        let live = live(servers);
        query.wanted().select(&live).iter().map(|server| server.name.to_string()).collect()
    }

    fn by(sort: &str, order: &str) -> Query {
        Query { sort: sort.to_owned(), order: order.to_owned(), ..Query::default() }
    }

    #[test]
    fn exploited_and_fixable_comes_first() {
        assert_eq!(names(&samples::fleet(), Query::default()), ["db-1", "web-2", "web-1", "new-1"]);
    }

    #[test]
    fn columns_sort_both_ways_and_unknown_numbers_come_last() {
        let fleet = samples::fleet();
        assert_eq!(names(&fleet, by("name", "")), ["db-1", "new-1", "web-1", "web-2"]);
        assert_eq!(names(&fleet, by("updates", "")), ["web-1", "db-1", "web-2", "new-1"]);
        assert_eq!(names(&fleet, by("boot", "")).last().unwrap(), "new-1");
        assert_eq!(names(&fleet, by("high", ""))[0], "web-2");
        assert_eq!(names(&fleet, by("high", "reversed")).last().unwrap(), "web-2");
        assert_eq!(names(&fleet, by("coverage", "")), ["new-1", "web-2", "db-1", "web-1"]);
        assert_eq!(names(&fleet, by("no such", "")), names(&fleet, Query::default()));
    }

    #[test]
    fn filters_and_search_narrow() {
        let fleet = samples::fleet();
        let with = |state: &str, q: &str| {
            names(&fleet, Query { state: state.to_owned(), q: q.to_owned(), ..Query::default() })
        };
        assert_eq!(with("exploited", ""), ["db-1"]);
        assert_eq!(with("reboot", ""), ["db-1"]);
        assert_eq!(with("unjudged", ""), ["new-1"]);
        assert_eq!(with("partly", ""), ["web-2"]);
        assert_eq!(with("accepted", ""), ["web-2"]);
        assert_eq!(with("", " WEB "), ["web-2", "web-1"]);
        assert_eq!(with("pending", "db"), ["db-1"]);
        assert!(with("unreachable", "").is_empty());
    }

    #[test]
    fn clicking_a_head_again_reverses() {
        let wanted = by("high", "").wanted();
        assert_eq!(wanted.by_column(&Column::High), "/security?sort=high&order=reversed");
        assert_eq!(wanted.by_column(&Column::Critical), "/security?sort=critical");
        assert_eq!(wanted.aria_sort(&Column::High), "descending");
        assert_eq!(by("high", "reversed").wanted().aria_sort(&Column::High), "ascending");
        assert_eq!(wanted.aria_sort(&Column::Server), "");
        assert_eq!(by("high", "reversed").wanted().by_column(&Column::High), "/security?sort=high");
    }
}
