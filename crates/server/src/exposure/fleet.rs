//! The servers as a fleet: what they have alike is matched once, and after a change of the
//! feeds only what the change names.
//!
//! Lives in memory. A restart begins empty; each server comes back when it is judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::{InventoryId, ServerId};
use vulns::{Coverage, Findings, Fleet, HostPackages, Index, SetId};

/// Servers by what they have, and what has become of them since they were judged.
#[derive(Debug, Default)]
pub(super) struct ServerFleet {
    /// None until the feeds were read.
    fleet: Option<Fleet<ServerId>>,
    /// The inventory by which each server was placed.
    inventories: BTreeMap<ServerId, InventoryId>,
    /// Servers of which something else may be said than what is stored, and since which turn.
    /// Kept until it is stored, so that nobody who gives up half-way leaves one behind.
    due: BTreeMap<ServerId, Turn>,
    turn: Turn,
}

/// Counts the occasions on which servers became due.
pub(super) type Turn = u64;

/// What the feeds say about a server, and as of which turn.
pub(super) struct Judged {
    pub findings: Findings,
    pub coverage: Coverage,
    pub turn: Turn,
}

/// Servers that have the same, and are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSet {
    /// What they have.
    pub set: SetId,
    /// Which they are, with the inventory that says so.
    pub servers: BTreeMap<ServerId, InventoryId>,
}

/// What is to be judged after a change of the feeds. Nothing is said of any other server
/// that was not said before.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Due {
    /// Servers whose newest inventory has not been placed yet.
    pub unplaced: Vec<ServerId>,
    /// The others, by what they have.
    pub sets: Vec<DueSet>,
}

impl ServerFleet {
    /// Goes by this index from now on. Servers of which it says something else become due.
    pub fn follow(&mut self, index: &Arc<Index>) {
        let Some(fleet) = &mut self.fleet else {
            self.fleet = Some(Fleet::new(Arc::clone(index)));
            return;
        };
        if Arc::ptr_eq(fleet.index(), index) {
            return;
        }
        let rematch = fleet.update(Arc::clone(index));
        tracing::info!(
            listings = rematch.listings,
            cves = rematch.cves,
            parts = rematch.parts,
            findings = rematch.findings,
            sets = rematch.asked.len(),
            "matched again what the feeds have changed"
        );
        self.make_due(&rematch.asked);
    }

    /// Makes every server due.
    pub fn make_all_due(&mut self) {
        if let Some(fleet) = &self.fleet {
            let all = fleet.sets().collect();
            self.make_due(&all);
        }
    }

    fn make_due(&mut self, sets: &BTreeSet<SetId>) {
        let Some(fleet) = &self.fleet else { return };
        self.turn += 1;
        let servers = sets.iter().flat_map(|set| fleet.hosts_of(*set));
        self.due.extend(servers.map(|server| (*server, self.turn)));
    }

    /// Places a server by its inventory, and says what the feeds say about it.
    pub fn judge(&mut self, server: ServerId, inventory: InventoryId, host: &HostPackages) -> Option<Judged> {
        let set = self.fleet.as_mut()?.place(server, host);
        self.inventories.insert(server, inventory);
        self.judge_set(set)
    }

    /// What the feeds say about every server that has this set.
    pub fn judge_set(&self, set: SetId) -> Option<Judged> {
        let fleet = self.fleet.as_ref()?;
        Some(Judged { findings: fleet.findings(set)?, coverage: fleet.coverage(set)?, turn: self.turn })
    }

    /// What is due of these servers, each with its newest inventory. Forgets all others.
    pub fn due(&mut self, servers: &BTreeMap<ServerId, InventoryId>) -> Due {
        let Some(fleet) = &mut self.fleet else { return Due::default() };
        let gone: Vec<ServerId> =
            fleet.hosts().filter(|server| !servers.contains_key(server)).copied().collect();
        for server in gone {
            fleet.remove(&server);
            self.inventories.remove(&server);
            self.due.remove(&server);
        }
        let mut due = Due::default();
        let mut sets: BTreeMap<SetId, BTreeMap<ServerId, InventoryId>> = BTreeMap::new();
        for (server, inventory) in servers {
            let placed = self.inventories.get(server) == Some(inventory);
            match fleet.set_of(server).filter(|_| placed) {
                None => due.unplaced.push(*server),
                Some(set) if self.due.contains_key(server) => {
                    sets.entry(set).or_default().insert(*server, *inventory);
                }
                Some(_) => {}
            }
        }
        due.sets = sets.into_iter().map(|(set, servers)| DueSet { set, servers }).collect();
        due
    }

    /// What was said of a server at this turn is stored.
    pub fn settle(&mut self, server: ServerId, turn: Turn) {
        if self.due.get(&server).is_some_and(|since| *since <= turn) {
            self.due.remove(&server);
        }
    }
}
