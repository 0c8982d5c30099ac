//! Sets are known by their content, and what they share is kept and matched once.

use std::sync::Arc;

use base::Release;

use crate::{debian, host, package};
use vulns::{Candidate, Fleet, Index, SetId};

const CURL: &str = r#"{"curl":{"CVE-2025-1":{"releases":{"bookworm":
    {"status":"resolved","fixed_version":"2.0-1","urgency":"low"}}}},
    "zlib":{"CVE-2025-2":{"releases":{"bookworm":{"status":"open","urgency":"low"}}}}}"#;

#[test]
fn the_order_of_a_report_does_not_matter_and_its_content_does() {
    let (curl, zlib) = (package("curl", "curl", "1.0-1"), package("zlib1g", "zlib", "1.0-1"));
    let one = host(Release::Debian12, &[curl.clone(), zlib.clone()]);
    let id = SetId::of(&one);
    assert_eq!(id, SetId::of(&host(Release::Debian12, &[zlib.clone(), curl.clone()])));
    assert_eq!(id.to_string().parse(), Ok(id));

    let mut other = Vec::new();
    other.push(host(Release::Debian13, &[curl.clone(), zlib.clone()]));
    other.push(host(Release::Debian12, std::slice::from_ref(&curl)));
    let mut held = one.clone();
    held.packages[0].held = true;
    other.push(held);
    let mut booted = one.clone();
    booted.kernel.release = "6.1.0-29-amd64".into();
    other.push(booted);
    let mut nothing_offered = one.clone();
    nothing_offered.pending = Some(Vec::new());
    other.push(nothing_offered.clone());
    let mut offered = one.clone();
    offered.pending = Some(vec![Candidate { name: "curl".into(), ..Candidate::default() }]);
    other.push(offered);
    let mut ids: Vec<SetId> = other.iter().map(SetId::of).chain([id]).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), other.len() + 1, "each differs from all others");
}

#[test]
fn what_hosts_share_is_kept_once() {
    let mut fleet = Fleet::new(Arc::new(Index::build(&[debian(CURL)])));
    let zlib = package("zlib1g", "zlib", "1.0-1");
    for name in 0..1000 {
        // Ten sets that differ in curl and share zlib.
        let curl = package("curl", "curl", &format!("1.{}-1", name % 10));
        fleet.place(name, &host(Release::Debian12, &[curl, zlib.clone()]));
    }
    let size = fleet.size();
    assert_eq!((size.hosts, size.sets, size.parts, size.findings), (1000, 10, 11, 11));
    assert_eq!(fleet.sets_with_cve("CVE-2025-1").len(), 10);
    assert_eq!(fleet.sets_with_source(Release::Debian12, "zlib").len(), 10);
    assert!(fleet.sets_with_source(Release::Debian13, "zlib").is_empty());
    assert!(!fleet.place_in(5000, SetId::of(&host(Release::Debian11, &[]))), "nobody has this set");
    assert_eq!(fleet.set_of(&5000), None);

    // One statement changes: of a thousand hosts, one part is matched for one CVE.
    let fixed = CURL.replace(r#"{"status":"open","urgency":"low"}"#, r#"{"status":"open","urgency":"high"}"#);
    let rematch = fleet.update(Arc::new(Index::build(&[debian(&fixed)])));
    assert_eq!((rematch.listings, rematch.cves, rematch.parts, rematch.findings), (1, 0, 1, 1));
    assert_eq!(rematch.sets.len(), 10);
    assert_eq!(rematch.changes.len(), 1);
}
