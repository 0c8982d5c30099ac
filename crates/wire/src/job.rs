//! Durable jobs on a host. A job is named by a key; asking again with the same key
//! finds the same job, also after the agent or the host was restarted.
//!
//! ```text
//! queued ─► running ─► succeeded | failed
//!               └────► failed (interrupted: the host or the job's process died)
//! ```

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// Names a job: 1 to 80 characters of `a-z`, `0-9`, `-` and `_`. The control plane
/// makes it from the run and the step, so that a repeated step finds its own job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobKey(String);

impl JobKey {
    /// The key as text; safe as a file name and a unit name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be a job key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a job key: 1 to 80 characters of `a-z`, `0-9`, `-` and `_`")]
pub struct InvalidJobKey;

impl FromStr for JobKey {
    type Err = InvalidJobKey;

    fn from_str(text: &str) -> Result<Self, InvalidJobKey> {
        let fits = (1..=80).contains(&text.len())
            && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidJobKey) }
    }
}

impl TryFrom<String> for JobKey {
    type Error = InvalidJobKey;

    fn try_from(text: String) -> Result<Self, InvalidJobKey> {
        text.parse()
    }
}

impl From<JobKey> for String {
    fn from(key: JobKey) -> String {
        key.0
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum JobState {
    /// Accepted and on disk; not started yet.
    Queued,
    /// At work.
    Running {
        /// How far.
        progress: Progress,
    },
    /// Ended well.
    Succeeded {
        /// What it found or did.
        outcome: Outcome,
    },
    /// Ended badly, or was cut short.
    Failed {
        /// Why.
        failure: Failure,
    },
}

impl JobState {
    /// True when nothing more will happen.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Queued | Self::Running { .. } => false,
            Self::Succeeded { .. } | Self::Failed { .. } => true,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100.
    pub percent: f32,
    /// What it is at, such as "Unpacking libperl5.36 (amd64)".
    pub message: String,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure, for decisions.
    pub kind: FailureKind,
    /// One sentence for people, without secrets.
    pub message: String,
}

/// Kinds of failure that a caller treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The host is not as the request expects; nothing was changed.
    Stale,
    /// Too little disk space; nothing was changed.
    NoSpace,
    /// Something outside did not answer (a mirror): worth another try.
    Unavailable,
    /// apt or dpkg failed; the host may be half changed.
    Packages,
    /// The job's process or the host died while it ran; the host may be half changed.
    Interrupted,
    /// It was done and then proved not to hold (a probe, a list that differs).
    NotVerified,
    /// The request cannot be carried out on this host at all; nothing was changed.
    Impossible,
    /// A fault of the agent's own.
    Internal,
}

/// One line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Counts from 0 within the job.
    pub number: u64,
    /// When it was written, by the host's clock.
    pub at: Timestamp,
    /// The text, at most 2 000 characters.
    pub text: String,
}

/// A job as the agent reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Its key.
    pub key: JobKey,
    /// Where it is.
    #[serde(flatten)]
    pub state: JobState,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Log lines from the asked-for number on, at most [`crate::limits::LOG_LINES`].
    pub log: Vec<LogLine>,
    /// The number to ask for next.
    pub next_line: u64,
}
