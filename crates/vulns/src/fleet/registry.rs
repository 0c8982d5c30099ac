//! The fleet: which host has which set, and what is known of each set.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::Release;

use super::{
    SetId, parts,
    rematch::{self, Rematch},
    set_id::ordered,
    sets::{Parts, Set},
};
use crate::{
    coverage::Coverage,
    findings::{Findings, Summary},
    host::HostPackages,
    index::Index,
};

/// Many hosts and what is found on them. `H` names a host.
#[derive(Debug)]
pub struct Fleet<H> {
    pub(super) index: Arc<Index>,
    pub(super) hosts: BTreeMap<H, SetId>,
    pub(super) sets: BTreeMap<SetId, Set<H>>,
    pub(super) parts: Parts,
}

/// How much of a fleet is distinct.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FleetSize {
    /// Hosts.
    pub hosts: usize,
    /// Distinct sets.
    pub sets: usize,
    /// Distinct parts: the packages of one source with what is offered for them, or the kernels.
    pub parts: usize,
    /// Findings kept, one for each part that has it.
    pub findings: usize,
}

impl<H: Clone + Ord> Fleet<H> {
    /// A fleet without hosts, to be judged by this index.
    pub fn new(index: Arc<Index>) -> Self {
        Self { index, hosts: BTreeMap::new(), sets: BTreeMap::new(), parts: Parts::new() }
    }

    /// The index by which it is judged.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Gives a host the set that it reports. A set that is not known is matched first, as far as
    /// no other set has the same parts.
    pub fn place(&mut self, host: H, packages: &HostPackages) -> SetId {
        let content = ordered(packages);
        let id = SetId::of_ordered(&content);
        if !self.sets.contains_key(&id) {
            let parts = self.parts.add(id, &content, &self.index);
            self.sets.insert(id, Set { release: content.release, parts, hosts: BTreeSet::new() });
        }
        self.place_in(host, id);
        id
    }

    /// Gives a host a set that another host has. Says whether there is such a set; if not, nothing
    /// is changed and [`place`](Self::place) needs the packages.
    pub fn place_in(&mut self, host: H, set: SetId) -> bool {
        let Some(home) = self.sets.get_mut(&set) else { return false };
        home.hosts.insert(host.clone());
        if let Some(former) = self.hosts.insert(host.clone(), set)
            && former != set
        {
            self.leave(&host, former);
        }
        true
    }

    /// Forgets a host. Says whether it was known.
    pub fn remove(&mut self, host: &H) -> bool {
        let Some(former) = self.hosts.remove(host) else { return false };
        self.leave(host, former);
        true
    }

    fn leave(&mut self, host: &H, former: SetId) {
        let Some(set) = self.sets.get_mut(&former) else { return };
        set.hosts.remove(host);
        if set.hosts.is_empty()
            && let Some(set) = self.sets.remove(&former)
        {
            self.parts.release(former, &set.parts);
        }
    }

    /// Judges the fleet by another index: what differs from the former one is matched again, and
    /// nothing else.
    pub fn update(&mut self, index: Arc<Index>) -> Rematch {
        rematch::update(self, index)
    }

    /// Every set, in the order of their addresses.
    pub fn sets(&self) -> impl Iterator<Item = SetId> {
        self.sets.keys().copied()
    }

    /// The set of a host.
    pub fn set_of(&self, host: &H) -> Option<SetId> {
        self.hosts.get(host).copied()
    }

    /// The hosts that have a set.
    pub fn hosts_of(&self, set: SetId) -> impl Iterator<Item = &H> {
        self.sets.get(&set).into_iter().flat_map(|set| &set.hosts)
    }

    /// The findings of every host that has this set, as [`Index::findings`] would give them.
    pub fn findings(&self, set: SetId) -> Option<Findings> {
        let set = self.sets.get(&set)?;
        let parts = set.parts.iter().filter_map(|number| self.parts.get(*number));
        let found = parts.flat_map(|part| part.found.iter().map(|found| found.as_of(&self.index, part)));
        Some(Findings::new(set.release, found.collect()))
    }

    /// What the feeds can and cannot say about every host that has this set, as [`Index::coverage`]
    /// would tell.
    pub fn coverage(&self, set: SetId) -> Option<Coverage> {
        let set = self.sets.get(&set)?;
        let parts = set.parts.iter().filter_map(|number| self.parts.get(*number));
        Some(self.index.coverage(&parts::join(set.release, parts.map(|part| &*part.content))))
    }

    /// The hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &H> {
        self.hosts.keys()
    }

    /// The counts of [`findings`](Self::findings), without making them.
    pub fn summary(&self, set: SetId) -> Option<Summary> {
        let parts = self.sets.get(&set)?.parts.iter().filter_map(|number| self.parts.get(*number));
        let mut summary = Summary::default();
        parts.for_each(|part| summary.add(&part.summary));
        Some(summary)
    }

    /// The sets with a finding of this CVE, in effect or not.
    pub fn sets_with_cve(&self, cve: &str) -> BTreeSet<SetId> {
        self.sets_with(self.parts.of_cve(cve))
    }

    /// The sets over which the listing of this source package decides: those that have packages of
    /// it, or a kernel made of it.
    pub fn sets_with_source(&self, release: Release, source: &str) -> BTreeSet<SetId> {
        self.sets_with(self.parts.of_source(release, source))
    }

    fn sets_with(&self, parts: impl Iterator<Item = u32>) -> BTreeSet<SetId> {
        parts.filter_map(|number| self.parts.get(number)).flat_map(|part| part.sets.iter().copied()).collect()
    }

    /// How much of it is distinct.
    pub fn size(&self) -> FleetSize {
        let mut size = FleetSize { hosts: self.hosts.len(), sets: self.sets.len(), ..FleetSize::default() };
        for (_, part) in self.parts.iter() {
            size.parts += 1;
            size.findings += part.found.len();
        }
        size
    }
}
