//! One entry of the trail.

use std::fmt;

use base::{AuditId, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Actor {
    /// The control plane itself.
    System,
    /// A person, by name.
    Operator(String),
    /// A host, by name or address.
    Host(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::Host(name) => write!(f, "host:{name}"),
        }
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> String {
        actor.to_string()
    }
}

impl From<String> for Actor {
    fn from(text: String) -> Self {
        match text.split_once(':') {
            Some(("operator", name)) => Self::Operator(name.to_owned()),
            Some(("host", name)) => Self::Host(name.to_owned()),
            _ => Self::System,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is about to be done; written before the effect.
    Begun,
    /// It was done.
    Done,
    /// It was refused.
    Refused,
    /// It was tried and failed.
    Failed,
}

/// What happened. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What, such as `security.patch.rollback`.
    pub action: String,
    /// To what, such as a server's name.
    pub target: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The run it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// More, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// An entry in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    /// Counts from 1 without a gap.
    pub number: i64,
    /// The entry.
    pub entry: Entry,
    /// Hash of the entry before; 64 zeros for the first.
    pub previous: String,
    /// This entry's hash.
    pub hash: String,
}
