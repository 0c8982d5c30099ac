//! A feed that has been read and found good.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{FeedKind, KevEntry};
use crate::{advisories::Advisories, cve_facts::CveTable};

/// The content of one feed. Not meant to be stored: keep the bytes and read them again.
#[derive(Debug, Clone)]
pub struct FeedData {
    kind: FeedKind,
    as_of: Option<Timestamp>,
    records: usize,
    pub(crate) content: Content,
}

/// What feeds hold; feeds of one kind hold the same.
#[allow(clippy::large_enum_variant, reason = "there is one for each feed, a dozen in all")]
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Statements about source packages.
    Packages(Advisories),
    /// CISA's catalogue, to be joined to what other feeds find.
    Exploited(HashMap<Arc<str>, Arc<KevEntry>>),
    /// Facts about CVEs, to be joined likewise.
    Cves(CveTable),
}

impl Content {
    fn records(&self) -> usize {
        match self {
            Self::Exploited(entries) => entries.len(),
            // Records can be silent about the CVE itself, and feeds of facts have no records.
            Self::Cves(table) => table.facts.len().max(table.engines.records.len()),
            Self::Packages(said) if said.modified.is_empty() && said.announced.is_empty() => {
                said.rows.iter().map(|row| (row.source, row.cve)).collect::<HashSet<_>>().len()
            }
            Self::Packages(said) => said.modified.len() + said.announced.len(),
        }
    }
}

impl FeedData {
    pub(crate) fn new(kind: FeedKind, as_of: Option<Timestamp>, mut content: Content) -> Self {
        if let Content::Packages(said) = &mut content {
            said.layers = vec![as_of];
        }
        Self { kind, as_of, records: content.records(), content }
    }

    /// Which feed it is.
    pub fn kind(&self) -> FeedKind {
        self.kind
    }

    /// The time of which the feed tells, as it says itself; `None` if it does not say.
    /// After a merge, the latest that is known.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.as_of
    }

    /// How many records the feed has, in its own unit: pairs of source package and CVE
    /// for Debian's tracker, CVE records and notices for Ubuntu, notices for lists of
    /// notices, entries for CISA, CVEs elsewhere.
    pub fn records(&self) -> usize {
        self.records
    }

    /// CISA's catalogue, of the feed that is it.
    pub fn exploited(&self) -> Option<&HashMap<Arc<str>, Arc<KevEntry>>> {
        match &self.content {
            Content::Exploited(entries) => Some(entries),
            Content::Packages(_) | Content::Cves(_) => None,
        }
    }

    /// Adds a later layer of the same feed, which replaces what it speaks of too. A layer
    /// of another kind is not taken, as no statement of it could replace one here.
    ///
    /// Layers come in the order of the directories they were read from. Ubuntu's records
    /// carry the time of their last change, and there that time decides.
    pub fn merge(&mut self, later: Self) {
        if self.kind != later.kind {
            return;
        }
        match (&mut self.content, later.content) {
            (Content::Packages(mine), Content::Packages(theirs)) => mine.merge(theirs),
            // The catalogue is published whole: of one CVE the newer catalogue's entry counts, in all fields.
            (Content::Exploited(mine), Content::Exploited(theirs)) if later.as_of < self.as_of => {
                theirs.into_iter().for_each(|(cve, entry)| {
                    mine.entry(cve).or_insert(entry);
                });
            }
            (Content::Exploited(mine), Content::Exploited(theirs)) => mine.extend(theirs),
            (Content::Cves(mine), Content::Cves(theirs)) => mine.merge(theirs),
            // One kind holds one content, so these do not meet.
            (Content::Packages(_) | Content::Exploited(_) | Content::Cves(_), _) => {}
        }
        self.as_of = self.as_of.max(later.as_of);
        self.records = self.content.records();
    }
}
