//! Input that must not replace a good copy, each refused for its own reason.

use std::io::Write;

use crate::{debian, real, record, ubuntu};
use vulns::{FeedData, FeedError, FeedFile, FeedKind, age_guard, future_guard, shrink_guard};

const JSON: [FeedKind; 8] = [
    FeedKind::DebianTracker,
    FeedKind::UbuntuOsv,
    FeedKind::UbuntuNotices,
    FeedKind::Kev,
    FeedKind::Nvd,
    FeedKind::CveRecords,
    FeedKind::OsvGo,
    FeedKind::Overrides,
];

const TEXT: [FeedKind; 3] = [FeedKind::DebianDsa, FeedKind::DebianDla, FeedKind::Epss];

fn kinds() -> impl Iterator<Item = FeedKind> {
    JSON.into_iter().chain(TEXT)
}

fn parse(kind: FeedKind, bytes: &[u8]) -> Result<FeedData, FeedError> {
    vulns::parse(kind, FeedFile { path: "feed", bytes })
}

fn good(kind: FeedKind) -> Vec<u8> {
    let text = match kind {
        FeedKind::DebianTracker => {
            r#"{"curl":{"CVE-2024-1":{"releases":{"bookworm":{"status":"open","urgency":"low"}}}}}"#
                .to_owned()
        }
        FeedKind::UbuntuOsv => record(
            "CVE-2024-1",
            "2024-08-09T12:10:43Z",
            "low",
            &[("Ubuntu:22.04:LTS", "curl", Some("1.0-1"))],
        ),
        FeedKind::Kev => {
            r#"{"dateReleased":"2026-08-07T10:00:00Z","count":1,"vulnerabilities":[{"cveID":"CVE-2024-1",
               "vulnerabilityName":"A","dateAdded":"2024-01-02","dueDate":"2024-01-05",
               "knownRansomwareCampaignUse":"Known"}]}"#
                .to_owned()
        }
        FeedKind::UbuntuNotices => {
            r#"{"limit":20,"offset":0,"total_results":1,"notices":[{"id":"USN-1-1","is_hidden":false,
               "published":"2024-08-09T12:10:43.5","cves_ids":["CVE-2024-1"],"release_packages":{"jammy":
               [{"name":"curl","version":"1.0-1","is_source":true,"pocket":"security"}]}}]}"#
                .to_owned()
        }
        FeedKind::DebianDsa => advisory("DSA-1-1"),
        FeedKind::DebianDla => advisory("DLA-1-1"),
        FeedKind::Epss => {
            "#model_version:v2025.03.14,score_date:2026-08-22T00:00:00+0000\ncve,epss,percentile\n\
             CVE-2024-1,0.04919,0.91446\n"
                .to_owned()
        }
        FeedKind::Nvd => {
            r#"{"resultsPerPage":1,"startIndex":0,"totalResults":1,"timestamp":"2026-08-22T00:00:00.000",
               "vulnerabilities":[{"cve":{"id":"CVE-2024-1","lastModified":"2024-11-21T04:56:34.820",
               "vulnStatus":"Deferred","metrics":{}}}]}"#
                .to_owned()
        }
        FeedKind::CveRecords => {
            r#"{"cveMetadata":{"cveId":"CVE-2024-1","state":"PUBLISHED"},"containers":{"cna":{}}}"#.to_owned()
        }
        FeedKind::OsvGo => r#"{"id":"GO-2024-1","modified":"2024-08-09T12:10:43Z","affected":[]}"#.to_owned(),
        FeedKind::Overrides => {
            r#"{"overrides":[{"cve":"CVE-2024-1","product":"minio","affected":[],"reason":"never had it"}]}"#
                .to_owned()
        }
    };
    text.into_bytes()
}

fn advisory(id: &str) -> String {
    format!("[12 Feb 2025] {id} curl - security update\n\t{{CVE-2024-1}}\n\t[bookworm] - curl 1.0-1\n")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("memory")
}

#[test]
fn good_input_is_taken_in_every_wrapping() {
    for kind in kinds() {
        let plain = good(kind);
        for bytes in [plain.clone(), gzip(&plain), xz(&plain), zstd(&plain)] {
            let data = parse(kind, &bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!((data.kind(), data.records()), (kind, 1));
        }
    }
}

#[test]
fn empty() {
    for kind in JSON {
        for bytes in ["", "{}", " \n"] {
            let refused = parse(kind, bytes.as_bytes()).expect_err("nothing in it");
            // An object without the required members is of the wrong form where members are required.
            let fits = matches!(refused, FeedError::Empty)
                || bytes == "{}" && matches!(refused, FeedError::WrongShape { .. });
            assert!(fits, "{kind} {bytes:?}: {refused:?}");
        }
    }
    for kind in TEXT {
        for bytes in ["", " \n", "\n\n"] {
            assert!(matches!(parse(kind, bytes.as_bytes()), Err(FeedError::Empty)), "{kind} {bytes:?}");
        }
    }
    let none = "cve,epss,percentile\n";
    assert!(matches!(parse(FeedKind::Epss, none.as_bytes()), Err(FeedError::Empty)));
    let none = r#"{"limit":20,"offset":0,"total_results":0,"notices":[]}"#;
    assert!(matches!(parse(FeedKind::UbuntuNotices, none.as_bytes()), Err(FeedError::Empty)));
    let none = r#"{"dateReleased":"2026-08-07T10:00:00Z","count":0,"vulnerabilities":[]}"#;
    assert!(matches!(parse(FeedKind::Kev, none.as_bytes()), Err(FeedError::Empty)));
}

#[test]
fn a_page_instead_of_a_feed() {
    for kind in kinds() {
        let page = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>";
        for bytes in [page.to_vec(), gzip(page)] {
            let refused = parse(kind, &bytes).expect_err("a page");
            let (FeedError::NotJson { begins } | FeedError::NotThisText { begins, .. }) = &refused else {
                panic!("{kind}: {refused:?}");
            };
            assert!(begins.starts_with("<!DOCTYPE"), "{kind}: {begins}");
            assert!(refused.to_string().contains("look for a proxy"), "{refused}");
        }
    }
}

#[test]
fn cut_off_anywhere() {
    for kind in kinds() {
        let plain = good(kind);
        let plain = plain.trim_ascii_end();
        for end in 1..plain.len() {
            let refused = parse(kind, &plain[..end]);
            // A head without a row is whole as text.
            let fits = matches!(refused, Err(FeedError::Truncated))
                || kind == FeedKind::Epss && matches!(refused, Err(FeedError::Empty));
            assert!(fits, "{kind} at {end}: {refused:?}");
        }
        for packed in [gzip(&good(kind)), xz(&good(kind)), zstd(&good(kind))] {
            let refused = parse(kind, &packed[..packed.len() - 5]);
            assert!(matches!(refused, Err(FeedError::Truncated)), "{kind}: {refused:?}");
        }
    }
}

#[test]
fn a_damaged_archive() {
    for kind in kinds() {
        for mut packed in [gzip(&good(kind)), xz(&good(kind)), zstd(&good(kind))] {
            let middle = packed.len() / 2;
            packed[middle..].iter_mut().for_each(|byte| *byte ^= 0x5a);
            assert!(parse(kind, &packed).is_err(), "{kind}");
        }
    }
}

#[test]
fn a_compression_bomb() {
    let zeros = vec![b' '; 48 << 20];
    for kind in kinds() {
        for bomb in [gzip(&zeros), xz(&zeros), zstd(&zeros)] {
            assert!(bomb.len() < zeros.len() / 400);
            let refused = parse(kind, &bomb);
            assert!(matches!(refused, Err(FeedError::Overcompressed { .. })), "{kind}: {refused:?}");
        }
    }
}

#[test]
fn a_wrapping_inside_a_wrapping() {
    for kind in kinds() {
        let twice = zstd(&gzip(&good(kind)));
        assert!(matches!(parse(kind, &twice), Err(FeedError::Nested)), "{kind}");
    }
}

#[test]
fn nested_without_end() {
    let deep = "[".repeat(200_000);
    let inside = format!("{{\"id\":{deep}");
    for kind in JSON {
        for bytes in [&deep, &inside] {
            let refused = parse(kind, bytes.as_bytes());
            assert!(matches!(refused, Err(FeedError::TooDeep { .. })), "{kind}: {refused:?}");
        }
    }
}

#[test]
fn another_form() {
    let swapped = [
        (FeedKind::DebianTracker, good(FeedKind::Kev)),
        (
            FeedKind::DebianTracker,
            br#"{"curl":{"CVE-2024-1":{"releases":{"bookworm":{"status":7}}}}}"#.to_vec(),
        ),
        (
            FeedKind::DebianTracker,
            br#"{"curl":{"CVE-2024-1":{"releases":{"bookworm":{"status":"new"}}}}}"#.to_vec(),
        ),
        (FeedKind::UbuntuOsv, good(FeedKind::DebianTracker)),
        (FeedKind::UbuntuOsv, br#"{"id":"UBUNTU-CVE-2024-1","modified":"yesterday","affected":[]}"#.to_vec()),
        (FeedKind::Kev, good(FeedKind::DebianTracker)),
        (FeedKind::Kev, b"[1,2,3]".to_vec()),
        (FeedKind::UbuntuNotices, good(FeedKind::Kev)),
        (FeedKind::UbuntuNotices, good(FeedKind::UbuntuOsv)),
        (
            FeedKind::UbuntuNotices,
            br#"{"limit":20,"offset":0,"total_results":1,"notices":[{"id":7,"published":"",
               "cves_ids":[],"release_packages":{}}]}"#
                .to_vec(),
        ),
    ];
    for (kind, bytes) in swapped {
        let refused = parse(kind, &bytes);
        assert!(matches!(&refused, Err(FeedError::WrongShape { .. })), "{kind}: {refused:?}");
    }
    let lines = [good(FeedKind::UbuntuOsv), b"{\"id\":1}\n".to_vec()].concat();
    let refused = parse(FeedKind::UbuntuOsv, &lines).expect_err("the second is wrong");
    assert!(refused.to_string().starts_with("record 2"), "{refused}");
    let after = [good(FeedKind::DebianTracker), b"{}".to_vec()].concat();
    assert!(parse(FeedKind::DebianTracker, &after).is_err(), "something after the document");
}

#[test]
fn fewer_entries_than_stated() {
    let text = String::from_utf8(good(FeedKind::Kev)).expect("text").replace("\"count\":1", "\"count\":2");
    let refused = parse(FeedKind::Kev, text.as_bytes());
    assert!(matches!(refused, Err(FeedError::CountMismatch { stated: 2, found: 1 })), "{refused:?}");
}

#[test]
fn more_notices_than_a_page_can_have() {
    let text = String::from_utf8(good(FeedKind::UbuntuNotices)).expect("text");
    let refused =
        parse(FeedKind::UbuntuNotices, text.replace("\"total_results\":1", "\"total_results\":0").as_bytes());
    assert!(matches!(refused, Err(FeedError::CountMismatch { stated: 0, found: 1 })), "{refused:?}");
}

#[test]
fn text_of_another_form() {
    let epss = |rows: &str| format!("cve,epss,percentile\n{rows}\n").into_bytes();
    let wrong = [
        (FeedKind::Epss, epss("CVE-2024-1,7.3,0.5"), 2),
        (FeedKind::Epss, epss("CVE-2024-1,0.5,0.5\nCVE-2024-2,NaN,0.5"), 3),
        (FeedKind::Epss, epss("CVE-2024-1,-0.1,0.5"), 2),
        (FeedKind::Epss, epss("CVE-2024-1,inf,0.5"), 2),
        (FeedKind::Epss, epss("CVE-2024-1,0.5,1.01"), 2),
        (FeedKind::Epss, epss("CVE-2024-1,0.5"), 2),
        (FeedKind::Epss, epss("CVE-2024-1,0.5,0.5,0.5"), 2),
        (FeedKind::Epss, epss("GHSA-1,0.5,0.5"), 2),
        (FeedKind::Epss, epss("CVE-2024-1,high,0.5"), 2),
        (FeedKind::Epss, b"cve,score\nCVE-2024-1,0.5\n".to_vec(), 1),
        (FeedKind::Epss, good(FeedKind::DebianDsa), 1),
        (FeedKind::DebianDsa, good(FeedKind::DebianDla), 1),
        (FeedKind::DebianDsa, good(FeedKind::Epss), 1),
        (FeedKind::DebianDla, good(FeedKind::DebianDsa), 1),
        (FeedKind::DebianDla, b"\t{CVE-2024-1}\n".to_vec(), 1),
        (FeedKind::DebianDla, b"[40 Feb 2025] DLA-1-1 curl\n".to_vec(), 1),
        (FeedKind::DebianDla, b"[yesterday] DLA-1-1 curl\n".to_vec(), 1),
    ];
    for (kind, bytes, expected) in wrong {
        let refused = parse(kind, &bytes);
        assert!(
            matches!(refused, Err(FeedError::WrongLine { line, .. }) if line == expected),
            "{kind}: {refused:?}"
        );
    }
    let not_text = [good(FeedKind::DebianDsa), b"\xff\xfe\n".to_vec()].concat();
    let refused = parse(FeedKind::DebianDsa, &not_text);
    assert!(matches!(refused, Err(FeedError::WrongLine { line: 4, .. })), "{refused:?}");
}

#[test]
fn dated_in_the_future() {
    let now = "2026-08-22T12:00:00Z".parse().expect("a time");
    for (kind, day, later) in [
        (FeedKind::Epss, "2026-08-22", "2999-08-22"),
        (FeedKind::DebianDsa, "12 Feb 2025", "12 Feb 2999"),
        (FeedKind::UbuntuNotices, "2024-08-09", "9999-08-09"),
        (FeedKind::UbuntuOsv, "2024-08-09", "2999-08-09"),
        (FeedKind::Kev, "\"2026-08-07", "\"2099-08-07"),
    ] {
        let text = String::from_utf8(good(kind)).expect("text");
        assert!(future_guard(now, &parse(kind, text.as_bytes()).expect("good")).is_ok(), "{kind}");
        let refused = match parse(kind, text.replace(day, later).as_bytes()) {
            Ok(data) => future_guard(now, &data),
            Err(refused) => Err(refused),
        };
        assert!(matches!(refused, Err(FeedError::FromTheFuture { .. })), "{kind}: {refused:?}");
    }
}

#[test]
fn each_new_copy_is_held_against_the_last() {
    for kind in [FeedKind::DebianDsa, FeedKind::Epss] {
        let before = match kind {
            FeedKind::Epss => real::epss_whole_day(),
            _ => real::dsa(),
        };
        let tiny = parse(kind, &good(kind)).expect("good");
        assert!(matches!(shrink_guard(&before, &tiny), Err(FeedError::Shrunken { .. })), "{kind}");
        assert!(shrink_guard(&tiny, &before).is_ok());
    }
    let (old, new) = (real::epss_whole_day(), real::epss());
    assert!(age_guard(&old, &new).is_ok());
    assert!(matches!(age_guard(&new, &old), Err(FeedError::Older { .. })));
}

#[test]
fn suddenly_far_smaller_or_older() {
    let (before, after) = (real::kev_before(), real::kev());
    assert!(shrink_guard(&before, &after).is_ok());
    assert!(age_guard(&before, &after).is_ok());
    assert!(shrink_guard(&after, &before).is_ok(), "258 of 1,662 fewer could be a clean-up");
    assert!(matches!(age_guard(&after, &before), Err(FeedError::Older { .. })));
    let one = parse(FeedKind::Kev, &good(FeedKind::Kev)).expect("good");
    let refused = shrink_guard(&after, &one);
    assert!(matches!(refused, Err(FeedError::Shrunken { before: 1662, after: 1 })), "{refused:?}");
    let undated = debian(std::str::from_utf8(&good(FeedKind::DebianTracker)).expect("text"));
    assert!(age_guard(&undated, &undated).is_ok());
}

#[test]
fn a_tar_of_records() {
    let mut archive = tar::Builder::new(Vec::new());
    for number in 1..=3 {
        let record = record(&format!("CVE-2024-{number}"), "2024-08-09T12:10:43Z", "low", &[]);
        let mut header = tar::Header::new_ustar();
        header.set_size(record.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let path = format!("osv/cve/2024/UBUNTU-CVE-2024-{number}.json");
        archive.append_data(&mut header, path, record.as_bytes()).expect("memory");
    }
    let plain = archive.into_inner().expect("memory");
    for bytes in [plain.clone(), xz(&plain)] {
        assert_eq!(parse(FeedKind::UbuntuOsv, &bytes).expect("three").records(), 3);
    }
    let refused = parse(FeedKind::UbuntuOsv, &plain[..600]);
    assert!(matches!(refused, Err(FeedError::Truncated)), "{refused:?}");
}

#[test]
fn the_refusals_speak_to_an_operator() {
    let page = parse(FeedKind::Kev, b"<html>").expect_err("a page").to_string();
    assert_eq!(page, "not JSON: it begins with `<html>`; look for a proxy, a login page or a wrong address");
    let swapped =
        parse(FeedKind::UbuntuOsv, &good(FeedKind::DebianTracker)).expect_err("another").to_string();
    assert!(swapped.contains("expected an OSV record with `id`"), "{swapped}");
    assert_eq!(ubuntu(&record("CVE-1", "2024-08-09T12:10:43Z", "low", &[])).records(), 1);
}
