//! Every feed put in order for matching: for each release and source package, the
//! CVEs sorted by the version that fixes them. What an installed version still
//! lacks is then the end of a list, found by a binary search.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet, btree_map},
    fmt::Write as _,
    sync::Arc,
};

use base::{Distribution, Release, Sha256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    advisories::{Advisories, Row},
    coverage::Coverage,
    engine::{InstalledEngine, advisory::EngineIndex},
    feeds::{Content, FeedData, FeedKind, KevEntry},
    findings::Findings,
    host::HostPackages,
    known::{Known, KnownCves},
    livepatch::{Livepatch, LivepatchNumber, Livepatches},
    matching,
    proof::Statement,
    severity::Severity,
    statements::{Announcement, Announcements, Origin, Statements},
    symbols::{Symbol, Symbols, order_key},
    version,
};

/// The rank of each version that fixes something here: many CVEs are fixed by one version, so
/// versions are compared once rather than for every two entries. Equal versions have equal ranks.
fn ranks(symbols: &Symbols, entries: &[Entry]) -> HashMap<Symbol, usize, ahash::RandomState> {
    let mut versions: Vec<Symbol> = entries.iter().filter_map(|entry| entry.fixed).collect();
    versions.sort_unstable();
    versions.dedup();
    versions.sort_by(|a, b| version::compare(symbols.text(*a), symbols.text(*b)));
    let equal = versions.chunk_by(|a, b| version::compare(symbols.text(*a), symbols.text(*b)).is_eq());
    equal.zip(0..).flat_map(|(equal, rank)| equal.iter().map(move |version| (*version, rank))).collect()
}

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
    /// Of the CVEs that something here names; the feeds know many more.
    pub(crate) known: KnownCves,
    pub(crate) engines: EngineIndex,
    feeds: Vec<FeedSummary>,
    version: Sha256,
}

/// What is known of a release.
#[derive(Debug)]
pub(crate) struct Sources {
    /// Shared by the releases of a distribution.
    pub origins: Arc<[Origin]>,
    pub announcements: Arc<Announcements>,
    pub livepatches: Arc<Livepatches>,
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
    pub announcement: Announcement,
    pub statement: Statement,
    pub severity: Severity,
    pub pro_only: bool,
    /// For kernels: the live patch that fixes it in one that runs.
    pub livepatch: Option<LivepatchNumber>,
    /// A place in [`Sources::origins`].
    pub layer: u16,
}

/// What turns the symbols and numbers of entries into what they mean.
#[derive(Clone, Copy)]
pub(crate) struct Tables<'a> {
    symbols: &'a Symbols,
    origins: &'a [Origin],
    announcements: &'a Announcements,
    livepatches: &'a Livepatches,
}

/// An entry with its texts, so that it can be compared with one of another index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told<'a> {
    pub cve: &'a Arc<str>,
    fixed: Option<&'a Arc<str>>,
    pro_fixed: Option<&'a Arc<str>>,
    notice: Option<&'a Arc<str>>,
    announced: &'a [Arc<str>],
    statement: Statement,
    severity: Severity,
    pro_only: bool,
    livepatch: Option<&'a Livepatch>,
    layer: u16,
    feed: FeedKind,
}

impl Entry {
    fn told<'a>(&self, tables: Tables<'a>) -> Told<'a> {
        // Without a wildcard, so that no field is left out of comparisons.
        let Self {
            cve,
            fixed,
            pro_fixed,
            notice,
            announcement,
            statement,
            severity,
            pro_only,
            livepatch,
            layer,
        } = *self;
        let text = |symbol: Option<Symbol>| symbol.map(|symbol| tables.symbols.text(symbol));
        Told {
            cve: tables.symbols.text(cve),
            fixed: text(fixed),
            pro_fixed: text(pro_fixed),
            notice: text(notice),
            announced: tables.announcements.list(announcement),
            statement,
            severity,
            pro_only,
            livepatch: livepatch.map(|number| tables.livepatches.get(number)),
            layer,
            feed: tables.origins[usize::from(layer)].feed,
        }
    }
}

impl Told<'_> {
    /// Appends a form of it that no other entry has.
    fn encode(&self, bytes: &mut Vec<u8>) {
        let Self {
            cve,
            fixed,
            pro_fixed,
            notice,
            announced,
            statement,
            severity,
            pro_only,
            livepatch,
            layer,
            feed,
        } = self;
        let announced = announced.iter().map(Some);
        let patched = [livepatch.map(|patch| &patch.notice), livepatch.map(|patch| &patch.module)];
        let texts = [Some(*cve), *fixed, *pro_fixed, *notice].into_iter().chain(patched);
        for text in texts.chain(announced).chain([None]) {
            // No text of a feed reaches this length; 0 is kept for there being none.
            let length = text.map_or(0, |text| u32::try_from(text.len() + 1).unwrap_or(u32::MAX));
            bytes.extend(length.to_le_bytes());
            bytes.extend(text.map(|text| text.as_bytes()).unwrap_or_default());
        }
        bytes.extend([*statement as u8, *severity as u8, u8::from(*pro_only), *feed as u8]);
        bytes.extend(livepatch.map_or(0, |patch| patch.version).to_le_bytes());
        bytes.extend(layer.to_le_bytes());
    }
}

impl Sources {
    /// The reading that an entry comes from.
    pub fn origin(&self, entry: &Entry) -> Origin {
        self.origins[usize::from(entry.layer)]
    }

    /// What its entries need to be told.
    pub fn tables<'a>(&'a self, symbols: &'a Symbols) -> Tables<'a> {
        Tables {
            symbols,
            origins: &self.origins,
            announcements: &self.announcements,
            livepatches: &self.livepatches,
        }
    }
}

impl Listing {
    fn new() -> Self {
        Self { fixed: Vec::new(), unfixed: Vec::new(), digest: Sha256::of(&[]) }
    }

    /// Every entry with its texts.
    pub fn told<'a>(&'a self, tables: Tables<'a>) -> impl Iterator<Item = Told<'a>> {
        self.fixed.iter().chain(&self.unfixed).map(move |entry| entry.told(tables))
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

impl Index {
    /// Builds the index. Several layers of one kind are merged in the order given.
    pub fn build(feeds: &[FeedData]) -> Self {
        Self::of(feeds.iter().map(Cow::Borrowed))
    }

    /// Builds the index likewise. A reading that is given away is cheaper than a borrowed one where
    /// its feed has several layers, as they are merged in place.
    pub fn of<'a>(feeds: impl IntoIterator<Item = Cow<'a, FeedData>>) -> Self {
        let mut index = Self {
            symbols: Symbols::default(),
            releases: BTreeMap::new(),
            known: KnownCves::default(),
            engines: EngineIndex::default(),
            feeds: Vec::new(),
            version: Sha256::of(&[]),
        };
        let mut by_kind: BTreeMap<FeedKind, Cow<'a, FeedData>> = BTreeMap::new();
        for feed in feeds {
            match by_kind.entry(feed.kind()) {
                btree_map::Entry::Vacant(place) => {
                    place.insert(feed);
                }
                btree_map::Entry::Occupied(mut place) => place.get_mut().to_mut().merge(feed.into_owned()),
            }
        }
        let all: Vec<Cow<'a, FeedData>> = by_kind.into_values().collect();
        index.feeds = all
            .iter()
            .map(|feed| FeedSummary { kind: feed.kind(), as_of: feed.as_of(), records: feed.records() })
            .collect();
        for distribution in [Distribution::Debian, Distribution::Ubuntu] {
            let of_it = all.iter().filter(|feed| feed.kind().distribution() == Some(distribution));
            let said = of_it.filter_map(|feed| match &feed.content {
                Content::Packages(said) => Some((feed.kind(), said)),
                Content::Exploited(_) | Content::Cves(_) => None,
            });
            index.add_packages(&said.collect::<Vec<_>>());
        }
        for feed in &all {
            if let Content::Cves(table) = &feed.content {
                index.engines.add(feed.kind(), &table.engines);
            }
        }
        index.engines.settle();
        index.join_facts(&all);
        index.sort();
        index.seal();
        index.version = index.fingerprint();
        index
    }

    fn add_packages(&mut self, said: &[(FeedKind, &Advisories)]) {
        let Statements { rows, origins, announcements, livepatches } =
            Statements::of(&mut self.symbols, said);
        let (origins, announcements) = (Arc::<[Origin]>::from(origins), Arc::new(announcements));
        let livepatches = Arc::new(livepatches);
        for (row, announcement) in rows {
            let sources = self.releases.entry(row.release).or_insert_with(|| Sources {
                origins: Arc::clone(&origins),
                announcements: Arc::clone(&announcements),
                livepatches: Arc::clone(&livepatches),
                listings: HashMap::new(),
            });
            let name = self.symbols.text(row.source);
            // A package that is listed without a CVE is still one that the feed knows.
            let listing = match sources.listings.get_mut(name) {
                Some(listing) => listing,
                None => sources.listings.entry(Arc::clone(name)).or_insert_with(Listing::new),
            };
            let livepatch = livepatches.find(row.key());
            let Row { cve, fixed, pro_fixed, notice, statement, severity, pro_only, layer, .. } = row;
            if matches!(statement, Statement::NotAffected | Statement::Undetermined) {
                continue;
            }
            let entry = Entry {
                cve,
                fixed,
                pro_fixed,
                notice,
                announcement,
                statement,
                severity,
                pro_only,
                livepatch,
                layer,
            };
            if entry.fixed.is_some() { listing.fixed.push(entry) } else { listing.unfixed.push(entry) }
        }
    }

    /// Joins what the feeds say about each CVE that a package, an engine or CISA's catalogue names.
    fn join_facts(&mut self, feeds: &[Cow<'_, FeedData>]) {
        for cve in feeds.iter().filter_map(|feed| feed.exploited()).flat_map(HashMap::keys) {
            self.symbols.intern(cve);
        }
        let listings = self.releases.values().flat_map(|sources| sources.listings.values());
        let entries = listings.flat_map(|listing| listing.fixed.iter().chain(&listing.unfixed));
        let mut named: HashSet<Symbol> = entries.map(|entry| entry.cve).collect();
        let exploited = feeds.iter().filter_map(|feed| feed.exploited()).flat_map(HashMap::keys);
        named.extend(exploited.filter_map(|cve| self.symbols.find(cve)));
        for cve in self.engines.cves() {
            named.insert(self.symbols.intern(cve));
        }
        self.known = KnownCves::join(&self.symbols, |cve| named.contains(&cve), feeds);
    }

    fn sort(&mut self) {
        let symbols = &self.symbols;
        let by_cve = |entry: &Entry| order_key(symbols.text(entry.cve));
        let whole = |a: &Entry, b: &Entry| symbols.text(a.cve).cmp(symbols.text(b.cve));
        for listing in self.releases.values_mut().flat_map(|sources| sources.listings.values_mut()) {
            let ranks = ranks(symbols, &listing.fixed);
            let rank = |entry: &Entry| entry.fixed.map(|fixed| ranks[&fixed]);
            listing
                .fixed
                .sort_by(|a, b| (rank(a), by_cve(a)).cmp(&(rank(b), by_cve(b))).then_with(|| whole(a, b)));
            listing.unfixed.sort_by(|a, b| by_cve(a).cmp(&by_cve(b)).then_with(|| whole(a, b)));
            listing.fixed.shrink_to_fit();
            listing.unfixed.shrink_to_fit();
        }
    }

    fn seal(&mut self) {
        let mut bytes = Vec::new();
        for Sources { origins, announcements, livepatches, listings } in self.releases.values_mut() {
            let tables = Tables { symbols: &self.symbols, origins, announcements, livepatches };
            for listing in listings.values_mut() {
                bytes.clear();
                listing.told(tables).for_each(|told| told.encode(&mut bytes));
                listing.digest = Sha256::of(&bytes);
            }
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
        for statement in self.engines.statements() {
            let _ = writeln!(text, "{:?} {:?}", statement.feed, statement.said);
        }
        let known: BTreeMap<_, _> =
            self.known.iter().map(|(cve, known)| (self.symbols.text(cve), known)).collect();
        for (cve, known) in known {
            let _ = writeln!(text, "{cve} {known}");
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

    /// The findings of one engine, in the order of attention.
    pub fn findings_of_engine(&self, engine: &InstalledEngine) -> Findings {
        self.findings(&HostPackages { engines: vec![engine.clone()], ..HostPackages::default() })
    }

    /// What the feeds can and cannot say about a host.
    pub fn coverage(&self, host: &HostPackages) -> Coverage {
        Coverage::of(self, host)
    }

    /// CISA's entry for a CVE.
    pub fn kev(&self, cve: &str) -> Option<&Arc<KevEntry>> {
        self.known.of(self.symbols.find(cve)?).kev.as_ref()
    }

    /// Every CVE that is known to be exploited, with CISA's entry. Two of these give a
    /// [`KevDelta`](crate::KevDelta).
    pub fn exploited(&self) -> HashMap<Arc<str>, Arc<KevEntry>> {
        let known = self.known.iter();
        known
            .filter_map(|(cve, known)| {
                Some((Arc::clone(self.symbols.text(cve)), Arc::clone(known.kev.as_ref()?)))
            })
            .collect()
    }

    /// The CVEs of which something is told beyond packages.
    pub(crate) fn cves_with_facts(&self) -> impl Iterator<Item = &Arc<str>> {
        self.known.iter().map(|(cve, _)| self.symbols.text(cve))
    }

    /// What is told of a CVE beyond packages, which may be nothing.
    pub(crate) fn facts(&self, cve: &str) -> Option<&Arc<Known>> {
        self.symbols.find(cve).map(|cve| self.known.of(cve)).filter(|known| !known.is_nothing())
    }

    /// The time of a feed as a whole, if it is loaded and states one.
    pub(crate) fn as_of_feed(&self, kind: FeedKind) -> Option<Timestamp> {
        self.feeds.iter().find(|feed| feed.kind == kind)?.as_of
    }

    /// When the statements of this layer were true, if their feed says.
    pub(crate) fn as_of(&self, release: Release, layer: u16) -> Option<Timestamp> {
        self.releases.get(&release)?.origins.get(usize::from(layer))?.as_of
    }

    pub(crate) fn has_feed_for(&self, distribution: Distribution) -> bool {
        self.releases.keys().any(|release| release.distribution() == distribution)
    }
}
