//! A fleet of the real hosts under the real feeds, and the year in which CISA's
//! catalogue grew.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use crate::real;
use vulns::{FeedData, Finding, Fleet, HostPackages, Index, Turn};

const HOSTS: &[&str] =
    &["debian-12", "debian-13", "ubuntu-1804", "ubuntu-2204", "ubuntu-2404", "ubuntu-2604"];

fn hosts() -> BTreeMap<&'static str, HostPackages> {
    HOSTS.iter().map(|name| (*name, real::inventory(name))).collect()
}

fn index(feeds: &[FeedData]) -> Arc<Index> {
    let packages = [real::debian().clone(), real::ubuntu().clone()];
    Arc::new(Index::build(&packages.into_iter().chain(feeds.iter().cloned()).collect::<Vec<_>>()))
}

fn must_equal_a_full_match(fleet: &Fleet<&str>, hosts: &BTreeMap<&'static str, HostPackages>) {
    for (name, packages) in hosts {
        let set = fleet.set_of(name).expect("placed");
        assert_eq!(fleet.findings(set), Some(fleet.index().findings(packages)), "{name}");
    }
}

#[test]
fn a_year_of_kev_turns_exactly_what_it_lists() {
    let hosts = hosts();
    let all = |kev| index(&[real::debian_late(), real::ubuntu_native(), kev]);
    let (before, after) = (all(real::kev_before()), all(real::kev()));
    let mut fleet = Fleet::new(Arc::clone(&before));
    for (name, packages) in &hosts {
        fleet.place(*name, packages);
    }
    must_equal_a_full_match(&fleet, &hosts);

    // What CISA says of each CVE on the fleet, then and now, without the fleet's own doing.
    let mut present: BTreeMap<&str, HashSet<String>> = BTreeMap::new();
    let found: Vec<_> = hosts.values().map(|host| before.findings(host)).collect();
    for finding in found.iter().flat_map(|findings| findings.list()) {
        let Finding { cve, source_package, installed, proof, kernel, .. } = finding;
        let distinct =
            format!("{source_package} {installed} {:?} {kernel:?} {}", proof.binaries, proof.listed_in);
        present.entry(cve).or_default().insert(distinct);
    }
    let newly: BTreeSet<&str> =
        present.keys().copied().filter(|cve| before.kev(cve).is_none() && after.kev(cve).is_some()).collect();
    let told_otherwise: usize = present
        .iter()
        .filter(|(cve, _)| before.kev(cve) != after.kev(cve))
        .map(|(_, distinct)| distinct.len())
        .sum();
    assert!(!newly.is_empty(), "a year of the catalogue touches hosts of these ages");

    let rematch = fleet.update(Arc::clone(&after));
    let turned: BTreeSet<&str> = rematch
        .changes
        .iter()
        .filter(|change| change.turn == Turn::Exploited)
        .map(|change| &*change.cve)
        .collect();
    assert_eq!(turned, newly);
    assert!(rematch.changes.iter().all(|change| matches!(change.turn, Turn::Exploited | Turn::Altered)));
    assert_eq!(rematch.listings, 0);
    assert!(rematch.cves >= 258, "258 entries were added: {}", rematch.cves);
    assert_eq!(rematch.findings, told_otherwise, "nothing else was computed");
    assert!(rematch.findings * 20 < fleet.size().findings, "{rematch:?} of {:?}", fleet.size());
    must_equal_a_full_match(&fleet, &hosts);
}

#[test]
fn layers_and_feeds_come_and_go() {
    let hosts = hosts();
    let mut fleet = Fleet::new(Arc::new(Index::build(&[])));
    for (name, packages) in &hosts {
        fleet.place(*name, packages);
    }
    assert_eq!(fleet.size().findings, 0);
    let steps: [&[FeedData]; 4] = [
        &[real::kev()],
        &[real::kev(), real::debian_late()],
        &[real::kev_before(), real::debian_late(), real::ubuntu_native()],
        &[],
    ];
    for feeds in steps {
        fleet.update(index(feeds));
        must_equal_a_full_match(&fleet, &hosts);
        assert!(fleet.size().findings > 1000);
    }
    fleet.update(Arc::new(Index::build(&[real::kev()])));
    assert_eq!(fleet.size().findings, 0, "no feed of packages is left");
}
