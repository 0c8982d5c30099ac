//! After any sequence of changes a fleet knows what a full match would find, and has
//! computed no more than what had changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::world::{Dice, World, host};
use vulns::{Coverage, Finding, Fleet, HostPackages, Index, SetId, Turn};

/// The whole of what a fleet says, against each host matched alone.
/// Counts the findings of engines that it has seen.
fn must_equal_a_full_match(
    fleet: &Fleet<u32>,
    hosts: &BTreeMap<u32, HostPackages>,
    index: &Index,
    engines: &mut usize,
) {
    let mut with_cve: BTreeMap<String, BTreeSet<SetId>> = BTreeMap::new();
    for (name, packages) in hosts {
        let set = fleet.set_of(name).expect("placed");
        let alone = index.findings(packages);
        let together = fleet.findings(set).expect("a set");
        assert_eq!(together.release(), alone.release());
        assert_eq!(together.list(), alone.list(), "host {name}");
        assert_eq!(fleet.summary(set), Some(alone.summary()), "host {name}");
        assert_eq!(fleet.coverage(set), Some(index.coverage(packages)), "host {name}");
        for finding in &alone {
            *engines += usize::from(finding.engine.is_some());
            with_cve.entry(finding.cve.to_string()).or_default().insert(set);
        }
        assert!(fleet.hosts_of(set).any(|host| host == name));
    }
    for cve in 0..12 {
        let cve = format!("CVE-2025-{cve:04}");
        assert_eq!(fleet.sets_with_cve(&cve), with_cve.remove(&cve).unwrap_or_default(), "{cve}");
    }
    assert_eq!(fleet.size().hosts, hosts.len());
    assert_eq!(fleet.sets().count(), hosts.values().map(SetId::of).collect::<BTreeSet<_>>().len());
}

/// Every finding of every set, without the times of the feeds.
fn all(fleet: &Fleet<u32>) -> BTreeMap<(SetId, String, String, String), Finding> {
    let mut all = BTreeMap::new();
    for set in fleet.sets() {
        for mut finding in fleet.findings(set).expect("a set").list().iter().cloned() {
            finding.proof.as_of = None;
            let (cve, source) = finding.key();
            all.insert((set, cve.to_owned(), source.to_owned(), finding.installed.to_string()), finding);
        }
    }
    all
}

/// What can be said of every set.
fn coverages(fleet: &Fleet<u32>) -> BTreeMap<SetId, Coverage> {
    fleet.sets().map(|set| (set, fleet.coverage(set).expect("a set"))).collect()
}

#[test]
fn a_fleet_knows_what_a_full_match_finds() {
    let (mut seen, mut engines, mut recovered) = (BTreeSet::new(), 0, 0);
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut world = World::new(&mut dice);
        let mut index = Arc::new(Index::build(&world.feeds(&mut dice)));
        let mut fleet = Fleet::new(Arc::clone(&index));
        let mut hosts: BTreeMap<u32, HostPackages> = BTreeMap::new();
        for _ in 0..30 {
            let name = dice.below(8) as u32;
            match dice.below(6) {
                0 | 1 => {
                    let packages = host(&mut dice);
                    fleet.place(name, &packages);
                    hosts.insert(name, packages);
                }
                2 => assert_eq!(fleet.remove(&name), hosts.remove(&name).is_some()),
                3 => {
                    let like = dice.below(8) as u32;
                    if let Some(packages) = hosts.get(&like).cloned() {
                        assert!(fleet.place_in(name, SetId::of(&packages)));
                        hosts.insert(name, packages);
                    }
                }
                _ => {
                    for _ in 0..dice.below(4) {
                        world.change(&mut dice);
                    }
                    let covered = coverages(&fleet);
                    let before = all(&fleet);
                    index = Arc::new(Index::build(&world.feeds(&mut dice)));
                    let rematch = fleet.update(Arc::clone(&index));
                    let after = all(&fleet);
                    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
                    let mut differ = BTreeSet::new();
                    for key in keys {
                        let (set, cve, source, _) = key;
                        let turn = match (before.get(key), after.get(key)) {
                            (was, is) if was == is => continue,
                            (None, _) => Turn::Opened,
                            (_, None) => Turn::Closed,
                            (Some(was), Some(is)) if was.kev.is_none() && is.kev.is_some() => Turn::Exploited,
                            _ => Turn::Altered,
                        };
                        seen.insert(turn);
                        differ.insert(*set);
                        let told = rematch.changes.iter().any(|change| {
                            (&*change.cve, &*change.source_package, change.turn) == (cve, source, turn)
                                && change.sets.contains(set)
                        });
                        assert!(told, "seed {seed}: {turn:?} of {cve} in {source} is not told");
                    }
                    assert_eq!(rematch.sets, differ, "seed {seed}");
                    assert!(rematch.asked.is_superset(&differ), "seed {seed}");
                    for (set, coverage) in coverages(&fleet) {
                        let was = &covered[&set];
                        assert!(coverage == *was || rematch.asked.contains(&set), "seed {seed}: {was:?}");
                        recovered += usize::from(coverage != *was && !differ.contains(&set));
                    }
                }
            }
            must_equal_a_full_match(&fleet, &hosts, &index, &mut engines);
        }
        assert_eq!(fleet.size().sets == 0, hosts.is_empty());
        hosts.keys().for_each(|name| assert!(fleet.remove(name)));
        assert_eq!(fleet.size(), Default::default(), "nothing is left of hosts that are gone");
    }
    assert_eq!(seen.len(), 4, "every turn has happened: {seen:?}");
    assert!(engines > 100, "{engines} findings of engines");
    assert!(recovered > 10, "{recovered} times only the coverage has changed");
}

#[test]
fn reading_the_same_again_computes_nothing() {
    let mut dice = Dice(7);
    let world = World::new(&mut dice);
    let mut fleet = Fleet::new(Arc::new(Index::build(&world.feeds(&mut dice))));
    let hosts: Vec<HostPackages> = (0..40).map(|_| host(&mut dice)).collect();
    for (name, packages) in (0..).zip(&hosts) {
        fleet.place(name, packages);
    }
    assert!(fleet.size().findings > 20, "{:?}", fleet.size());
    // The same content as of another day: the proofs tell the new day, and nothing was matched.
    let again = Arc::new(Index::build(&world.feeds(&mut dice)));
    let rematch = fleet.update(Arc::clone(&again));
    assert_eq!(rematch, Default::default());
    for (name, packages) in (0..).zip(&hosts) {
        let set = fleet.set_of(&name).expect("placed");
        assert_eq!(fleet.findings(set), Some(again.findings(packages)));
    }
}
