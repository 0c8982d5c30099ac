//! Every feed put in order for matching: for each release and source package, the
//! CVEs sorted by the version that fixes them. What an installed version still
//! lacks is then the end of a list, found by a binary search.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::Arc,
};

use base::{Distribution, Release, Sha256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    advisories::{Advisories, Row},
    coverage::Coverage,
    cve_facts::CveFacts,
    feeds::{Content, FeedData, FeedKind, KevEntry},
    findings::Findings,
    host::HostPackages,
    known::Known,
    matching,
    proof::Statement,
    severity::Severity,
    symbols::{Symbol, Symbols},
    version,
};

/// What an index was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedSummary {
    /// The feed.
    pub kind: FeedKind,
    /// The time of which it tells, if it says.
    pub as_of: Option<Timestamp>,
    /// Its records, as [`FeedData::records`] counts them.
    pub records: usize,
}

/// The feeds, ready to be matched against hosts. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct Index {
    pub(crate) symbols: Symbols,
    pub(crate) releases: BTreeMap<Release, Sources>,
    exploited: HashMap<Symbol, Arc<KevEntry>>,
    /// Of the CVEs that something here names; the feeds know many more.
    known: HashMap<Symbol, Arc<Known>>,
    feeds: Vec<FeedSummary>,
    version: Sha256,
}

/// What is known of a release.
#[derive(Debug)]
pub(crate) struct Sources {
    pub kind: FeedKind,
    /// When each layer of the feed was true, if it says.
    pub layers: Vec<Option<Timestamp>>,
    pub listings: HashMap<Arc<str>, Listing>,
}

/// What is known of a source package in a release.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Fixed in the release's own archive; sorted by that version.
    fixed: Vec<Entry>,
    /// Not fixed there.
    unfixed: Vec<Entry>,
    /// Of all entries as texts: two listings with the same one say the same.
    pub digest: Sha256,
}

/// One CVE of a listing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub cve: Symbol,
    pub fixed: Option<Symbol>,
    pub pro_fixed: Option<Symbol>,
    pub notice: Option<Symbol>,
    pub statement: Statement,
    pub severity: Severity,
    pub pro_only: bool,
    /// A place in [`Sources::layers`].
    pub layer: u16,
}

/// An entry with its texts, so that it can be compared with one of another index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told<'a> {
    pub cve: &'a Arc<str>,
    fixed: Option<&'a Arc<str>>,
    pro_fixed: Option<&'a Arc<str>>,
    notice: Option<&'a Arc<str>>,
    statement: Statement,
    severity: Severity,
    pro_only: bool,
    layer: u16,
}

impl Entry {
    fn told<'a>(&self, symbols: &'a Symbols) -> Told<'a> {
        // Without a wildcard, so that no field is left out of comparisons.
        let Self { cve, fixed, pro_fixed, notice, statement, severity, pro_only, layer } = *self;
        let text = |symbol: Option<Symbol>| symbol.map(|symbol| symbols.text(symbol));
        Told {
            cve: symbols.text(cve),
            fixed: text(fixed),
            pro_fixed: text(pro_fixed),
            notice: text(notice),
            statement,
            severity,
            pro_only,
            layer,
        }
    }
}

impl Told<'_> {
    /// Appends a form of it that no other entry has.
    fn encode(&self, bytes: &mut Vec<u8>) {
        let Self { cve, fixed, pro_fixed, notice, statement, severity, pro_only, layer } = self;
        for text in [Some(*cve), *fixed, *pro_fixed, *notice] {
            // No text of a feed reaches this length; 0 is kept for there being none.
            let length = text.map_or(0, |text| u32::try_from(text.len() + 1).unwrap_or(u32::MAX));
            bytes.extend(length.to_le_bytes());
            bytes.extend(text.map(|text| text.as_bytes()).unwrap_or_default());
        }
        bytes.extend([*statement as u8, *severity as u8, u8::from(*pro_only)]);
        bytes.extend(layer.to_le_bytes());
    }
}

impl Listing {
    fn new() -> Self {
        Self { fixed: Vec::new(), unfixed: Vec::new(), digest: Sha256::of(&[]) }
    }

    /// Every entry with its texts.
    pub fn told<'a>(&'a self, symbols: &'a Symbols) -> impl Iterator<Item = Told<'a>> {
        self.fixed.iter().chain(&self.unfixed).map(|entry| entry.told(symbols))
    }

    /// The CVEs that this version of the source package has.
    pub fn of_version<'a>(
        &'a self,
        symbols: &'a Symbols,
        installed: &'a str,
    ) -> impl Iterator<Item = &'a Entry> {
        let has = |fixed: Option<Symbol>| {
            fixed.is_some_and(|fixed| version::compare(symbols.text(fixed), installed).is_le())
        };
        let first = self.fixed.partition_point(|entry| has(entry.fixed));
        let lacking = self.fixed[first..].iter().chain(&self.unfixed);
        lacking.filter(move |entry| !has(entry.pro_fixed))
    }
}

/// What an index knows of a CVE as such, whatever package it is in.
#[derive(Debug, PartialEq)]
pub(crate) struct Facts<'a> {
    kev: Option<&'a Arc<KevEntry>>,
    known: Option<&'a Arc<Known>>,
}

impl Index {
    /// Builds the index. Several layers of one kind are merged in the order given.
    pub fn build(feeds: &[FeedData]) -> Self {
        let mut index = Self {
            symbols: Symbols::default(),
            releases: BTreeMap::new(),
            exploited: HashMap::new(),
            known: HashMap::new(),
            feeds: Vec::new(),
            version: Sha256::of(&[]),
        };
        let mut kinds: Vec<FeedKind> = feeds.iter().map(FeedData::kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut all: Vec<Cow<'_, FeedData>> = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let mut layers = feeds.iter().filter(|feed| feed.kind() == kind);
            let Some(first) = layers.next() else { continue };
            let merged = match layers.next() {
                None => Cow::Borrowed(first),
                Some(second) => {
                    let mut merged = first.clone();
                    std::iter::once(second).chain(layers).for_each(|layer| merged.merge(layer.clone()));
                    Cow::Owned(merged)
                }
            };
            index.add(&merged);
            all.push(merged);
        }
        index.join_facts(&all);
        index.sort();
        index.seal();
        index.version = index.fingerprint();
        index
    }

    fn add(&mut self, feed: &FeedData) {
        let summary = FeedSummary { kind: feed.kind(), as_of: feed.as_of(), records: feed.records() };
        self.feeds.push(summary);
        match &feed.content {
            Content::Packages(said) => self.add_packages(feed.kind(), said),
            Content::Exploited(entries) => {
                for (cve, entry) in entries {
                    self.exploited.insert(self.symbols.intern(cve), Arc::clone(entry));
                }
            }
            // Joined last, when it is known which CVEs matter.
            Content::Cves(_) => {}
        }
    }

    fn add_packages(&mut self, kind: FeedKind, said: &Advisories) {
        let renumbering = self.symbols.absorb(&said.symbols);
        let moved = |symbol: Option<Symbol>| symbol.map(|symbol| renumbering.of(symbol));
        for row in said.with_notices() {
            let sources = self.releases.entry(row.release).or_insert_with(|| Sources {
                kind,
                layers: said.layers.clone(),
                listings: HashMap::new(),
            });
            let name = said.symbols.text(row.source);
            // A package that is listed without a CVE is still one that the feed knows.
            let listing = match sources.listings.get_mut(name) {
                Some(listing) => listing,
                None => sources.listings.entry(Arc::clone(name)).or_insert_with(Listing::new),
            };
            let Row { statement, severity, pro_only, layer, .. } = row;
            if matches!(statement, Statement::NotAffected | Statement::Undetermined) {
                continue;
            }
            let entry = Entry {
                cve: renumbering.of(row.cve),
                fixed: moved(row.fixed),
                pro_fixed: moved(row.pro_fixed),
                notice: moved(row.notice),
                statement,
                severity,
                pro_only,
                layer,
            };
            if entry.fixed.is_some() { listing.fixed.push(entry) } else { listing.unfixed.push(entry) }
        }
    }

    /// Joins what the feeds say about each CVE that something in the index names.
    fn join_facts(&mut self, feeds: &[Cow<'_, FeedData>]) {
        let mut said: HashMap<Symbol, Vec<(FeedKind, &CveFacts)>> = HashMap::new();
        for feed in feeds {
            let Content::Cves(table) = &feed.content else { continue };
            for (cve, facts) in &table.facts {
                if let Some(cve) = self.symbols.find(cve) {
                    said.entry(cve).or_default().push((feed.kind(), facts));
                }
            }
        }
        self.known =
            said.into_iter().map(|(cve, said)| (cve, Arc::new(Known::join(said.into_iter())))).collect();
    }

    fn sort(&mut self) {
        let symbols = &self.symbols;
        let fixed = |entry: &Entry| entry.fixed.map(|fixed| symbols.text(fixed));
        for listing in self.releases.values_mut().flat_map(|sources| sources.listings.values_mut()) {
            listing.fixed.sort_by(|a, b| {
                let order = match (fixed(a), fixed(b)) {
                    (Some(left), Some(right)) if a.fixed != b.fixed => version::compare(left, right),
                    _ => std::cmp::Ordering::Equal,
                };
                order.then_with(|| symbols.text(a.cve).cmp(symbols.text(b.cve)))
            });
            listing.unfixed.sort_by(|a, b| symbols.text(a.cve).cmp(symbols.text(b.cve)));
            listing.fixed.shrink_to_fit();
            listing.unfixed.shrink_to_fit();
        }
    }

    fn seal(&mut self) {
        let symbols = &self.symbols;
        let mut bytes = Vec::new();
        for listing in self.releases.values_mut().flat_map(|sources| sources.listings.values_mut()) {
            bytes.clear();
            listing.told(symbols).for_each(|told| told.encode(&mut bytes));
            listing.digest = Sha256::of(&bytes);
        }
    }

    fn fingerprint(&self) -> Sha256 {
        let mut text = String::new();
        for (release, sources) in &self.releases {
            let listings: BTreeMap<_, _> = sources.listings.iter().collect();
            for (source, listing) in listings {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{release} {source} {}", listing.digest);
            }
        }
        let exploited: BTreeMap<_, _> =
            self.exploited.iter().map(|(cve, entry)| (self.symbols.text(*cve), entry)).collect();
        for (cve, entry) in exploited {
            let _ = writeln!(text, "{cve} {entry:?}");
        }
        Sha256::of(text.as_bytes())
    }

    /// A fingerprint of the contents. Two indexes with the same one give the same findings, but for
    /// the time of their feeds.
    pub fn version(&self) -> Sha256 {
        self.version
    }

    /// What the index was made of, in the order of the kinds.
    pub fn feeds(&self) -> &[FeedSummary] {
        &self.feeds
    }

    /// The findings of a host, in the order of attention.
    pub fn findings(&self, host: &HostPackages) -> Findings {
        matching::findings(self, host)
    }

    /// What the feeds can and cannot say about a host.
    pub fn coverage(&self, host: &HostPackages) -> Coverage {
        Coverage::of(self, host)
    }

    /// CISA's entry for a CVE.
    pub fn kev(&self, cve: &str) -> Option<&Arc<KevEntry>> {
        self.kev_of(self.symbols.find(cve)?)
    }

    /// What the feeds say about a CVE itself; `None` while they say nothing.
    pub(crate) fn known(&self, cve: Symbol) -> Option<&Arc<Known>> {
        self.known.get(&cve)
    }

    pub(crate) fn kev_of(&self, cve: Symbol) -> Option<&Arc<KevEntry>> {
        self.exploited.get(&cve)
    }

    /// The CVEs of which something is told beyond packages.
    pub(crate) fn cves_with_facts(&self) -> impl Iterator<Item = &Arc<str>> {
        self.exploited.keys().chain(self.known.keys()).map(|cve| self.symbols.text(*cve))
    }

    /// What is told of a CVE beyond packages.
    pub(crate) fn facts(&self, cve: &str) -> Facts<'_> {
        let cve = self.symbols.find(cve);
        Facts { kev: cve.and_then(|cve| self.kev_of(cve)), known: cve.and_then(|cve| self.known(cve)) }
    }

    /// When the statements of this layer were true, if their feed says.
    pub(crate) fn as_of(&self, release: Release, layer: u16) -> Option<Timestamp> {
        *self.releases.get(&release)?.layers.get(usize::from(layer))?
    }

    pub(crate) fn has_feed_for(&self, distribution: Distribution) -> bool {
        self.releases.keys().any(|release| release.distribution() == distribution)
    }
}
