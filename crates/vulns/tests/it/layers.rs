//! A later layer of a feed adds to an earlier one and replaces the same.

use base::Release;

use crate::{debian, fixability, found, host, package, real, record, ubuntu};
use vulns::{FeedData, Fixability, Index};

fn merged(mut first: FeedData, later: FeedData) -> FeedData {
    first.merge(later);
    first
}

#[test]
fn a_later_tracker_replaces_the_same_release_package_and_cve() {
    let tracker = |entries: &[(&str, &str, &str)]| {
        let entries: Vec<String> = entries
            .iter()
            .map(|(cve, codename, state)| format!(r#""{cve}":{{"releases":{{"{codename}":{state}}}}}"#))
            .collect();
        debian(&format!(r#"{{"curl":{{{}}}}}"#, entries.join(",")))
    };
    let open = r#"{"status":"open","urgency":"low"}"#;
    let fixed = r#"{"status":"resolved","fixed_version":"2.0-1","urgency":"low"}"#;
    let never = r#"{"status":"resolved","fixed_version":"0","urgency":"low"}"#;
    let first = tracker(&[
        ("CVE-1", "bookworm", open),
        ("CVE-2", "bookworm", open),
        ("CVE-3", "bookworm", open),
        ("CVE-5", "bookworm", open),
    ]);
    let later = tracker(&[
        ("CVE-2", "bookworm", fixed),
        ("CVE-3", "bookworm", never),
        ("CVE-4", "bookworm", fixed),
        ("CVE-5", "trixie", fixed),
    ]);
    let merged = merged(first, later);
    assert_eq!(merged.records(), 5);
    let findings = found(merged, &host(Release::Debian12, &[package("curl", "curl", "1.0-1")]));
    for (cve, expected) in [
        ("CVE-1", vec![Fixability::NoFix]),
        ("CVE-2", vec![Fixability::Fixable]),
        ("CVE-3", vec![]),
        ("CVE-4", vec![Fixability::Fixable]),
        ("CVE-5", vec![Fixability::NoFix]),
    ] {
        assert_eq!(fixability(&findings, cve), expected, "{cve}");
    }
}

#[test]
fn a_whole_record_is_replaced_by_the_one_changed_last() {
    let own = "Ubuntu:22.04:LTS";
    let old = record("CVE-1", "2024-01-01T00:00:00Z", "low", &[(own, "curl", None), (own, "wget", None)]);
    let new = record("CVE-1", "2025-01-01T00:00:00Z", "high", &[(own, "curl", Some("2.0-1"))]);
    let host =
        host(Release::Ubuntu2204, &[package("curl", "curl", "1.0-1"), package("wget", "wget", "1.0-1")]);
    // In any order, and within one file too.
    for feed in [
        merged(ubuntu(&old), ubuntu(&new)),
        merged(ubuntu(&new), ubuntu(&old)),
        ubuntu(&format!("{old}{new}")),
        ubuntu(&format!("{new}{old}")),
    ] {
        assert_eq!(feed.records(), 1);
        let findings = found(feed, &host);
        assert_eq!(fixability(&findings, "CVE-1"), [Fixability::Fixable]);
    }
    let withdrawn = new.replace("\"id\"", "\"withdrawn\":\"2025-02-01T00:00:00Z\",\"id\"");
    assert!(found(merged(ubuntu(&old), ubuntu(&withdrawn)), &host).is_empty());
}

#[test]
fn the_layer_of_late_2026_adds_its_fixes() {
    let early = Index::build(&[real::debian().clone()]);
    let both = Index::build(&[real::debian().clone(), real::debian_late()]);
    let mut one = real::debian().clone();
    one.merge(real::debian_late());
    assert_eq!(both.version(), Index::build(&[one]).version());
    assert_ne!(both.version(), early.version());
    assert_eq!(both.feeds().len(), 1);

    let host = real::inventory("debian-12");
    let (before, after) = (early.findings(&host), both.findings(&host));
    let of = |findings: &vulns::Findings, package: &str| {
        findings
            .iter()
            .filter(|f| &*f.source_package == package && f.fixability == Fixability::Fixable)
            .count()
    };
    assert_eq!(of(&before, "openssl"), 0);
    assert!(of(&after, "openssl") >= 10, "{}", of(&after, "openssl"));
    assert!(of(&after, "linux") > 1000, "{}", of(&after, "linux"));
    assert!(of(&after, "linux") > of(&before, "linux"));
    // The later layer states no time, and does not borrow that of the earlier one.
    let dated = |package: &str, year: &str| {
        let of = |f: &&vulns::Finding| &*f.source_package == package && f.cve.starts_with(year);
        after.iter().find(of).map(|f| f.proof.as_of.is_some())
    };
    assert_eq!(dated("openssl", "CVE-2026-"), Some(false));
    assert_eq!(dated("bind9", "CVE-2024-"), Some(true));
}

#[test]
fn what_is_the_same_has_the_same_fingerprint() {
    let a = Index::build(&[real::kev(), real::debian().clone()]);
    let b = Index::build(&[real::debian().clone(), real::kev()]);
    assert_eq!(a.version(), b.version());
    assert_ne!(a.version(), Index::build(&[real::debian().clone(), real::kev_before()]).version());
}
