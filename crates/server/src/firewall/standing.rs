//! How a server's firewall stands beside what is described.

use base::{ServerId, Sha256};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How a server's firewall stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The server.
    pub server: ServerId,
    /// Where it stands.
    pub state: State,
    /// In words, where there is more to say.
    pub detail: Option<String>,
    /// The rules that were last brought to it and kept, by digest.
    pub applied: Option<Sha256>,
    /// The rules that were last tried, by digest.
    pub tried: Option<Sha256>,
    /// Tries in a row that have not ended well.
    pub failures: u32,
    /// When it was last tried.
    pub tried_at: Option<Timestamp>,
    /// Since when it has been as described; none while it is not.
    pub in_line_since: Option<Timestamp>,
    /// Somebody asked for it, whatever was tried before.
    pub asked: bool,
}

/// See [`Standing::state`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As described.
    InLine,
    /// Not tried yet.
    Waiting,
    /// The host does not answer. It is tried again until it does.
    Unreachable,
    /// Other work holds the host. It is tried again.
    Busy,
    /// Under the new rules the host could not be reached, and put the former ones back.
    ShutOut,
    /// The host refuses the rules, or something on it is broken. It is tried again, seldom.
    Failed,
}

impl State {
    /// The name, stable in JSON and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::InLine => "in_line",
            Self::Waiting => "waiting",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::ShutOut => "shut_out",
            Self::Failed => "failed",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::InLine, Self::Waiting, Self::Unreachable, Self::Busy, Self::ShutOut, Self::Failed];
        all.into_iter().find(|state| state.name() == name)
    }
}

/// Between tries of a host that does not answer, at first and at most. The longest lets a
/// host that comes back be in line within a minute.
const PATIENCE: [SignedDuration; 2] = [SignedDuration::from_secs(5), SignedDuration::from_secs(45)];

/// Between tries of a host that refuses.
const SELDOM: SignedDuration = SignedDuration::from_mins(15);

impl Standing {
    /// That of a server that was never tried.
    pub fn untried(server: ServerId) -> Self {
        Self {
            server,
            state: State::Waiting,
            detail: None,
            applied: None,
            tried: None,
            failures: 0,
            tried_at: None,
            in_line_since: None,
            asked: false,
        }
    }

    /// Whether it is time to try these rules.
    pub fn is_due(&self, rules: Sha256, now: Timestamp) -> bool {
        if self.asked || self.tried != Some(rules) {
            return true;
        }
        let since = self.tried_at.map_or(SignedDuration::MAX, |at| now.duration_since(at));
        match self.state {
            State::InLine => self.applied != Some(rules),
            State::Waiting => true,
            // It would be shut out again. A change of the rules, or somebody who asks, is needed.
            State::ShutOut => false,
            State::Failed => since >= SELDOM,
            State::Unreachable | State::Busy => {
                let [first, most] = PATIENCE;
                let wait = first.saturating_mul(1 << self.failures.saturating_sub(1).min(8));
                since >= wait.min(most)
            }
        }
    }

    /// Notes how a try has ended.
    pub fn note(&mut self, rules: Sha256, state: State, detail: Option<String>, now: Timestamp) {
        (self.tried, self.tried_at, self.asked) = (Some(rules), Some(now), false);
        if state == State::InLine {
            let anew = self.state != State::InLine || self.applied != Some(rules);
            self.in_line_since = if anew { Some(now) } else { self.in_line_since };
            (self.applied, self.failures) = (Some(rules), 0);
        } else {
            self.failures = self.failures.saturating_add(1);
            self.in_line_since = None;
        }
        (self.state, self.detail) = (state, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_silent_host_is_tried_ever_more_seldom_but_within_a_minute() {
        let rules = Sha256::of(b"rules");
        let mut standing = Standing::untried(ServerId::new());
        assert!(standing.is_due(rules, at(0)));
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..6 {
            standing.note(rules, State::Unreachable, None, at(now));
            let wait = (1..).find(|wait| standing.is_due(rules, at(now + wait))).unwrap();
            waits.push(wait);
            now += wait;
        }
        assert_eq!(waits, [5, 10, 20, 40, 45, 45]);
        standing.note(rules, State::InLine, None, at(now));
        assert_eq!((standing.failures, standing.in_line_since), (0, Some(at(now))));
        assert!(!standing.is_due(rules, at(now + 100_000)), "nothing to do");
        assert!(standing.is_due(Sha256::of(b"others"), at(now)));
    }

    #[test]
    fn what_shut_us_out_is_not_tried_again_until_it_changes_or_somebody_asks() {
        let rules = Sha256::of(b"rules");
        let mut standing = Standing::untried(ServerId::new());
        standing.note(rules, State::ShutOut, None, at(0));
        assert!(!standing.is_due(rules, at(1_000_000)));
        assert!(standing.is_due(Sha256::of(b"others"), at(1)));
        standing.asked = true;
        assert!(standing.is_due(rules, at(1)));
        standing.note(rules, State::Failed, None, at(1));
        assert!(!standing.is_due(rules, at(60)) && standing.is_due(rules, at(901)));
    }

    #[test]
    fn names_go_both_ways() {
        for state in ["in_line", "waiting", "unreachable", "busy", "shut_out", "failed"] {
            assert_eq!(State::from_name(state).map(State::name), Some(state));
        }
        assert_eq!(State::from_name("x"), None);
    }
}
