//! Why a finding is believed: what the feed said, of what, and when.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    feeds::FeedKind,
    severity::{Severity, SeveritySource},
};

/// What a feed says of a source package in a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// Affected below the fixed version, or in every version while there is none.
    Affected,
    /// Affected; no advisory is planned, as the matter is minor.
    NoAdvisory,
    /// Affected; it will not be fixed in this release.
    Ignored,
    /// Affected; left to a later update or point release.
    Postponed,
    /// Affected; the package is no longer supported in this release.
    EndOfLife,
    /// Affected in the source, without impact on the binary packages.
    Unimportant,
    /// Not affected in any version of this release. Never part of a finding.
    NotAffected,
    /// Not yet known. Never part of a finding.
    Undetermined,
}

/// An installed binary package and the source it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryFact {
    /// The binary package.
    pub name: Arc<str>,
    /// Its architecture; empty when it is not known.
    pub architecture: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// The source package, as the host names it.
    pub source: Arc<str>,
    /// The version of the source package, as the host names it.
    pub source_version: Arc<str>,
}

/// The evidence of a finding. [`Finding::explain`](crate::Finding::explain) tells it in sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The feed.
    pub feed: FeedKind,
    /// The time of the layer of the feed that says so, if it is stated.
    pub as_of: Option<Timestamp>,
    /// Where in the feed: a codename (`bookworm`) or an ecosystem (`Ubuntu:22.04:LTS`).
    pub listed_in: Arc<str>,
    /// The notice that announced the fix, such as `USN-6854-1`.
    pub notice: Option<Arc<str>>,
    /// What the feed says.
    pub statement: Statement,
    /// The distribution's own word on how bad it is; `Unknown` while it has none.
    #[serde(default)]
    pub own_severity: Severity,
    /// The feeds that call the CVE rejected or retracted. It stays a finding until the feed
    /// above drops it.
    #[serde(default)]
    pub rejected_by: Arc<[FeedKind]>,
    /// Who gave the severity; `None` while nobody has.
    pub severity_source: Option<SeveritySource>,
    /// For kernels: the notice whose live patch is loaded, such as `LSN-0099-1`.
    #[serde(default)]
    pub livepatch: Option<Arc<str>>,
    /// The services that still run the replaced version, where one was replaced and still runs.
    #[serde(default)]
    pub in_use_by: Option<Arc<[Arc<str>]>>,
    /// The installed packages of that source.
    pub binaries: Arc<[BinaryFact]>,
}
