//! The acceptance of a risk: who lives with which CVE, where, until when and why.
//!
//! An acceptance hides nothing: what it covers stays listed and is counted apart. It is
//! in effect by the clock alone, so it ends on time even while nothing else happens.

mod here;
mod judged;
mod order;
mod service;

use base::{AcceptanceId, ServerId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use here::AcceptedHere;
pub use judged::Refused;
pub use order::{AcceptanceOrder, Fault, Field, OrderScope, Terms};
pub use service::{Acceptances, unknown};

/// The longest that a risk may be accepted at a time: whoever still wants it after a year
/// is to think of it anew.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(365 * 24);

/// How long a risk is accepted where nothing is said.
pub const USUAL: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A risk that somebody has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acceptance {
    /// Its id.
    pub id: AcceptanceId,
    /// The CVE.
    pub cve: String,
    /// Where.
    pub scope: Scope,
    /// Why, in one line.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Who entered it, such as `operator:ann`.
    pub accepted_by: String,
    /// When it was entered.
    pub accepted_at: Timestamp,
    /// From this moment on it is no longer in effect.
    pub until: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// Who revoked it, if it was.
    pub revoked_by: Option<String>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// Where a risk is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// On every server, also those to come.
    Fleet,
    /// On one server.
    Server {
        /// Its id, which decides: a later server of the same name is another one.
        id: ServerId,
        /// Its name.
        name: String,
    },
}

impl Scope {
    /// What the trail names: the server, or `fleet`.
    pub fn target(&self) -> &str {
        match self {
            Self::Fleet => "fleet",
            Self::Server { name, .. } => name,
        }
    }

    /// In words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Fleet => "the whole fleet".to_owned(),
            Self::Server { name, .. } => format!("`{name}`"),
        }
    }
}

/// How an acceptance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// In effect.
    Active,
    /// Its time is over.
    Expired,
    /// Taken back before its time was over.
    Revoked,
}

impl Standing {
    /// In the order in which pages offer them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Expired, Self::Revoked];

    /// In addresses and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.name() == name)
    }
}

impl Acceptance {
    /// What stands beside the finding: "accepted until 2026-05-01 by ann because …".
    pub fn in_words(&self) -> String {
        let where_ = if self.scope == Scope::Fleet { " on the whole fleet" } else { "" };
        format!("accepted{where_} until {} by {} because {}", day(self.until), self.owner, self.reason)
    }
}

/// A moment to the day where it is the beginning of one, and to the minute otherwise; UTC.
pub fn day(moment: Timestamp) -> String {
    let whole = moment.as_second().rem_euclid(24 * 3600) < 60;
    moment.strftime(if whole { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M UTC" }).to_string()
}
