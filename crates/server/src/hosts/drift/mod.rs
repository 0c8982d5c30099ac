//! Drift: what of a host is no longer as described, and what was changed on it outside of runs.
//!
//! A host is looked at daily and on demand. What is found is shown as a difference, with its
//! reason; a repair brings it back. Nothing is repaired by itself: a person may have had a reason.

mod outside;
mod service;

use baseline::Deviation;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use outside::{Outside, OutsideChange};
pub use service::Drifts;

/// What differed when a host was last looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// When that was.
    pub looked_at: Timestamp,
    /// Every difference, in a fixed order; empty when the host is as described.
    pub deviations: Vec<Deviation>,
}
