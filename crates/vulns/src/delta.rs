//! What differs between two indexes: the statements about source packages, and the
//! facts about CVEs. Compared by content, so it does not matter which feeds were read
//! again in between.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use base::Release;

use crate::{
    engine::Product,
    index::{Index, Listing, Sources, Told},
};

/// The difference between a former index and a new one.
#[derive(Debug, Default)]
pub(crate) struct IndexDelta {
    /// Releases that one of them covers and the other does not, or not in the same way.
    pub releases: BTreeSet<Release>,
    /// In the other releases, the source packages whose listings differ.
    pub listings: BTreeMap<Release, BTreeMap<Arc<str>, ListingDelta>>,
    /// The CVEs about which something else is said of an engine.
    pub engines: BTreeMap<Product, HashSet<Arc<str>>>,
    /// The CVEs about which something else is known.
    pub facts: HashSet<Arc<str>>,
}

/// What differs between two listings of one source package.
#[derive(Debug)]
pub(crate) enum ListingDelta {
    /// One of the indexes has no such listing.
    Whole,
    /// The statements about these CVEs differ.
    Cves(HashSet<Arc<str>>),
}

impl IndexDelta {
    /// From one index to another.
    pub fn between(former: &Index, new: &Index) -> Self {
        let engines = former.engines.differences(&new.engines);
        let mut delta = Self { facts: facts(former, new), engines, ..Self::default() };
        for release in Release::ALL.iter().copied() {
            let has_feed = |index: &Index| index.has_feed_for(release.distribution());
            match (former.releases.get(&release), new.releases.get(&release)) {
                (Some(old), Some(young)) => {
                    let listings = listings((former, old), (new, young));
                    if !listings.is_empty() {
                        delta.listings.insert(release, listings);
                    }
                }
                (None, None) if has_feed(former) == has_feed(new) => {}
                _ => {
                    delta.releases.insert(release);
                }
            }
        }
        delta
    }
}

fn facts(former: &Index, new: &Index) -> HashSet<Arc<str>> {
    let either = former.cves_with_facts().chain(new.cves_with_facts());
    either.filter(|cve| former.facts(cve) != new.facts(cve)).cloned().collect()
}

fn listings(former: (&Index, &Sources), new: (&Index, &Sources)) -> BTreeMap<Arc<str>, ListingDelta> {
    let mut differ = BTreeMap::new();
    for (source, listing) in &new.1.listings {
        match former.1.listings.get(source) {
            Some(old) if old.digest == listing.digest => {}
            Some(old) => {
                differ.insert(Arc::clone(source), ListingDelta::Cves(cves((former, old), (new, listing))));
            }
            None => {
                differ.insert(Arc::clone(source), ListingDelta::Whole);
            }
        }
    }
    for source in former.1.listings.keys().filter(|source| !new.1.listings.contains_key(*source)) {
        differ.insert(Arc::clone(source), ListingDelta::Whole);
    }
    differ
}

/// A listing with the index and the release it is from.
type Placed<'a> = ((&'a Index, &'a Sources), &'a Listing);

fn told(((index, sources), listing): Placed<'_>) -> BTreeSet<Told<'_>> {
    listing.told(sources.tables(&index.symbols)).collect()
}

fn cves(former: Placed<'_>, new: Placed<'_>) -> HashSet<Arc<str>> {
    let (old, young) = (told(former), told(new));
    old.symmetric_difference(&young).map(|told| Arc::clone(told.cve)).collect()
}
