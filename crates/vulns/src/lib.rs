//! Vulnerability feeds, the index made of them, and the findings of a host:
//! bytes in, findings out.
//!
//! ```text
//! FeedFile ──parse──► FeedData ──merge, build──► Index ──findings(HostPackages)──► Findings
//! ```
//!
//! ```
//! use base::Release;
//! use vulns::{FeedFile, HostPackages, Index, InstalledPackage};
//!
//! let path = "debian/security-tracker.json";
//! let bytes = br#"{"curl": {"CVE-2024-1": {"releases": {"bookworm":
//!     {"status": "resolved", "fixed_version": "2.0-1", "urgency": "low"}}}}}"#;
//! let kind = vulns::recognise(path).expect("a feed's file");
//! let feed = vulns::parse(kind, FeedFile { path, bytes })?;
//! let index = Index::build(&[feed]);
//!
//! let curl = InstalledPackage {
//!     name: "libcurl4".into(),
//!     version: "1.0-1".into(),
//!     source: "curl".into(),
//!     source_version: "1.0-1".into(),
//!     ..InstalledPackage::default()
//! };
//! let host = HostPackages { release: Some(Release::Debian12), packages: vec![curl], ..HostPackages::default() };
//! for update in index.findings(&host).by_update() {
//!     assert_eq!(update.to.as_deref(), Some("2.0-1"));
//! }
//! # Ok::<(), vulns::FeedError>(())
//! ```
//!
//! Never does I/O: callers fetch the bytes and keep the last good copy. Start
//! reading at [`feeds`] for how a feed is added, at [`Index`] for the rest.

mod advisories;
mod coverage;
mod cve_facts;
mod delta;
mod engine;
mod epss;
mod explain;
pub mod feeds;
mod finding;
mod findings;
mod fixability;
mod fleet;
mod host;
mod index;
pub mod inventory;
mod kernel;
mod known;
mod livepatch;
mod matching;
mod offer;
mod proof;
pub mod report;
mod score;
mod severity;
mod ssvc;
mod statements;
mod symbols;
mod update;
pub mod version;

pub use coverage::{Coverage, KernelCoverage, ReleaseCoverage};
pub use engine::{
    EngineCoverage, EngineCoverageState, EngineFacts, EngineOrigin, EngineSaid, EngineVersion,
    InstalledEngine, PostgresVersion, Product, ReleaseTime, UnknownProduct, UnreadableVersion,
};
pub use epss::{Epss, EpssRun, Share};
pub use feeds::{
    FeedData, FeedError, FeedFile, FeedKind, KevChange, KevDelta, KevEntry, KevField, UnknownFeed, age_guard,
    future_guard, parse, recognise, shrink_guard,
};
pub use finding::{Finding, ImageFact, KernelFacts};
pub use findings::{Findings, FindingsDiff, Summary};
pub use fixability::Fixability;
pub use fleet::{Change, Fleet, FleetSize, Rematch, SetId, Turn};
pub use host::{Candidate, HostPackages, InUse, InstalledPackage};
pub use index::{FeedSummary, Index};
pub use inventory::InventoryError;
pub use kernel::RunningKernel;
pub use livepatch::LivepatchModule;
pub use proof::{BinaryFact, Proof, Statement};
pub use score::{BaseScore, CvssVersion, Score, ScoreRole};
pub use severity::{Severity, SeveritySource};
pub use ssvc::{Exploitation, Ssvc, TechnicalImpact};
pub use update::UpdateGroup;
