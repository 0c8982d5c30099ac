//! The findings of one host as documents for other programs: own JSON, SARIF, OpenVEX.
//! Pure rendering: what is found, and how it is believed, is decided before.
//!
//! ```text
//! Findings ──one_each──► Report ──┬─ json::render
//!                                 ├─ sarif::render
//!                                 └─ openvex::render
//! ```

pub mod json;
mod merge;
pub mod openvex;
mod purl;
pub mod sarif;

use base::Release;
use jiff::Timestamp;
use serde::Serialize;

pub use merge::one_each;

use crate::{coverage::Coverage, feeds::FeedKind, finding::Finding};

/// Everything that is told of one scan.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// The version of the program.
    pub tool_version: &'a str,
    /// What was looked at, in words: a file, or this machine.
    pub subject: &'a str,
    /// When.
    pub scanned_at: Timestamp,
    /// The release that was matched.
    pub release: Release,
    /// The kernel that runs, as `uname -r` prints it; `None` where it is not known.
    pub kernel_running: Option<&'a str>,
    /// Every feed there is, also those that were not there to be read.
    pub feeds: &'a [FeedLine],
    /// What the feeds can and cannot say.
    pub coverage: Coverage,
    /// One for each distinct CVE and source package, in the order of attention.
    pub findings: &'a [Finding],
}

/// How one feed took part in a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeedLine {
    /// The feed.
    pub name: FeedKind,
    /// The feed's name for people.
    pub title: &'static str,
    /// Whether it was read.
    pub state: FeedPresence,
    /// The time of which it tells, if it says.
    pub as_of: Option<Timestamp>,
    /// Its records; none where it was not read.
    pub records: usize,
    /// Why it was not read.
    pub reason: Option<String>,
}

/// See [`FeedLine::state`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedPresence {
    /// It was read and took part.
    Read,
    /// It was not there.
    Missing,
}
