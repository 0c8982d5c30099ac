//! What a feed of packages says, row by row: in this release, this source
//! package is or is not affected by this CVE. The common form of every such
//! feed, and the rule by which a later reading replaces an earlier one.

use std::collections::HashMap;

use base::Release;
use jiff::Timestamp;

use crate::{
    cve_facts::CveTable,
    livepatch::LivepatchRow,
    proof::Statement,
    severity::Severity,
    symbols::{Renumbering, Symbol, Symbols},
};

/// One statement of a feed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub release: Release,
    pub source: Symbol,
    pub cve: Symbol,
    pub statement: Statement,
    /// The first fixed version in the release's own archive.
    pub fixed: Option<Symbol>,
    /// The first fixed version behind Ubuntu Pro.
    pub pro_fixed: Option<Symbol>,
    /// Listed for Ubuntu Pro alone; the release itself is then affected and unfixed.
    pub pro_only: bool,
    pub severity: Severity,
    /// The notice that announced the fix.
    pub notice: Option<Symbol>,
    /// The reading it comes from: a place in [`Advisories::layers`].
    pub layer: u16,
}

impl Row {
    /// What a row is about; a later row about the same replaces it.
    pub fn key(&self) -> (Release, Symbol, Symbol) {
        (self.release, self.source, self.cve)
    }

    /// The row in another table of symbols, with its layers counted from `base`.
    pub fn moved(&self, renumbering: &Renumbering, base: u16) -> Self {
        Self {
            source: renumbering.of(self.source),
            cve: renumbering.of(self.cve),
            fixed: self.fixed.map(|symbol| renumbering.of(symbol)),
            pro_fixed: self.pro_fixed.map(|symbol| renumbering.of(symbol)),
            notice: self.notice.map(|symbol| renumbering.of(symbol)),
            layer: self.layer.saturating_add(base),
            ..*self
        }
    }
}

/// Everything one feed says.
#[derive(Debug, Clone)]
pub(crate) struct Advisories {
    pub symbols: Symbols,
    /// At most one row for a (release, source package, CVE), once [`settle`](Self::settle) has run.
    pub rows: Vec<Row>,
    /// What notices say; they name what rows fix and fill in for CVEs without rows.
    pub notices: Vec<Row>,
    /// When a CVE's whole record was last changed, in feeds that publish whole records.
    pub modified: HashMap<Symbol, Timestamp>,
    /// Every notice that was read, also those for other releases, and when it was published or changed.
    pub announced: HashMap<Symbol, Option<Timestamp>>,
    /// What records say of their CVE itself.
    pub facts: CveTable,
    /// What live patches fix in kernels that run.
    pub livepatches: Vec<LivepatchRow>,
    /// The time of each reading that was merged into this; never empty.
    pub layers: Vec<Option<Timestamp>>,
}

impl Default for Advisories {
    fn default() -> Self {
        Self {
            symbols: Symbols::default(),
            rows: Vec::new(),
            notices: Vec::new(),
            modified: HashMap::new(),
            announced: HashMap::new(),
            facts: CveTable::default(),
            livepatches: Vec::new(),
            layers: vec![None],
        }
    }
}

impl Advisories {
    /// Orders the rows and keeps the last one of each (release, source package, CVE).
    pub fn settle(&mut self) {
        self.rows.sort_by_key(Row::key);
        self.rows.dedup_by(|later, kept| {
            let same = later.key() == kept.key();
            if same {
                *kept = *later;
            }
            same
        });
        self.notices.sort_by_key(Row::key);
    }

    /// Adds a later reading. Where a feed publishes whole records, the record that was
    /// changed last replaces the other entirely, so that a package it no longer lists is
    /// dropped; elsewhere the later row replaces the earlier one.
    pub fn merge(&mut self, later: Self) {
        let renumbering = self.symbols.absorb(&later.symbols);
        // Far fewer layers are ever merged than can be counted; beyond that the last is meant.
        let base = u16::try_from(self.layers.len()).unwrap_or(u16::MAX);
        self.layers.extend(later.layers);
        let moved = |row: Row| row.moved(&renumbering, base);
        let modified: HashMap<Symbol, Timestamp> =
            later.modified.into_iter().map(|(cve, time)| (renumbering.of(cve), time)).collect();

        // Told by the place of a CVE's symbol, as every row asks.
        let (mut beaten, mut stale) = (vec![false; self.symbols.len()], vec![false; self.symbols.len()]);
        for (cve, time) in &modified {
            if let Some(mine) = self.modified.get(cve) {
                beaten[cve.place()] = mine <= time;
                stale[cve.place()] = mine > time;
            }
        }
        self.rows.retain(|row| !beaten[row.cve.place()]);
        self.rows.extend(later.rows.into_iter().map(moved).filter(|row| !stale[row.cve.place()]));
        for (cve, time) in modified {
            self.modified.entry(cve).and_modify(|known| *known = time.max(*known)).or_insert(time);
        }

        let stands = |now: &HashMap<Symbol, Option<Timestamp>>, row: &Row| {
            row.notice.is_some_and(|id| now.contains_key(&id))
        };
        let announced: HashMap<Symbol, Option<Timestamp>> = later
            .announced
            .into_iter()
            .map(|(id, time)| (renumbering.of(id), time))
            // Of the same notice the newer state counts, as for records.
            .filter(|(id, time)| {
                !matches!((self.announced.get(id), time), (Some(Some(mine)), Some(new)) if new < mine)
            })
            .collect();
        self.notices.retain(|row| !stands(&announced, row));
        self.notices.extend(later.notices.into_iter().map(moved).filter(|row| stands(&announced, row)));
        self.livepatches.retain(|row| !announced.contains_key(&row.notice));
        let patches = later.livepatches.iter().map(|row| row.moved(&renumbering));
        self.livepatches.extend(patches.filter(|row| announced.contains_key(&row.notice)));
        self.announced.extend(announced);
        self.facts.merge(later.facts);
        self.settle();
    }
}
