//! Brings a fleet from one index to the next: finds what differs, and matches the parts
//! that it names again, for the CVEs that it names.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    mem,
    sync::Arc,
};

use super::{
    SetId,
    registry::Fleet,
    sets::{Found, PartNumber, Parts},
};
use crate::{
    delta::{IndexDelta, ListingDelta},
    finding::Finding,
    host::HostPackages,
    index::Index,
    matching::{self, Matched},
};

/// What an update of the index did to a fleet. All counts are of distinct things, whatever
/// the number of hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rematch {
    /// Listings (release and source package) that said something else than before.
    pub listings: usize,
    /// CVEs of which something else was told, in or outside of the fleet.
    pub cves: usize,
    /// Parts that were matched again, at least for one CVE.
    pub parts: usize,
    /// Findings that were computed. Nothing else was.
    pub findings: usize,
    /// What differs. The time at which a feed was read is no difference.
    pub changes: Vec<Change>,
    /// The sets whose findings differ.
    pub sets: BTreeSet<SetId>,
    /// The sets with a part that was matched again. What is said of any other is what was said
    /// before, also how far it can be trusted.
    pub asked: BTreeSet<SetId>,
}

/// A difference that a [`Rematch`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The CVE.
    pub cve: Arc<str>,
    /// The source package.
    pub source_package: Arc<str>,
    /// The version of it that the hosts have.
    pub installed: Arc<str>,
    /// What happened.
    pub turn: Turn,
    /// The sets in which it did.
    pub sets: Arc<[SetId]>,
}

/// See [`Change::turn`]. The first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turn {
    /// It was not there before.
    Opened,
    /// It is no longer there.
    Closed,
    /// It is now known to be exploited.
    Exploited,
    /// It is there as before, but something else about it is told.
    Altered,
}

/// For which CVEs a part is matched again.
enum Work {
    All,
    Cves(HashSet<Arc<str>>),
}

pub(super) fn update<H: Clone + Ord>(fleet: &mut Fleet<H>, index: Arc<Index>) -> Rematch {
    let former = mem::replace(&mut fleet.index, index);
    let mut rematch = Rematch::default();
    if Arc::ptr_eq(&former, &fleet.index) {
        return rematch;
    }
    let delta = IndexDelta::between(&former, &fleet.index);
    rematch.listings = delta.listings.values().map(|listings| listings.len()).sum();
    rematch.cves = delta.facts.len();
    for (number, work) in work(&fleet.parts, &delta) {
        rematch.parts += 1;
        let Some(part) = fleet.parts.get(number) else { continue };
        let content = Arc::clone(&part.content);
        let sets: Arc<[SetId]> = part.sets.iter().copied().collect();
        rematch.asked.extend(sets.iter());
        let (before, after) = match work {
            Work::All => {
                let matched = matching::matched(&fleet.index, &content, None);
                rematch.findings += matched.findings.len();
                let before = fleet.parts.put(number, matched);
                let after = fleet.parts.get(number).map(|part| part.found.clone()).unwrap_or_default();
                (before, after)
            }
            Work::Cves(cves) => {
                let matched = matched_cves(&fleet.index, &content, &cves);
                rematch.findings += matched.findings.len();
                fleet.parts.put_cves(number, &cves, matched)
            }
        };
        let known = rematch.changes.len();
        compare(before, after, &sets, &mut rematch.changes);
        if rematch.changes.len() > known {
            rematch.sets.extend(sets.iter());
        }
    }
    rematch
}

fn matched_cves(index: &Index, content: &HostPackages, cves: &HashSet<Arc<str>>) -> Matched {
    let symbols: HashSet<_> = cves.iter().filter_map(|cve| index.symbols.find(cve)).collect();
    // A CVE that the index does not know any more has no findings.
    if symbols.is_empty() { Matched::default() } else { matching::matched(index, content, Some(&symbols)) }
}

/// Which parts a difference concerns.
fn work(parts: &Parts, delta: &IndexDelta) -> HashMap<PartNumber, Work> {
    let mut work: HashMap<PartNumber, Work> = HashMap::new();
    if !delta.releases.is_empty() {
        let concerned =
            |content: &HostPackages| content.release.is_some_and(|release| delta.releases.contains(&release));
        let numbers = parts.iter().filter(|(_, part)| concerned(&part.content));
        work.extend(numbers.map(|(number, _)| (number, Work::All)));
    }
    let mut add = |number: PartNumber, cves: Option<&HashSet<Arc<str>>>| {
        let entry = work.entry(number).or_insert_with(|| Work::Cves(HashSet::new()));
        match (entry, cves) {
            (Work::All, _) => {}
            (entry, None) => *entry = Work::All,
            (Work::Cves(known), Some(cves)) => known.extend(cves.iter().cloned()),
        }
    };
    for (release, listings) in &delta.listings {
        for (source, listing) in listings {
            let cves = match listing {
                ListingDelta::Whole => None,
                ListingDelta::Cves(cves) => Some(cves),
            };
            parts.of_source(*release, source).for_each(|number| add(number, cves));
        }
    }
    for (product, cves) in &delta.engines {
        let concerned = |content: &HostPackages| {
            let mut engines = content.engines.iter().map(|engine| engine.product);
            engines.any(|engine| engine == *product || engine.upstream() == Some(*product))
        };
        let numbers = parts.iter().filter(|(_, part)| concerned(&part.content));
        numbers.for_each(|(number, _)| add(number, Some(cves)));
    }
    for cve in &delta.facts {
        let cves = HashSet::from([Arc::clone(cve)]);
        parts.of_cve(cve).for_each(|number| add(number, Some(&cves)));
    }
    work
}

/// Lists how two readings of the same part differ.
fn compare(before: Vec<Found>, after: Vec<Found>, sets: &Arc<[SetId]>, changes: &mut Vec<Change>) {
    type Key = (Arc<str>, Arc<str>, Arc<str>);
    let key = |finding: &Finding| -> Key {
        (Arc::clone(&finding.cve), Arc::clone(&finding.source_package), Arc::clone(&finding.installed))
    };
    let mut before: HashMap<Key, Finding> =
        before.into_iter().map(|found| (key(&found.finding), found.finding)).collect();
    let mut note = |finding: &Finding, turn| {
        changes.push(Change {
            cve: Arc::clone(&finding.cve),
            source_package: Arc::clone(&finding.source_package),
            installed: Arc::clone(&finding.installed),
            turn,
            sets: Arc::clone(sets),
        });
    };
    for Found { finding, .. } in &after {
        match before.remove(&key(finding)) {
            None => note(finding, Turn::Opened),
            Some(former) if former == *finding => {}
            Some(former) if former.kev.is_none() && finding.kev.is_some() => note(finding, Turn::Exploited),
            Some(_) => note(finding, Turn::Altered),
        }
    }
    let mut closed: Vec<&Finding> = before.values().collect();
    closed.sort_by(|a, b| (&a.source_package, &a.cve).cmp(&(&b.source_package, &b.cve)));
    closed.into_iter().for_each(|finding| note(finding, Turn::Closed));
}
