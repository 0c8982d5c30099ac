//! What feeds say about a CVE itself, wherever it occurs: scores, decisions,
//! predictions, retraction. Joined by CVE to what other feeds find on a host.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{engine::advisory::EngineAdvisories, epss::Epss, feeds::KevEntry, score::Score, ssvc::Ssvc};

/// What one feed says about one CVE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CveFacts {
    /// When the feed last changed its record, if it says.
    pub modified: Option<Timestamp>,
    /// Every score, in any order.
    pub scores: Vec<Score>,
    /// CISA's decision points, in the feeds that repeat them.
    pub ssvc: Option<Arc<Ssvc>>,
    /// The prediction of exploitation.
    pub epss: Option<Epss>,
    /// Whether the feed says that the CVE was rejected or retracted.
    pub rejected: bool,
    /// CISA's catalogue entry, in the feeds that repeat it.
    pub kev: Option<Arc<KevEntry>>,
}

/// What one feed says about all CVEs it knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct CveTable {
    pub facts: HashMap<Arc<str>, CveFacts>,
    /// What it says about engines, whose versions stand in the same records.
    pub engines: EngineAdvisories,
}

impl CveTable {
    /// Takes what a record says. Of two records of one CVE the one changed last counts; where that
    /// is not known or the same, the later reading.
    pub fn put(&mut self, cve: Arc<str>, facts: CveFacts) {
        match self.facts.entry(cve) {
            Entry::Vacant(place) => {
                place.insert(facts);
            }
            Entry::Occupied(mut place) => {
                let stale =
                    matches!((place.get().modified, facts.modified), (Some(mine), Some(new)) if new < mine);
                if !stale {
                    place.insert(facts);
                }
            }
        }
    }

    /// Adds a later reading of the same feed.
    pub fn merge(&mut self, later: Self) {
        for (cve, facts) in later.facts {
            self.put(cve, facts);
        }
        self.engines.merge(later.engines);
    }
}
