//! Exposure: which vulnerabilities touch which server, and how sure we are of it.
//!
//! ```text
//! feeds ──refresh──► index ──judge(inventory, acceptances)──► findings, risk, coverage
//! ```

mod acceptance;
pub mod api;
mod changes;
mod coverage;
mod feeds;
mod fleet;
mod judge;
pub mod pages;
mod reading;
mod risk;
mod source;
mod store;

pub use acceptance::{
    Acceptance, AcceptanceOrder, Acceptances, AcceptedHere, Fault, Field, OrderScope, Scope, Standing,
};
pub use changes::{DatedChange, FindingChange};
pub use coverage::{CoverageReport, Gap, Known, SilentFeed};
pub use feeds::{FeedState, Feeds, STALE_AFTER};
pub use fleet::{Due, DueSet};
pub use judge::{Exposure, Judgement, host_packages};
pub use reading::{Reading, Unread, read_once};
pub use risk::Risk;
pub use source::{FeedSource, FeedSources};
