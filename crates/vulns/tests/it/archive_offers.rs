//! Whether the host's own package sources offer the fix.

use base::Release;

use crate::{debian, fixability, found, host, package};
use vulns::{Candidate, Fixability, InstalledPackage};

const TRACKER: &str = r#"{"curl": {"CVE-0001-0001": {"releases": {"bookworm":
  {"status": "resolved", "fixed_version": "2.0-1", "urgency": "low"}}}}}"#;

fn candidate(version: &str) -> Candidate {
    Candidate {
        name: "libcurl".into(),
        architecture: "amd64".into(),
        version: version.into(),
        ..Candidate::default()
    }
}

fn check(installed: InstalledPackage, pending: Option<Vec<Candidate>>, expected: Fixability) {
    let mut host = host(Release::Debian12, &[installed, package("curl-doc", "curl", "1.0-1")]);
    host.pending = pending;
    assert_eq!(fixability(&found(debian(TRACKER), &host), "CVE-0001-0001"), [expected], "{:?}", host.pending);
}

#[test]
fn an_offer_is_compared_with_the_fix() {
    let libcurl = || package("libcurl", "curl", "1.0-1");
    check(libcurl(), None, Fixability::Fixable);
    check(libcurl(), Some(vec![]), Fixability::NotYetInArchive);
    check(libcurl(), Some(vec![candidate("1.5-1")]), Fixability::NotYetInArchive);
    check(libcurl(), Some(vec![candidate("2.0-1")]), Fixability::Fixable);
    let elsewhere = Candidate { architecture: "i386".into(), ..candidate("2.0-1") };
    check(libcurl(), Some(vec![elsewhere]), Fixability::NotYetInArchive);
    let phased = Candidate { phased: true, ..candidate("2.0-1") };
    check(libcurl(), Some(vec![phased.clone()]), Fixability::Phased);
    check(libcurl(), Some(vec![phased, candidate("2.0-1")]), Fixability::Fixable);
    check(libcurl(), Some(vec![Candidate { held: true, ..candidate("2.0-1") }]), Fixability::Held);
    let held = InstalledPackage { held: true, ..libcurl() };
    check(held.clone(), None, Fixability::Held);
    check(held, Some(vec![candidate("2.0-1")]), Fixability::Held);
}

#[test]
fn versions_of_binaries_are_not_compared_with_those_of_sources() {
    // The binary has an epoch of its own: 5:1.5-1 is no proof of source version 2.0-1.
    let libcurl = || InstalledPackage { version: "5:1.0-1".into(), ..package("libcurl", "curl", "1.0-1") };
    let stated = |source: &str| Candidate { source_version: Some(source.into()), ..candidate("5:1.5-1") };
    check(libcurl(), Some(vec![stated("1.5-1")]), Fixability::NotYetInArchive);
    check(libcurl(), Some(vec![stated("2.0-1")]), Fixability::Fixable);
    // Not stated and not to be told: it is newer, and the next inventory decides.
    check(libcurl(), Some(vec![candidate("5:1.5-1")]), Fixability::Fixable);
}
