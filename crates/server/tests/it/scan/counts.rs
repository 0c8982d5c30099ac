//! Each real inventory against the one feed that speaks of it: the counts are those that were
//! made independently of this program, by dpkg's comparison of source versions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{DEBIAN, KEV, UBUNTU, inventory, only, scan, scan_inventory, shared, text};

/// Distinct pairs of CVE and source among findings of these kinds.
fn count(document: &Value, kernel: bool, fixability: &[&str]) -> usize {
    let found = document["findings"].as_array().expect("findings");
    let pairs: BTreeSet<_> = found
        .iter()
        .filter(|finding| finding["kernel"] == kernel && fixability.contains(&text(finding, "fixability")))
        .map(|finding| (text(finding, "cve"), text(finding, "source")))
        .collect();
    pairs.len()
}

/// Listed for the release itself, not for subscribers alone.
fn own_without_fix(document: &Value, ecosystem: &str) -> usize {
    let found = document["findings"].as_array().expect("findings");
    let without = ["no_fix", "esm_only", "end_of_life"];
    let own = |finding: &&Value| {
        without.contains(&text(finding, "fixability")) && finding["proof"]["listed_in"] == ecosystem
    };
    found.iter().filter(own).count()
}

fn each_is_told_once(document: &Value) {
    let mut pairs = BTreeSet::new();
    for finding in document["findings"].as_array().expect("findings") {
        assert!(pairs.insert((text(finding, "cve"), text(finding, "source"))), "twice: {finding}");
    }
}

#[test]
fn ubuntu_22_04() {
    let feeds = only(&[UBUNTU, KEV]);
    let document = scan_inventory(&[feeds.path()], "ubuntu-2204.tsv", &["--format", "json"]).json();
    assert_eq!(text(&document, "release"), "ubuntu-22.04");
    assert_eq!(text(&document, "kernel_running"), "5.15.0-69-generic");
    assert_eq!(count(&document, false, &["fixable"]), 287);
    assert_eq!(count(&document, true, &["fixable"]), 703);
    assert_eq!(own_without_fix(&document, "Ubuntu:22.04:LTS"), 1152);
    each_is_told_once(&document);
    let exploited: BTreeSet<&str> = document["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|finding| !finding["kev"].is_null() && finding["fixability"] == "fixable")
        .map(|finding| text(finding, "cve"))
        .collect();
    let known = [
        "CVE-2023-0386",
        "CVE-2023-20867",
        "CVE-2023-44487",
        "CVE-2023-4863",
        "CVE-2023-4911",
        "CVE-2024-1086",
    ];
    assert_eq!(exploited, BTreeSet::from(known));
}

#[test]
fn ubuntu_24_04() {
    let feeds = only(&[UBUNTU]);
    let scanned = scan_inventory(&[feeds.path()], "ubuntu-2404.tsv", &["--format", "json"]);
    let document = scanned.json();
    assert_eq!(count(&document, false, &["fixable"]), 34);
    assert_eq!(count(&document, true, &["fixable"]), 631);
    assert_eq!(own_without_fix(&document, "Ubuntu:24.04:LTS"), 695);
    each_is_told_once(&document);
    let states: BTreeMap<&str, &str> = document["feeds"]
        .as_array()
        .expect("feeds")
        .iter()
        .map(|feed| (text(feed, "name"), text(feed, "state")))
        .collect();
    assert_eq!(states["ubuntu-osv"], "read");
    assert_eq!((states["cisa-kev"], states["debian-tracker"]), ("missing", "missing"));
    assert!(scanned.err.contains("warning: feed `cisa-kev` is missing"), "{}", scanned.err);
}

#[test]
fn debian_12() {
    let feeds = only(&[DEBIAN]);
    let document = scan_inventory(&[feeds.path()], "debian-12.tsv", &["--format", "json"]).json();
    assert_eq!(count(&document, false, &["fixable"]), 3);
    assert_eq!(count(&document, true, &["fixable"]), 93);
    assert_eq!(count(&document, false, &["no_fix"]), 71);
    assert_eq!(count(&document, false, &["unimportant"]), 139);
    each_is_told_once(&document);
}

/// The same host from a dpkg status file, which names neither release nor kernel.
#[test]
fn a_status_file_says_the_same_as_the_rows() {
    let feeds = only(&[DEBIAN]);
    let told = |name: &str, more: &[&str]| {
        let document = scan_inventory(&[feeds.path()], name, &[&["--format", "json"], more].concat()).json();
        let found = document["findings"].as_array().expect("findings").clone();
        let keys = ["cve", "source", "installed", "fixed", "fixability", "kernel", "running"];
        found.iter().map(|finding| keys.map(|key| finding[key].to_string())).collect::<BTreeSet<_>>()
    };
    let rows = told("debian-12.tsv", &[]);
    let named = ["--release", "debian-12", "--kernel", "6.1.0-29-amd64"];
    assert_eq!(told("debian-12.status", &named), rows);
    assert_eq!(told("debian-12.status", &["--release", "debian-12", "--kernel", "6.1.123-1"]), rows);
}

/// debsecan compares binary packages by the same data. It agrees line for line; it does not see that
/// a signed kernel image is built from `linux`, so each pair of ours beyond it is a kernel's.
#[test]
fn debian_12_agrees_with_debsecan() {
    let feeds = only(&[DEBIAN]);
    let document = scan_inventory(&[feeds.path()], "debian-12.tsv", &["--format", "json"]).json();
    let mut ours: BTreeMap<(String, String), &Value> = BTreeMap::new();
    for finding in document["findings"].as_array().expect("findings") {
        for binary in finding["binaries"].as_array().expect("binaries") {
            let pair = (text(finding, "cve").to_owned(), binary.as_str().expect("a name").to_owned());
            ours.insert(pair, finding);
        }
    }
    let expected = std::fs::read_to_string(shared("feeds/debian/debsecan/debian-12.expected.txt")).unwrap();
    let theirs: BTreeSet<(String, String)> = expected
        .lines()
        .map(|line| line.split_once(' ').expect("a CVE and a package"))
        .map(|(cve, package)| (cve.to_owned(), package.to_owned()))
        .collect();
    assert_eq!(theirs.len(), 614);
    let missing: Vec<_> = theirs.iter().filter(|pair| !ours.contains_key(*pair)).collect();
    assert!(missing.is_empty(), "only debsecan has {missing:?}");
    let beyond: Vec<_> = ours.iter().filter(|(pair, _)| !theirs.contains(*pair)).collect();
    for (pair, finding) in &beyond {
        assert_eq!((text(finding, "source"), &finding["kernel"]), ("linux", &Value::Bool(true)), "{pair:?}");
        let facts = finding["proof"]["facts"].to_string();
        assert!(
            facts.contains("is built from linux-signed-amd64 6.1.123+1, which packages the kernel linux")
        );
    }
    assert_eq!(beyond.len(), 93 + 411 + 62, "fixable, without a fix, and unimportant");
}

#[test]
fn a_single_package_can_be_asked_about() {
    let feeds = only(&[DEBIAN]);
    let folder = feeds.path().display().to_string();
    let ask = |name: &str, version: &str| {
        let asked = ["--feeds", &folder, "--package", name, "--installed-version", version];
        scan(&[&asked[..], &["--release", "debian-12", "--format", "json"]].concat())
    };
    let fixable = |document: &Value| {
        let found = document["findings"].as_array().expect("findings");
        found.iter().filter(|finding| finding["fixability"] == "fixable").count()
    };
    let whole = scan(&["--feeds", &folder, "--inventory", &inventory("debian-12.tsv"), "--format", "json"]);
    let of = |source: &str| {
        let document = whole.json();
        let found = document["findings"].as_array().expect("findings");
        found.iter().filter(|finding| finding["source"] == source).count()
    };
    let bind = ask("bind9", "1:9.18.28-1~deb12u2").json();
    assert_eq!(fixable(&bind), 2);
    assert_eq!(bind["findings"].as_array().map(Vec::len), Some(of("bind9")));
    assert_eq!(fixable(&ask("bind9", "1:9.18.33-1~deb12u2").json()), 0);
    let kernel = ask("linux", "6.1.123-1").json();
    assert_eq!((fixable(&kernel), kernel["findings"].as_array().map(Vec::len)), (93, Some(of("linux"))));
    assert_eq!(
        (&kernel["findings"][0]["kernel"], &kernel["findings"][0]["running"]),
        (&true.into(), &true.into())
    );
    let unknown = ask("libssl3", "3.0.11-1");
    assert!(unknown.err.contains("no feed names a source package `libssl3`"), "{}", unknown.err);
}
