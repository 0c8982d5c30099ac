//! What sources say about engines, kept side by side: nothing is thrown away when
//! a second source speaks of the same CVE.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{Product, range::Affected};
use crate::feeds::FeedKind;

/// Where in which feed something is said, best first: where sources differ on the fix, the
/// first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Origin {
    /// The local list that corrects the others.
    Override,
    /// NVD's own analysis.
    NvdConfiguration,
    /// What the CVE's author says, as NVD repeats it.
    NvdAuthor,
    /// What the CVE's author says in the CVE record.
    CveAuthor,
    /// What CISA adds to the CVE record.
    CveAdded,
    /// An OSV record of the Go vulnerability database or of GitHub.
    Osv,
    /// A set of configurations that others made for CVEs that NVD has not analysed.
    ConfigurationSet,
}

/// One statement of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub cve: Arc<str>,
    pub product: Product,
    pub origin: Origin,
    /// The record or the author, such as `GO-2024-2499` or `security-advisories@github.com`.
    pub by: Arc<str>,
    pub affected: Affected,
    /// The first fixed version and why this is said: overrides state both.
    pub correction: Option<Arc<Correction>>,
    /// Which record it stands in.
    pub record: RecordKey,
}

/// What an override adds to its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Correction {
    pub fixed: Option<Arc<str>>,
    pub reason: Arc<str>,
}

/// A record as a later copy of it replaces it: whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecordKey {
    /// Whether it is of a set that has no dates and stands beside the records of its feed.
    pub supplement: bool,
    pub id: Arc<str>,
}

/// Everything one feed says about engines.
#[derive(Debug, Clone, Default)]
pub(crate) struct EngineAdvisories {
    pub said: Vec<Said>,
    /// Every record that was read, also the silent ones: a later one can fall silent.
    pub records: HashMap<RecordKey, Option<Timestamp>>,
}

impl EngineAdvisories {
    /// Starts a record; false if a newer copy of it has been read already, and then it is skipped.
    pub fn begin(&mut self, key: &RecordKey, modified: Option<Timestamp>) -> bool {
        match self.records.get(key) {
            Some(known) if *known > modified => return false,
            Some(_) => self.said.retain(|said| said.record != *key),
            None => {}
        }
        self.records.insert(key.clone(), modified);
        true
    }

    /// Adds a later reading. Of the same record in both, the one changed last counts.
    pub fn merge(&mut self, later: Self) {
        let stale: BTreeSet<RecordKey> = later
            .records
            .iter()
            .filter(|(key, modified)| self.records.get(*key).is_some_and(|known| known > *modified))
            .map(|(key, _)| key.clone())
            .collect();
        self.said.retain(|said| !later.records.contains_key(&said.record) || stale.contains(&said.record));
        self.said.extend(later.said.into_iter().filter(|said| !stale.contains(&said.record)));
        for (key, modified) in later.records {
            let known = self.records.entry(key).or_insert(modified);
            *known = modified.max(*known);
        }
    }
}

/// What all feeds say about engines, by product and CVE.
#[derive(Debug, Default)]
pub(crate) struct EngineIndex {
    pub by_product: BTreeMap<Product, BTreeMap<Arc<str>, Vec<Statement>>>,
}

/// A statement and where it comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub feed: FeedKind,
    pub said: Said,
}

impl EngineIndex {
    pub fn add(&mut self, feed: FeedKind, advisories: &EngineAdvisories) {
        for said in &advisories.said {
            let statement = Statement { feed, said: said.clone() };
            self.by_product
                .entry(said.product)
                .or_default()
                .entry(Arc::clone(&said.cve))
                .or_default()
                .push(statement);
        }
    }

    /// The CVEs of each product of which something else is said than in another index.
    pub fn differences(&self, other: &Self) -> BTreeMap<Product, HashSet<Arc<str>>> {
        let mut found: BTreeMap<Product, HashSet<Arc<str>>> = BTreeMap::new();
        for (ours, theirs) in [(self, other), (other, self)] {
            for (product, by_cve) in &ours.by_product {
                let beside = theirs.by_product.get(product);
                let differs = by_cve
                    .iter()
                    .filter(|(cve, said)| beside.and_then(|beside| beside.get(*cve)) != Some(said));
                let cves = differs.map(|(cve, _)| Arc::clone(cve)).collect::<Vec<_>>();
                if !cves.is_empty() {
                    found.entry(*product).or_default().extend(cves);
                }
            }
        }
        found
    }

    /// Every statement, in a fixed order.
    pub fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.by_product.values().flat_map(BTreeMap::values).flatten()
    }

    /// Every CVE that something is said of; one of two products comes twice.
    pub fn cves(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_product.values().flat_map(BTreeMap::keys)
    }

    /// Puts the best source first.
    pub fn settle(&mut self) {
        for statements in self.by_product.values_mut().flat_map(BTreeMap::values_mut) {
            statements.sort_by(|a, b| (a.said.origin, &a.said.by).cmp(&(b.said.origin, &b.said.by)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reading of records (CVE, time of change, whether it says something of an engine).
    fn reading(entries: &[(&str, Option<&str>, bool)]) -> EngineAdvisories {
        let mut all = EngineAdvisories::default();
        for (cve, modified, speaks) in entries {
            let key = RecordKey { supplement: modified.is_none(), id: (*cve).into() };
            assert!(all.begin(&key, modified.map(|time| time.parse().expect("a time"))));
            if *speaks {
                all.said.push(Said {
                    cve: (*cve).into(),
                    product: Product::Minio,
                    origin: Origin::NvdConfiguration,
                    by: "nvd".into(),
                    affected: Affected::Any(vec![]),
                    correction: None,
                    record: key,
                });
            }
        }
        all
    }

    const OLD: Option<&str> = Some("2024-01-01T00:00:00Z");
    const NEW: Option<&str> = Some("2025-01-01T00:00:00Z");

    #[test]
    fn the_record_changed_last_counts_in_any_order() {
        for (first, later, statements) in [
            (("CVE-1", OLD, true), ("CVE-1", NEW, false), 0),
            (("CVE-1", NEW, false), ("CVE-1", OLD, true), 0),
            (("CVE-1", OLD, false), ("CVE-1", NEW, true), 1),
            (("CVE-1", NEW, true), ("CVE-1", OLD, false), 1),
            (("CVE-1", OLD, true), ("CVE-1", OLD, false), 0),
            (("CVE-1", OLD, true), ("CVE-2", OLD, true), 2),
            // A supplement stands beside the record.
            (("CVE-1", NEW, true), ("CVE-1", None, true), 2),
        ] {
            let mut all = reading(&[first]);
            all.merge(reading(&[later]));
            assert_eq!(all.said.len(), statements, "{first:?} {later:?}");
        }
        let mut all = reading(&[("CVE-1", NEW, true)]);
        let key = RecordKey { supplement: false, id: "CVE-1".into() };
        assert!(!all.begin(&key, OLD.map(|time| time.parse().expect("a time"))));
        assert!(all.begin(&key, NEW.map(|time| time.parse().expect("a time"))));
        assert!(all.said.is_empty(), "the same record again replaces itself");
    }
}
