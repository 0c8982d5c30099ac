//! Every feed at once. Whatever differs from what the one feed of the cross-check says is brought by
//! a file that can be named: read beside that one feed alone, it makes the same difference.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

use super::{DEBIAN, UBUNTU, only, scan_inventory, shared, text};

/// What is said of each CVE in each source package: what can be done, and the fixed version.
type Said = BTreeMap<(String, String), (String, String)>;

/// For each file, how many findings it adds, changes and takes away.
type Tally = BTreeMap<String, [usize; 3]>;

fn said(feeds: &[&Path], inventory: &str) -> (Said, Value) {
    let document = scan_inventory(feeds, inventory, &["--format", "json"]).json();
    let found = document["findings"].as_array().expect("findings");
    let said = found
        .iter()
        .map(|finding| {
            let key = (text(finding, "cve").to_owned(), text(finding, "source").to_owned());
            (key, (text(finding, "fixability").to_owned(), finding["fixed"].to_string()))
        })
        .collect();
    (said, document)
}

/// The files of the shared feeds that are read, but for this one.
fn others(than: &str) -> Vec<String> {
    let mut files = Vec::new();
    let root = shared("feeds");
    for folder in std::fs::read_dir(&root).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
            let path = file.path().strip_prefix(&root).unwrap().display().to_string();
            if path != than && vulns::recognise(&path).is_some() {
                files.push(path);
            }
        }
    }
    // Those of the same distribution first: most often they are the ones.
    let folder = than.split('/').next().unwrap_or_default();
    files.sort_by_key(|file| (!file.starts_with(folder), file.clone()));
    files
}

/// The differences between what one file says of a host and what all say, by the file that makes them.
fn explained(inventory: &str, base: &str) -> Tally {
    let (alone, _) = said(&[only(&[base]).path()], inventory);
    let (together, document) = said(&[&shared("feeds")], inventory);
    let keys: BTreeSet<_> = alone.keys().chain(together.keys()).collect();
    let mut open: BTreeSet<_> =
        keys.into_iter().filter(|key| alone.get(*key) != together.get(*key)).collect();
    let all = open.len();
    let mut tally = Tally::new();
    for file in others(base) {
        if open.is_empty() {
            break;
        }
        let (beside, _) = said(&[only(&[base, &file]).path()], inventory);
        let made: Vec<_> =
            open.iter().copied().filter(|key| beside.get(*key) == together.get(*key)).collect();
        for key in made {
            open.remove(key);
            let turn = match (alone.contains_key(key), together.contains_key(key)) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => 2,
            };
            tally.entry(file.clone()).or_default()[turn] += 1;
        }
    }
    println!("{inventory}: {all} differences from {base} alone, added, changed and gone by file: {tally:#?}");
    assert!(open.is_empty(), "{inventory}: no file explains {open:?}");
    // What is told names its source, and that source was read.
    let read: BTreeSet<&str> = document["feeds"]
        .as_array()
        .expect("feeds")
        .iter()
        .filter(|feed| feed["state"] == "read")
        .map(|feed| text(feed, "name"))
        .collect();
    for finding in document["findings"].as_array().expect("findings") {
        assert!(read.contains(text(&finding["proof"], "feed")), "{finding}");
    }
    tally
}

/// Brought by records of 2025 and 2026, which are newer than the 2024 ones of the cross-check.
const NATIVE: &str = "ubuntu/ubuntu-osv-native.jsonl.zst";
/// Advisories after the tracker of February 2025.
const DSA: &str = "debian/DSA-2025-02-13_2026-08-21.list";
const DLA: &str = "debian/DLA-2025-02-13_2026-08-21.list";

#[test]
fn ubuntu_22_04() {
    let tally = explained("ubuntu-2204.tsv", UBUNTU);
    assert_eq!(tally.keys().collect::<Vec<_>>(), [NATIVE]);
    assert_eq!(tally[NATIVE], [19, 0, 0]);
}

#[test]
fn ubuntu_24_04() {
    let tally = explained("ubuntu-2404.tsv", UBUNTU);
    assert_eq!(tally.keys().collect::<Vec<_>>(), [NATIVE]);
    assert_eq!(tally[NATIVE], [20, 0, 0]);
}

#[test]
fn debian_12() {
    let tally = explained("debian-12.tsv", DEBIAN);
    assert_eq!(tally.keys().collect::<Vec<_>>(), [DLA, DSA]);
    for file in [DSA, DLA] {
        let [added, _, gone] = tally[file];
        assert!(added > 0 && gone == 0, "{file}: {tally:?}");
    }
}
