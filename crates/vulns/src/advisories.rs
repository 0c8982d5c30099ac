//! What a feed of packages says, row by row: in this release, this source
//! package is or is not affected by this CVE. The common form of every such
//! feed, and the rule by which a later reading replaces an earlier one.

use std::collections::HashMap;

use base::Release;
use jiff::Timestamp;

use crate::{
    proof::Statement,
    severity::Severity,
    symbols::{Symbol, Symbols},
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
    fn key(&self) -> (Release, Symbol, Symbol) {
        (self.release, self.source, self.cve)
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
        self.notices.sort_by_key(|row| (row.notice, row.key()));
    }

    /// Adds a later reading. Where a feed publishes whole records, the record that was
    /// changed last replaces the other entirely, so that a package it no longer lists is
    /// dropped; elsewhere the later row replaces the earlier one.
    pub fn merge(&mut self, later: Self) {
        let renumbering = self.symbols.absorb(&later.symbols);
        // Far fewer layers are ever merged than can be counted; beyond that the last is meant.
        let base = u16::try_from(self.layers.len()).unwrap_or(u16::MAX);
        self.layers.extend(later.layers);
        let moved = |mut row: Row| {
            row.layer = row.layer.saturating_add(base);
            row.source = renumbering.of(row.source);
            row.cve = renumbering.of(row.cve);
            row.fixed = row.fixed.map(|symbol| renumbering.of(symbol));
            row.pro_fixed = row.pro_fixed.map(|symbol| renumbering.of(symbol));
            row.notice = row.notice.map(|symbol| renumbering.of(symbol));
            row
        };
        let modified: HashMap<Symbol, Timestamp> =
            later.modified.into_iter().map(|(cve, time)| (renumbering.of(cve), time)).collect();

        let mine = &self.modified;
        let beaten =
            |cve: &Symbol| matches!((mine.get(cve), modified.get(cve)), (Some(a), Some(b)) if a <= b);
        let stale = |cve: &Symbol| matches!((mine.get(cve), modified.get(cve)), (Some(a), Some(b)) if a > b);
        self.rows.retain(|row| !beaten(&row.cve));
        self.rows.extend(later.rows.into_iter().map(moved).filter(|row| !stale(&row.cve)));
        for (cve, time) in modified {
            self.modified.entry(cve).and_modify(|known| *known = time.max(*known)).or_insert(time);
        }

        let notices: Vec<Row> = later.notices.into_iter().map(moved).collect();
        let replaced: std::collections::HashSet<_> = notices.iter().map(|row| row.notice).collect();
        self.notices.retain(|row| !replaced.contains(&row.notice));
        self.notices.extend(notices);
        self.settle();
    }

    /// The rows with the notices worked in: each fix names the notice that announced it,
    /// and a CVE that has no record of its own takes what its notices say.
    pub fn with_notices(&self) -> Vec<Row> {
        let mut rows = self.rows.clone();
        for notice in &self.notices {
            match rows[..self.rows.len()].binary_search_by_key(&notice.key(), Row::key) {
                Ok(at) => {
                    let row = &mut rows[at];
                    let announces = notice.fixed.is_some() && notice.fixed == row.fixed
                        || notice.pro_fixed.is_some() && notice.pro_fixed == row.pro_fixed;
                    if announces && row.notice.is_none() {
                        row.notice = notice.notice;
                    }
                }
                // A record that does not list the package says that it is not affected.
                Err(_) if self.modified.contains_key(&notice.cve) => {}
                Err(_) => rows.push(*notice),
            }
        }
        // Of several notices for the same, the first one fixed it; the others are follow-ups.
        rows.sort_by_key(Row::key);
        rows.dedup_by_key(|row| row.key());
        rows
    }
}
