//! What a scan prints for other programs.

use serde_json::Value;

use super::{scan_input, text};
use crate::exposure::Folder;

const STATUS: &str = "\
Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: 3.0.11-1~deb12u1+x\n\n\
Package: libssl3\nStatus: install ok installed\nArchitecture: i386\nSource: openssl\nVersion: 3.0.11-1~deb12u1+x\n\n\
Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nSource: openssl\nVersion: 1\n";

fn document(format: &str) -> String {
    let folder = Folder::good();
    let path = folder.path().display().to_string();
    let scanned = scan_input(
        &["--feeds", &path, "--inventory", "-", "--release", "debian-12", "--format", format],
        STATUS.as_bytes(),
    );
    assert_eq!(scanned.code, 0, "{}", scanned.err);
    scanned.out
}

/// CISA's catalogue with one entry that no host here has.
pub fn no_catalogue() -> String {
    let entry = serde_json::json!({ "cveID": "CVE-1999-0001", "vulnerabilityName": "old", "dateAdded": "2026-01-01" });
    serde_json::json!({ "dateReleased": "2026-11-23T12:00:00Z", "count": 1, "vulnerabilities": [entry] })
        .to_string()
}

fn json(format: &str) -> Value {
    serde_json::from_str(&document(format)).expect("JSON")
}

#[test]
fn every_key_of_our_own_document_is_there() {
    let document = json("json");
    for key in ["format", "tool", "subject", "scanned_at", "release", "kernel_running", "feeds", "coverage"] {
        assert!(document.get(key).is_some(), "{key}");
    }
    assert_eq!((text(&document, "release"), &document["kernel_running"]), ("debian-12", &Value::Null));
    let feed = &document["feeds"][0];
    assert_eq!(
        (text(feed, "name"), text(feed, "state"), &feed["records"]),
        ("debian-tracker", "read", &21.into())
    );
    let found = document["findings"].as_array().expect("findings");
    assert_eq!(found.len(), 20);
    let first = found[0].as_object().expect("an object");
    let keys: Vec<&str> = first.keys().map(String::as_str).collect();
    for key in [
        "cve",
        "source",
        "binaries",
        "installed",
        "fixed",
        "fixability",
        "open",
        "kernel",
        "running",
        "severity",
        "severity_source",
        "scores",
        "kev",
        "epss",
        "advisories",
        "proof",
    ] {
        assert!(keys.contains(&key), "{key} in {keys:?}");
    }
    assert_eq!(first["cve"], "CVE-2026-0001", "what is exploited comes first");
    assert_eq!(
        (&first["kev"]["date_added"], &first["kev"]["ransomware"]),
        (&"2026-11-01".into(), &true.into())
    );
    assert_eq!((&first["kernel"], &first["running"]), (&false.into(), &Value::Null));
    assert_eq!(first["binaries"], serde_json::json!(["libssl3"]));
    assert_eq!((&first["fixability"], &first["severity"]), (&"fixable".into(), &"high".into()));
    assert!(first["proof"]["facts"].as_array().is_some_and(|facts| facts.len() > 3));
}

/// The fields that the schema of SARIF 2.1.0 requires, and the values that it allows.
#[test]
fn sarif_has_what_its_schema_asks_for() {
    let log = json("sarif");
    assert_eq!(text(&log, "version"), "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(text(driver, "name"), "Holdfast");
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let (rules, results) = (driver["rules"].as_array().unwrap(), run["results"].as_array().unwrap());
    assert_eq!((rules.len(), results.len()), (20, 20));
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(result["ruleId"], rule["id"]);
        assert!(text(rule, "helpUri").starts_with("https://"));
        assert!(!text(&result["message"], "text").is_empty());
        assert_eq!((text(result, "kind"), text(result, "level")), ("fail", "error"));
        let place = &result["locations"][0];
        assert!(place["physicalLocation"]["artifactLocation"]["uri"].is_string());
        let packages = place["logicalLocations"].as_array().unwrap();
        assert_eq!(packages.len(), 2, "for each architecture");
    }
    let notes = run["invocations"][0]["toolExecutionNotifications"].to_string();
    assert!(notes.contains("Feed `ubuntu-osv` took no part"), "{notes}");
}

/// The fields that the schema of OpenVEX 0.2.0 requires; it forbids any other.
#[test]
fn openvex_has_what_its_schema_asks_for() {
    let document = json("openvex");
    assert_eq!(text(&document, "@context"), "https://openvex.dev/ns/v0.2.0");
    assert!(text(&document, "@id").starts_with("urn:uuid:"));
    assert_eq!((text(&document, "author"), &document["version"]), ("Holdfast", &1.into()));
    text(&document, "timestamp").parse::<jiff::Timestamp>().expect("a time");
    let statements = document["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 20);
    for statement in statements {
        assert_eq!(text(statement, "status"), "affected");
        assert!(text(statement, "action_statement").contains("Update openssl to 3.0.17-1~deb12u3."));
        let product = &statement["products"][0];
        let url = "pkg:deb/debian/libssl3@3.0.11-1~deb12u1%2Bx?arch=amd64&distro=bookworm";
        assert_eq!((text(product, "@id"), text(&product["identifiers"], "purl")), (url, url));
        assert_eq!(statement["products"].as_array().map(Vec::len), Some(2));
        assert!(text(&statement["vulnerability"], "name").starts_with("CVE-"));
    }
}

#[test]
fn what_is_not_in_effect_says_why_and_fails_nothing() {
    let folder = Folder::good();
    folder.write(
        "debian/security-tracker.json",
        r#"{"openssl": {"CVE-2026-0003": {"releases": {"bookworm": {"status": "open", "urgency": "unimportant"}}}}}"#,
    );
    let path = folder.path().display().to_string();
    let print = |format: &str| {
        let named = ["--feeds", &path, "--inventory", "-", "--release", "debian-12", "--format", format];
        let strict = ["--fail-on", "kev,critical,high,fixable"];
        scan_input(&[&named[..], &strict].concat(), STATUS.as_bytes()).json()
    };
    let statement = &print("openvex")["statements"][0];
    assert_eq!(text(statement, "status"), "not_affected");
    assert!(statement["impact_statement"].is_string() && statement["justification"].is_null());
    assert!(statement["action_statement"].is_null());
    let result = &print("sarif")["runs"][0]["results"][0];
    assert_eq!((text(result, "kind"), text(result, "level")), ("informational", "none"));
}

#[test]
fn the_table_groups_by_update() {
    let printed = document("table");
    let row = printed.lines().find(|line| line.starts_with("openssl ")).expect("a row");
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[..6], ["openssl", "3.0.11-1~deb12u1+x", "3.0.17-1~deb12u3", "20", "2", "high"]);
    assert!(printed.contains("20 in effect, 2 known to be exploited: 20 fixable now"), "{printed}");
}
