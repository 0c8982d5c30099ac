//! The openings of a host's firewall, as they are ordered.

use serde::{Deserialize, Serialize};

use crate::limits;

/// Why a port is open. Decides the port and the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Operators sign in.
    Ssh,
    /// The control plane calls the agent.
    Agent,
    /// Customers use object storage.
    Https,
    /// The control plane and tenants reach PostgreSQL.
    Postgres,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Ssh, Self::Agent, Self::Https, Self::Postgres];

    /// The TCP port.
    pub fn port(self) -> u16 {
        match self {
            Self::Ssh => 22,
            Self::Agent => limits::PORT,
            Self::Https => 443,
            Self::Postgres => 5432,
        }
    }

    /// The comment by which a rule is known to be ours.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Ssh => "holdfast:ssh",
            Self::Agent => "holdfast:agent",
            Self::Https => "holdfast:https",
            Self::Postgres => "holdfast:postgres",
        }
    }
}

/// What happens to a connection that a rule fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is let in.
    Allow,
    /// It is let in until the source has tried six times in 30 seconds (ufw(8)).
    Limit,
}

/// One opening for incoming TCP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FirewallRule {
    /// Why it is open.
    pub purpose: Purpose,
    /// What happens.
    pub action: Action,
    /// For whom: a network, an address, or one of `0.0.0.0/0` and `::/0` for everyone of that
    /// family. Read strictly; it never becomes part of a command unread.
    pub source: String,
}
