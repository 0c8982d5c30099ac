//! Vulnerability feeds, the index made of them, and the findings of a host:
//! bytes in, findings out.
//!
//! ```text
//! FeedFile ──parse──► FeedData ──merge, build──► Index ──findings(HostPackages)──► Findings
//! ```
//!
//! Never does I/O: callers fetch the bytes and keep the last good copy. Start
//! reading at [`feeds`] for how a feed is added, at [`Index`] for the rest.

mod advisories;
mod coverage;
pub mod feeds;
mod finding;
mod findings;
mod fixability;
mod host;
mod index;
mod kernel;
mod matching;
mod offer;
mod proof;
mod severity;
mod symbols;
mod update;
pub mod version;

pub use coverage::{Coverage, KernelCoverage, ReleaseCoverage};
pub use feeds::{
    FeedData, FeedError, FeedFile, FeedKind, KevEntry, UnknownFeed, age_guard, parse, recognise, shrink_guard,
};
pub use finding::{Finding, ImageFact, KernelFacts};
pub use findings::{Findings, FindingsDiff, Summary};
pub use fixability::Fixability;
pub use host::{Candidate, HostPackages, InstalledPackage};
pub use index::{FeedSummary, Index};
pub use kernel::RunningKernel;
pub use proof::{BinaryFact, Proof, Statement};
pub use severity::{Severity, SeveritySource};
pub use update::UpdateGroup;
