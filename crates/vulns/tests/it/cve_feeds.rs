//! The feeds about CVEs and engines: NVD, CVE records, OSV and the override list, read
//! whole, and refused where they must be.

use crate::{engines::overrides, real};
use vulns::{FeedData, FeedError, FeedFile, FeedKind, Index, shrink_guard};

fn parse(kind: FeedKind, text: &str) -> Result<FeedData, FeedError> {
    vulns::parse(kind, FeedFile { path: "feed", bytes: text.as_bytes() })
}

#[test]
fn real_files_are_read_whole() {
    for (feed, records) in [
        (&real::nvd_minio(), 26),
        (&real::nvd_postgresql(), 24),
        (&real::nvd_2022(), 15_913),
        (real::nvd_supplement(), 32_184),
        (real::cve_records(), 44_130),
        (&real::osv_minio(), 18),
    ] {
        assert_eq!(feed.records(), records, "{}", feed.kind());
        assert!(feed.as_of().is_some() || feed.kind() == FeedKind::OsvGo, "{}", feed.kind());
    }
    let untouched = real::bytes("feeds/nvd/nvd-api-2.0-page-2023-10.json");
    let page = FeedFile { path: "nvd/page.json", bytes: &untouched };
    assert_eq!(vulns::parse(FeedKind::Nvd, page).expect("a page").records(), 38);
    let samples = real::bytes("feeds/nvd/nvd-2.0-native-samples.json");
    let page = FeedFile { path: "nvd/page.json", bytes: &samples };
    assert_eq!(vulns::parse(FeedKind::Nvd, page).expect("a page").records(), 55);
}

#[test]
fn several_pages_in_one_file_are_one_feed() {
    let page = |start: usize, cve: &str| {
        format!(
            r#"{{"resultsPerPage":1,"startIndex":{start},"totalResults":2,"vulnerabilities":[{{"cve":{{"id":"{cve}",
            "lastModified":"2024-11-21T04:56:34.820","vulnStatus":"Deferred"}}}}]}}"#
        )
    };
    let pages = [page(0, "CVE-2024-1"), page(1, "CVE-2024-2")];
    for text in [pages.concat(), pages.join("\n")] {
        assert_eq!(parse(FeedKind::Nvd, &text).expect("two pages").records(), 2);
    }
    let short = page(0, "CVE-2024-1").replace("\"resultsPerPage\":1", "\"resultsPerPage\":2");
    let refused = parse(FeedKind::Nvd, &short);
    assert!(matches!(refused, Err(FeedError::CountMismatch { stated: 2, found: 1 })), "{refused:?}");
    // The last page is stated as long as the others by some.
    let last = page(1, "CVE-2024-2").replace("\"resultsPerPage\":1", "\"resultsPerPage\":2000");
    assert!(parse(FeedKind::Nvd, &last).is_ok());
}

#[test]
fn other_forms_are_refused() {
    use FeedKind::{CveRecords, Nvd, OsvGo, Overrides};
    let entry = |member: &str| {
        format!(
            r#"{{"overrides":[{{"cve":"CVE-2024-1","product":"minio","affected":[],"reason":"right"}},{{"cve":"CVE-2024-2",{member}}}]}}"#
        )
    };
    let rest = r#""affected":[],"reason":"right""#;
    let misspelt = entry(&format!(r#""product":"minio","fixd":"RELEASE.2024-01-31T20-20-33Z",{rest}"#));
    let unknown = entry(&format!(r#""product":"mysql",{rest}"#));
    let unreadable = entry(r#""product":"minio","affected":["< 1.2"],"reason":"right""#);
    let unfixed = entry(&format!(r#""product":"minio","fixed":"soon",{rest}"#));
    let without_reason = entry(r#""product":"minio","affected":[],"reason":" ""#);
    for (kind, text) in [
        (Nvd, r#"{"vulnerabilities":[{"cve":{"lastModified":"2024-11-21T04:56:34.820"}}]}"#),
        (Nvd, r#"{"vulnerabilities":[{"cve":{"id":"CVE-1","configurations":7}}]}"#),
        (Nvd, r#"{"timestamp":"2026-08-22T00:00:00.000"}"#),
        (Nvd, r#"{"id":"GO-2024-1","modified":"2024-08-09T12:10:43Z","affected":[]}"#),
        (CveRecords, r#"{"cveMetadata":{"cveId":"CVE-2024-1"},"containers":{"cna":{}}}"#),
        (CveRecords, r#"{"id":"GO-2024-1","modified":"2024-08-09T12:10:43Z","affected":[]}"#),
        (OsvGo, r#"{"id":"GO-2024-1","modified":"yesterday","affected":[]}"#),
        (OsvGo, r#"[{"id":"GO-2024-1"}]"#),
        (Overrides, r#"{"overrides":[{"cve":"CVE-2024-1"}]}"#),
        (Overrides, &misspelt),
        (Overrides, &unknown),
        (Overrides, &unreadable),
        (Overrides, &unfixed),
        (Overrides, &without_reason),
    ] {
        let refused = parse(kind, text);
        assert!(matches!(refused, Err(FeedError::WrongShape { .. })), "{kind} {text}: {refused:?}");
    }
    let said = parse(Overrides, &unreadable).expect_err("unreadable").to_string();
    assert!(said.starts_with("override 2: expected an override list"), "{said}");
}

#[test]
fn what_is_free_in_a_record_cannot_break_it() {
    let text = r#"{"cveMetadata":{"cveId":"CVE-2024-1","state":"PUBLISHED","dateUpdated":"some day"},"containers":{"cna":
        {"affected":[{"versions":[{"version":null}]},{}],"metrics":[{"other":{"type":"ssvc","content":[1]}},{"other":
        {"type":"kev","content":{"dateAdded":"never"}}},{"other":{"type":"x","content":"y"}},{"format":"text"}]}}}"#;
    assert_eq!(
        parse(FeedKind::CveRecords, &text.replace('\n', " ")).expect("odd and well formed").records(),
        1
    );
}

#[test]
fn the_operator_may_take_back_what_the_operator_said() {
    let entry = |cve: &str| {
        format!(r#"{{"cve":"{cve}","product":"postgresql","affected":["< 16.4"],"reason":"tried"}}"#)
    };
    let many = overrides(&[entry("CVE-1"), entry("CVE-2"), entry("CVE-3")].join(","));
    let one = overrides(&entry("CVE-1"));
    assert_eq!((many.records(), one.records()), (3, 1));
    assert!(shrink_guard(&many, &one).is_ok());
    assert!(shrink_guard(&many, &overrides("")).is_ok());
}

#[test]
fn what_records_say_of_a_cve_reaches_the_findings_of_packages() {
    let index = Index::build(&[real::debian().clone(), real::cve_records().clone(), real::nvd_2022()]);
    let findings = index.findings(&real::inventory("debian-12"));
    let scored = findings.iter().filter(|finding| !finding.scores.is_empty()).count();
    let decided = findings.iter().filter(|finding| finding.ssvc.is_some()).count();
    assert!(scored >= 50 && decided > 300, "{scored} scored, {decided} decided of {}", findings.len());
}
