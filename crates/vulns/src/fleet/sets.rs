//! What is distinct in a fleet: the sets, their parts, what was found in each part, and
//! the two inverted indexes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    mem,
    sync::Arc,
};

use base::Release;

use super::{SetId, parts};
use crate::{
    finding::Finding,
    findings::Summary,
    host::HostPackages,
    index::Index,
    matching::{self, Matched},
};

/// The number of a part. Numbers of parts that are gone are given again.
pub(super) type PartNumber = u32;

/// A part, and what was found in it.
#[derive(Debug)]
pub(super) struct Part {
    pub content: Arc<HostPackages>,
    /// The sets that hold it; never empty.
    pub sets: BTreeSet<SetId>,
    pub found: Vec<Found>,
    pub summary: Summary,
    /// The source packages whose listings decide over it.
    consulted: BTreeSet<String>,
}

/// A finding without the time of its feed, which changes with every reading though nothing else
/// does: it is looked up in the newest index when the finding is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub finding: Finding,
    pub layer: u16,
}

/// A set, with the hosts that have it.
#[derive(Debug)]
pub(super) struct Set<H> {
    pub release: Option<Release>,
    pub parts: Box<[PartNumber]>,
    /// Never empty.
    pub hosts: BTreeSet<H>,
}

/// Everything that is distinct.
#[derive(Debug)]
pub(super) struct Parts {
    parts: Vec<Option<Part>>,
    free: Vec<PartNumber>,
    numbers: HashMap<Arc<HostPackages>, PartNumber>,
    by_source: BTreeMap<Release, HashMap<String, BTreeSet<PartNumber>>>,
    by_cve: HashMap<Arc<str>, BTreeSet<PartNumber>>,
}

impl Parts {
    pub fn new() -> Self {
        Self {
            parts: Vec::new(),
            free: Vec::new(),
            numbers: HashMap::new(),
            by_source: BTreeMap::new(),
            by_cve: HashMap::new(),
        }
    }

    pub fn get(&self, number: PartNumber) -> Option<&Part> {
        self.parts.get(number as usize)?.as_ref()
    }

    pub fn iter(&self) -> impl Iterator<Item = (PartNumber, &Part)> {
        let numbered = self.parts.iter().enumerate();
        // Numbers are given below `u32::MAX` only, see `number_of`.
        numbered.filter_map(|(at, part)| Some((u32::try_from(at).ok()?, part.as_ref()?)))
    }

    pub fn of_source(&self, release: Release, source: &str) -> impl Iterator<Item = PartNumber> {
        let found = self.by_source.get(&release).and_then(|sources| sources.get(source));
        found.into_iter().flatten().copied()
    }

    pub fn of_cve(&self, cve: &str) -> impl Iterator<Item = PartNumber> {
        self.by_cve.get(cve).into_iter().flatten().copied()
    }

    /// The parts of a new set; those that are new are matched.
    pub fn add(&mut self, set: SetId, host: &HostPackages, index: &Index) -> Box<[PartNumber]> {
        let parts = parts::split(host).into_iter().map(|part| {
            let number = match self.numbers.get(&part) {
                Some(number) => *number,
                None => self.insert(part, index),
            };
            if let Some(part) = &mut self.parts[number as usize] {
                part.sets.insert(set);
            }
            number
        });
        parts.collect()
    }

    fn insert(&mut self, content: HostPackages, index: &Index) -> PartNumber {
        let content = Arc::new(content);
        let number = self.free.pop().unwrap_or_else(|| {
            self.parts.push(None);
            // A machine has not the memory for 2^32 parts.
            u32::try_from(self.parts.len() - 1).unwrap_or(u32::MAX)
        });
        let part = Part {
            content: Arc::clone(&content),
            sets: BTreeSet::new(),
            found: Vec::new(),
            summary: Summary::default(),
            consulted: BTreeSet::new(),
        };
        self.parts[number as usize] = Some(part);
        self.numbers.insert(Arc::clone(&content), number);
        let matched = matching::matched(index, &content, None);
        self.put(number, matched);
        number
    }

    /// Takes the parts from a set that is gone; parts that no other set holds go too.
    pub fn release(&mut self, set: SetId, parts: &[PartNumber]) {
        for number in parts {
            let Some(part) = self.parts.get_mut(*number as usize).and_then(Option::as_mut) else { continue };
            part.sets.remove(&set);
            if part.sets.is_empty() {
                self.put(*number, Matched::default());
                if let Some(part) = self.parts[*number as usize].take() {
                    self.numbers.remove(&part.content);
                    self.free.push(*number);
                }
            }
        }
    }

    /// Replaces all that was found in a part, and returns it.
    pub fn put(&mut self, number: PartNumber, mut matched: Matched) -> Vec<Found> {
        let Some(part) = self.parts.get_mut(number as usize).and_then(Option::as_mut) else {
            return Vec::new();
        };
        let consulted = mem::take(&mut matched.consulted);
        if consulted != part.consulted
            && let Some(release) = part.content.release
        {
            let sources = self.by_source.entry(release).or_default();
            for gone in part.consulted.difference(&consulted) {
                take_out(sources, gone.as_str(), number);
            }
            for new in consulted.difference(&part.consulted) {
                sources.entry(new.clone()).or_default().insert(number);
            }
            part.consulted = consulted;
        }
        let found = Found::all(matched);
        let former = mem::replace(&mut part.found, found);
        self.index_cves(number, &former);
        former
    }

    /// Replaces what was found of these CVEs in a part. Returns what was there and what is there now.
    pub fn put_cves(
        &mut self,
        number: PartNumber,
        cves: &HashSet<Arc<str>>,
        matched: Matched,
    ) -> (Vec<Found>, Vec<Found>) {
        let Some(part) = self.parts.get_mut(number as usize).and_then(Option::as_mut) else {
            return Default::default();
        };
        let new = Found::all(matched);
        let former: Vec<Found> =
            part.found.extract_if(.., |found| cves.contains(&found.finding.cve)).collect();
        part.found.extend(new.iter().cloned());
        self.index_cves(number, &former);
        (former, new)
    }

    /// Brings the index by CVE and the counts of a part up to date, after `former` was taken out of it.
    fn index_cves(&mut self, number: PartNumber, former: &[Found]) {
        let Some(part) = self.parts.get_mut(number as usize).and_then(Option::as_mut) else { return };
        let is: HashSet<&Arc<str>> = part.found.iter().map(|found| &found.finding.cve).collect();
        for gone in former.iter().map(|found| &found.finding.cve).filter(|cve| !is.contains(cve)) {
            take_out(&mut self.by_cve, gone, number);
        }
        for cve in is {
            match self.by_cve.get_mut(cve) {
                Some(parts) => parts.insert(number),
                None => self.by_cve.entry(Arc::clone(cve)).or_default().insert(number),
            };
        }
        part.summary = Summary::of(part.found.iter().map(|found| &found.finding));
    }
}

/// Takes a part out of an inverted index.
fn take_out<K, Q>(index: &mut HashMap<K, BTreeSet<PartNumber>>, key: &Q, number: PartNumber)
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if let Some(parts) = index.get_mut(key) {
        parts.remove(&number);
        if parts.is_empty() {
            index.remove(key);
        }
    }
}

impl Found {
    fn all(matched: Matched) -> Vec<Self> {
        let found = matched.findings.into_iter().zip(matched.layers);
        let timeless = found.map(|(mut finding, layer)| {
            finding.proof.as_of = None;
            Self { finding, layer }
        });
        timeless.collect()
    }

    /// The finding as of the reading that this index was made of.
    pub fn as_of(&self, index: &Index, part: &Part) -> Finding {
        let mut finding = self.finding.clone();
        finding.proof.as_of = match &finding.engine {
            Some(_) => index.as_of_feed(finding.proof.feed),
            None => part.content.release.and_then(|release| index.as_of(release, self.layer)),
        };
        finding
    }
}
