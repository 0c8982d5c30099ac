//! The crate from outside: real feeds and inventories, poisoned ones, and hosts
//! made for one rule each.

mod announced;
mod archive_offers;
mod container;
mod cve_facts;
mod cve_feeds;
mod debian_rules;

mod engines;
mod fleet;
mod in_effect;
mod kernels;
mod layers;
mod notices;
mod poisoned;
mod real;
mod real_hosts;
mod seeds;
mod traps;
mod ubuntu_rules;
mod updates;
mod version_order;

use base::Release;
use vulns::{FeedData, FeedFile, FeedKind, Findings, Fixability, HostPackages, Index, InstalledPackage};

/// A Debian tracker that says this of `linux` or any package, in the tracker's own form.
fn debian(json: &str) -> FeedData {
    let file = FeedFile { path: "security-tracker.json", bytes: json.as_bytes() };
    vulns::parse(FeedKind::DebianTracker, file).expect("a well-formed tracker")
}

/// OSV records, one a line.
fn ubuntu(lines: &str) -> FeedData {
    let file = FeedFile { path: "ubuntu/osv.jsonl", bytes: lines.as_bytes() };
    vulns::parse(FeedKind::UbuntuOsv, file).expect("well-formed records")
}

/// An OSV record of a CVE with `affected` entries of (ecosystem, package, fixed).
fn record(cve: &str, modified: &str, priority: &str, affected: &[(&str, &str, Option<&str>)]) -> String {
    let affected: Vec<serde_json::Value> = affected
        .iter()
        .map(|(ecosystem, name, fixed)| {
            let mut events = vec![serde_json::json!({"introduced": "0"})];
            events.extend(fixed.map(|fixed| serde_json::json!({"fixed": fixed})));
            serde_json::json!({
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
                "ecosystem_specific": {},
            })
        })
        .collect();
    let record = serde_json::json!({
        "id": format!("UBUNTU-{cve}"),
        "modified": modified,
        "upstream": [cve],
        "severity": [{"type": "Ubuntu", "score": priority}],
        "affected": affected,
    });
    format!("{record}\n")
}

/// An installed package whose binary and source have the same version.
fn package(name: &str, source: &str, version: &str) -> InstalledPackage {
    InstalledPackage {
        name: name.into(),
        architecture: "amd64".into(),
        version: version.into(),
        source: source.into(),
        source_version: version.into(),
        held: false,
        in_use: None,
    }
}

/// A host of this release with these packages, whose offers are not known.
fn host(release: Release, packages: &[InstalledPackage]) -> HostPackages {
    HostPackages { release: Some(release), packages: packages.to_vec(), ..HostPackages::default() }
}

/// What is found of this CVE: the fixability of each finding.
fn fixability(findings: &Findings, cve: &str) -> Vec<Fixability> {
    findings.iter().filter(|finding| &*finding.cve == cve).map(|finding| finding.fixability).collect()
}

/// The findings of a host in one feed.
fn found(feed: FeedData, host: &HostPackages) -> Findings {
    Index::build(&[feed]).findings(host)
}
