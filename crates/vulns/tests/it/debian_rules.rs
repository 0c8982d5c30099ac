//! What each status of Debian's tracker means for a host.

use base::Release;

use crate::{debian, fixability, found, host, package, real};
use vulns::{FeedError, FeedFile, FeedKind, Fixability, HostPackages, Severity, Statement};

const TRACKER: &str = r#"{
  "curl": {
    "CVE-0001-0001": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "2.0-1", "urgency": "high**"}}},
    "CVE-0001-0002": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "1.0-1", "urgency": "not yet assigned"}}},
    "CVE-0001-0003": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "0", "urgency": "not yet assigned"}}},
    "CVE-0001-0004": {"releases": {"bookworm": {"status": "open", "urgency": "not yet assigned", "repositories": {"bookworm": "1.0-1"}}}},
    "CVE-0001-0005": {"releases": {"bookworm": {"status": "undetermined", "urgency": "not yet assigned"}}},
    "CVE-0001-0006": {"releases": {"bookworm": {"status": "open", "urgency": "unimportant"}}},
    "CVE-0001-0007": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "2.0-1", "urgency": "unimportant"}}},
    "CVE-0001-0008": {"releases": {"bookworm": {"status": "open", "urgency": "end-of-life"}}},
    "CVE-0001-0009": {"releases": {"bookworm": {"status": "open", "urgency": "low", "nodsa": "Minor issue", "nodsa_reason": "ignored"}}},
    "CVE-0001-0010": {"releases": {"bookworm": {"status": "open", "urgency": "low", "nodsa": "Minor issue", "nodsa_reason": "postponed"}}},
    "CVE-0001-0011": {"releases": {"bookworm": {"status": "open", "urgency": "low", "nodsa": "Minor issue", "nodsa_reason": ""}}},
    "CVE-0001-0012": {"releases": {"trixie": {"status": "open", "urgency": "low"}, "sid": {"status": "open", "urgency": "low"}}},
    "TEMP-0000000-AAAAAA": {"releases": {"bookworm": {"status": "open", "urgency": "low"}}}
  },
  "libcurl": {"CVE-0001-0099": {"releases": {"bookworm": {"status": "open", "urgency": "low"}}}}
}"#;

fn bookworm() -> HostPackages {
    // The binary `libcurl` is built from `curl`; a source of the same name is another package.
    host(Release::Debian12, &[package("libcurl", "curl", "1.0-1")])
}

#[test]
fn each_status_leads_to_its_fixability() {
    let findings = found(debian(TRACKER), &bookworm());
    for (cve, expected) in [
        ("CVE-0001-0001", vec![Fixability::Fixable]),
        ("CVE-0001-0002", vec![]),
        ("CVE-0001-0003", vec![]),
        ("CVE-0001-0004", vec![Fixability::NoFix]),
        ("CVE-0001-0005", vec![]),
        ("CVE-0001-0006", vec![Fixability::Unimportant]),
        ("CVE-0001-0007", vec![Fixability::Unimportant]),
        ("CVE-0001-0008", vec![Fixability::EndOfLife]),
        ("CVE-0001-0009", vec![Fixability::NoFix]),
        ("CVE-0001-0010", vec![Fixability::NoFix]),
        ("CVE-0001-0011", vec![Fixability::NoFix]),
        ("CVE-0001-0012", vec![]),
        ("CVE-0001-0099", vec![]),
        ("TEMP-0000000-AAAAAA", vec![Fixability::NoFix]),
    ] {
        assert_eq!(fixability(&findings, cve), expected, "{cve}");
    }
}

#[test]
fn the_proof_says_why_there_is_no_fix() {
    let findings = found(debian(TRACKER), &bookworm());
    for (cve, statement, words) in [
        ("CVE-0001-0009", Statement::Ignored, "not to be fixed in this release"),
        ("CVE-0001-0010", Statement::Postponed, "postponed"),
        ("CVE-0001-0011", Statement::NoAdvisory, "too minor for an advisory"),
        ("CVE-0001-0008", Statement::EndOfLife, "no longer supported"),
    ] {
        let finding = findings.iter().find(|finding| &*finding.cve == cve).expect(cve);
        assert_eq!(finding.proof.statement, statement);
        assert!(finding.explain()[0].contains(words), "{:?}", finding.explain());
    }
}

#[test]
fn an_urgency_that_is_not_assigned_is_no_low_one() {
    let findings = found(debian(TRACKER), &bookworm());
    let severity = |cve: &str| {
        let finding = findings.iter().find(|finding| &*finding.cve == cve).expect(cve);
        (finding.severity, finding.proof.severity_source.is_some())
    };
    assert_eq!(severity("CVE-0001-0001"), (Severity::High, true));
    assert_eq!(severity("CVE-0001-0004"), (Severity::Unknown, false));
    assert_eq!(severity("CVE-0001-0009"), (Severity::Low, true));
}

#[test]
fn the_source_version_is_compared_and_not_the_binary_one() {
    // The binary carries an epoch that its source does not have: compared across, it would look fixed.
    let mut binary = package("libcurl", "curl", "1:9.0");
    binary.source_version = "1.0-1".into();
    let findings = found(debian(TRACKER), &host(Release::Debian12, &[binary]));
    assert_eq!(fixability(&findings, "CVE-0001-0001"), [Fixability::Fixable]);
    let finding = findings.iter().next().expect("one");
    assert_eq!(&*finding.installed, "1.0-1");
    assert!(finding.explain().iter().any(|fact| fact == "libcurl 1:9.0 is built from curl 1.0-1."));
}

#[test]
fn an_empty_list_stands_for_no_releases() {
    let curl = r#"{"curl": {"CVE-1": {"releases": {"bookworm": {"status": "open", "urgency": "low"}}}}"#;
    let whole = format!(r#"{curl}, "chromium-browser": {{"CVE-2": {{"releases": []}}}}}}"#);
    assert_eq!(debian(&whole).records(), 1);
    let path = "feeds/debian/security-tracker-native-sample.json";
    let native = vulns::parse(FeedKind::DebianTracker, FeedFile { path, bytes: &real::bytes(path) });
    assert!(native.expect("a native part of the tracker").records() > 0);
    let wrong = format!(r#"{curl}, "chromium-browser": {{"CVE-2": {{"releases": [1]}}}}}}"#);
    let file = FeedFile { path: "security-tracker.json", bytes: wrong.as_bytes() };
    assert!(matches!(vulns::parse(FeedKind::DebianTracker, file), Err(FeedError::WrongShape { .. })));
}
