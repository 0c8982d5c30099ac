//! What the feeds of one distribution say together: the rows of its records, each with
//! the notices that announced it, and what notices say of CVEs without a record.
//!
//! A record always outranks a notice: a record that does not list a package says that it
//! is not affected, and a fixed version in a record is not replaced by one in a notice.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    advisories::{Advisories, Row},
    feeds::FeedKind,
    livepatch::Livepatches,
    symbols::{Symbol, Symbols},
    version,
};

/// One reading of one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub feed: FeedKind,
    /// When it was true, if it says.
    pub as_of: Option<Timestamp>,
}

/// The number of a list of notices in [`Statements::announcements`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Announcement(u32);

/// The statements of one distribution, in the symbols of the index.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    /// At most one for a (release, source package, CVE), in that order.
    pub rows: Vec<(Row, Announcement)>,
    /// What [`Row::layer`] counts.
    pub origins: Vec<Origin>,
    /// Distinct lists of notices; the first is empty.
    pub announcements: Announcements,
    pub livepatches: Livepatches,
}

/// Distinct lists of notices: one notice announces hundreds of CVEs.
#[derive(Debug)]
pub(crate) struct Announcements {
    lists: Vec<Arc<[Arc<str>]>>,
    numbers: HashMap<Vec<Symbol>, Announcement>,
}

impl Default for Announcements {
    fn default() -> Self {
        let numbers = HashMap::from([(Vec::new(), Announcement(0))]);
        Self { lists: vec![Arc::new([])], numbers }
    }
}

impl Announcements {
    pub fn list(&self, number: Announcement) -> &Arc<[Arc<str>]> {
        &self.lists[number.0 as usize]
    }

    fn number(&mut self, symbols: &Symbols, ids: Vec<Symbol>) -> Announcement {
        *self.numbers.entry(ids).or_insert_with_key(|ids| {
            self.lists.push(ids.iter().map(|id| Arc::clone(symbols.text(*id))).collect());
            // There are far fewer distinct lists than rows, whose symbols are bounded alike.
            Announcement(u32::try_from(self.lists.len() - 1).unwrap_or(0))
        })
    }
}

impl Statements {
    /// Joins feeds, whose symbols are taken into those of the index.
    pub fn of(symbols: &mut Symbols, feeds: &[(FeedKind, &Advisories)]) -> Self {
        let mut joined = Self::default();
        let (mut rows, mut notices, mut patches) = (Vec::new(), Vec::new(), Vec::new());
        let mut recorded: HashSet<Symbol> = HashSet::new();
        for (feed, said) in feeds {
            let renumbering = symbols.absorb(&said.symbols);
            // Far fewer readings are ever joined than can be counted; beyond that the last is meant.
            let base = u16::try_from(joined.origins.len()).unwrap_or(u16::MAX);
            joined.origins.extend(said.layers.iter().map(|as_of| Origin { feed: *feed, as_of: *as_of }));
            let last = u16::try_from(joined.origins.len() - 1).unwrap_or(u16::MAX);
            let moved = |row: &Row| {
                let row = row.moved(&renumbering, base);
                Row { layer: row.layer.min(last), ..row }
            };
            rows.extend(said.rows.iter().map(moved));
            notices.extend(said.notices.iter().map(moved));
            patches.extend(said.livepatches.iter().map(|row| row.moved(&renumbering)));
            recorded.extend(said.modified.keys().map(|cve| renumbering.of(*cve)));
        }
        rows.sort_by_key(Row::key);
        // One feed of a distribution has records; were there two, the first would count.
        rows.dedup_by_key(|row| row.key());
        notices.sort_by_key(Row::key);
        joined.livepatches = Livepatches::of(symbols, patches);
        joined.announce(symbols, rows, &mut notices, &recorded);
        joined
    }

    /// Walks rows and notices side by side; both are in the order of their keys.
    fn announce(
        &mut self,
        symbols: &Symbols,
        rows: Vec<Row>,
        notices: &mut [Row],
        recorded: &HashSet<Symbol>,
    ) {
        let mut groups = notices.chunk_by_mut(|a, b| a.key() == b.key()).peekable();
        self.rows.reserve(rows.len());
        for mut row in rows {
            while let Some(group) = groups.next_if(|group| group[0].key() < row.key()) {
                self.stand_in(symbols, group, recorded);
            }
            let group = groups.next_if(|group| group[0].key() == row.key());
            let announcement = match group {
                Some(group) => {
                    let number = self.number(symbols, group);
                    let announces = |notice: &&Row| {
                        notice.fixed.is_some() && notice.fixed == row.fixed
                            || notice.pro_fixed.is_some() && notice.pro_fixed == row.pro_fixed
                    };
                    // Of several notices for the same fix, the first one announced it.
                    row.notice = group.iter().find(announces).and_then(|notice| notice.notice);
                    number
                }
                None => Announcement(0),
            };
            self.rows.push((row, announcement));
        }
        for group in groups {
            self.stand_in(symbols, group, recorded);
        }
    }

    /// Takes what notices say where no record says anything.
    fn stand_in(&mut self, symbols: &Symbols, group: &mut [Row], recorded: &HashSet<Symbol>) {
        if recorded.contains(&group[0].cve) {
            return;
        }
        let number = self.number(symbols, group);
        // The first one fixed it; the others are follow-ups.
        self.rows.push((group[0], number));
    }

    /// Puts notices of the same into the order of their numbers, and names their list.
    fn number(&mut self, symbols: &Symbols, group: &mut [Row]) -> Announcement {
        let text = |row: &Row| row.notice.map(|id| symbols.text(id));
        group.sort_by(|a, b| match (text(a), text(b)) {
            (Some(a), Some(b)) => version::compare(a, b),
            (a, b) => a.cmp(&b),
        });
        let mut ids: Vec<Symbol> = group.iter().filter_map(|row| row.notice).collect();
        ids.dedup();
        self.announcements.number(symbols, ids)
    }
}
