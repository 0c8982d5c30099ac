//! Lists of notices beside records: they name what records fix, stand in where there is no
//! record, and never replace what a record says.

use std::collections::BTreeMap;

use base::Release;
use vulns::{FeedData, FeedFile, FeedKind, Finding, Fixability, Index};

use crate::{debian, fixability, host, package, real, record, ubuntu};

fn dsa(text: &str) -> FeedData {
    vulns::parse(FeedKind::DebianDsa, FeedFile { path: "DSA.list", bytes: text.as_bytes() }).expect("a list")
}

/// A page of one notice about CVE-2024-1.
fn notice(id: &str, packages: &serde_json::Value) -> FeedData {
    let page = serde_json::json!({
        "limit": 20, "offset": 0, "total_results": 1,
        "notices": [{
            "id": id, "published": "2024-08-09T12:10:43", "is_hidden": false,
            "cves_ids": ["CVE-2024-1"], "release_packages": packages,
        }],
    });
    let bytes = page.to_string();
    vulns::parse(FeedKind::UbuntuNotices, FeedFile { path: "notices.json", bytes: bytes.as_bytes() })
        .expect("a page")
}

/// The findings of curl at 1.0-1.
fn curl(release: Release, feeds: &[FeedData]) -> vulns::Findings {
    Index::build(feeds).findings(&host(release, &[package("curl", "curl", "1.0-1")]))
}

#[test]
fn the_tracker_says_what_is_fixed_and_the_list_says_by_what() {
    let tracker = debian(
        r#"{"curl":{
            "CVE-2024-1":{"releases":{"bookworm":{"status":"resolved","fixed_version":"2.0-1","urgency":"low"}}},
            "CVE-2024-2":{"releases":{"bookworm":{"status":"resolved","fixed_version":"0","urgency":"low"}}},
            "CVE-2024-3":{"releases":{"bookworm":{"status":"open","urgency":"low"}}},
            "CVE-2024-4":{"releases":{"bullseye":{"status":"open","urgency":"low"}}}}}"#,
    );
    let list = dsa(
        "[14 Feb 2025] DSA-10-1 curl - security update\n\t{CVE-2024-1}\n\t[bookworm] - curl 2.0-1\n\
         [13 Feb 2025] DSA-9-2 curl - regression update\n\t{CVE-2024-1 CVE-2024-4}\n\t[bookworm] - curl 2.0-1\n\
         [12 Feb 2025] DSA-9-1 curl - security update\n\t{CVE-2024-1 CVE-2024-2 CVE-2024-3}\n\
         \tNOTE: not fixed in testing at time of DSA\n\t[bookworm] - curl 1.9-1\n\t[buster] - curl 1.0-1\n\
         [11 Feb 2025] DSA-8-1 wget - security update\n\t{CVE-2024-5}\n\t[bookworm] - wget <unfixed>\n\
         \t[bookworm] - curl 3.0-1\n",
    );
    assert_eq!(list.records(), 4);
    assert_eq!(list.as_of().map(|time| time.to_string()).as_deref(), Some("2025-02-14T00:00:00Z"));
    let findings = curl(Release::Debian12, &[list, tracker]);
    let of = |cve: &str| findings.iter().find(|finding| &*finding.cve == cve);
    let ids = |finding: &Finding| finding.advisories.iter().map(|id| id.to_string()).collect::<Vec<_>>();

    // The first notice with the tracker's own version announced it; all are named, in their order.
    let first = of("CVE-2024-1").expect("affected");
    assert_eq!(first.fixed.as_deref(), Some("2.0-1"));
    assert_eq!(first.proof.notice.as_deref(), Some("DSA-9-2"));
    assert_eq!(ids(first), ["DSA-9-1", "DSA-9-2", "DSA-10-1"]);
    assert_eq!(first.proof.feed, FeedKind::DebianTracker);
    assert!(first.explain().contains(&"Advisories about it: DSA-9-1, DSA-10-1.".to_owned()));
    // "Never affected" and "open" stay what they are, whatever was announced.
    assert!(of("CVE-2024-2").is_none());
    let open = of("CVE-2024-3").expect("open");
    assert_eq!(
        (open.fixability, open.fixed.as_deref(), ids(open)),
        (Fixability::NoFix, None, vec!["DSA-9-1".to_owned()])
    );
    assert_eq!(open.proof.notice, None);
    // No row for this release: the list stands in, under its own name.
    let stands_in = of("CVE-2024-4").expect("listed");
    assert_eq!(stands_in.fixed.as_deref(), Some("2.0-1"));
    assert_eq!(stands_in.proof.feed, FeedKind::DebianDsa);
    assert!(
        stands_in.explain()[0].starts_with("Debian security advisories as of 2025-02-14 lists CVE-2024-4")
    );
    assert_eq!(of("CVE-2024-5").and_then(|finding| finding.fixed.clone()).as_deref(), Some("3.0-1"));
}

#[test]
fn the_real_lists_only_add() {
    let lists = [real::dsa(), real::dsa_late(), real::dla(), real::dla_late()];
    assert_eq!(lists.each_ref().map(FeedData::records), [5_909, 576, 4_224, 666]);
    let tracker = Index::build(&[real::debian().clone()]);
    let both = Index::build(&[&[real::debian().clone()], &lists[..]].concat());
    assert_ne!(tracker.version(), both.version());
    let host = real::inventory("debian-12");
    let by_key = |index: &Index| -> BTreeMap<(String, String, String), Finding> {
        let findings = index.findings(&host);
        let keyed = findings.iter().map(|finding| {
            let (cve, source) = finding.key();
            ((cve.to_owned(), source.to_owned(), finding.installed.to_string()), finding.clone())
        });
        keyed.collect()
    };
    let (alone, joined) = (by_key(&tracker), by_key(&both));
    for (key, before) in &alone {
        let after = &joined[key];
        assert_eq!(
            (&before.fixed, before.fixability, before.proof.statement),
            (&after.fixed, after.fixability, after.proof.statement),
            "{key:?}"
        );
        assert_eq!(after.proof.feed, FeedKind::DebianTracker, "{key:?}");
    }
    let added: Vec<&Finding> =
        joined.iter().filter(|(key, _)| !alone.contains_key(*key)).map(|(_, finding)| finding).collect();
    assert!(added.len() > 100, "{}", added.len());
    for finding in &added {
        assert!(matches!(finding.proof.feed, FeedKind::DebianDsa | FeedKind::DebianDla), "{finding:?}");
        assert!(finding.proof.notice.is_some() && !finding.advisories.is_empty(), "{finding:?}");
    }
    let dsa =
        joined.values().find(|finding| finding.key() == ("CVE-2024-49994", "linux")).expect("DSA-5860-1");
    assert_eq!(dsa.proof.feed, FeedKind::DebianTracker);
    assert_eq!(dsa.advisories.iter().map(|id| &**id).collect::<Vec<_>>(), ["DSA-5860-1"]);
    assert_eq!(dsa.fixed.as_deref(), Some("6.1.128-1"));
}

#[test]
fn ubuntus_notices_name_and_stand_in() {
    let pages = real::ubuntu_notices();
    // Of 229 notices two are of live patches.
    assert_eq!(pages.records(), 227);
    assert_eq!(pages.as_of().map(|time| time.to_string()).as_deref(), Some("2021-02-23T08:22:02Z"));
    let focal = host(Release::Ubuntu2004, &[package("python3-django", "python-django", "2:2.2.12-1")]);
    let findings = Index::build(&[pages]).findings(&focal);
    let django: Vec<_> =
        findings.iter().map(|finding| (&*finding.cve, finding.proof.notice.as_deref())).collect();
    assert_eq!(django, [("CVE-2020-13254", Some("USN-4381-1")), ("CVE-2020-13596", Some("USN-4381-1"))]);
    let first = &findings.list()[0];
    assert_eq!(
        (first.fixed.as_deref(), first.proof.feed),
        (Some("2:2.2.12-1ubuntu0.1"), FeedKind::UbuntuNotices)
    );

    // A record outranks a notice, also when it says nothing of the package.
    let own = "Ubuntu:22.04:LTS";
    let source = |version: &str| serde_json::json!({"jammy": [{"name": "curl", "version": version, "is_source": true}]});
    let of = |record: &str, version: &str| {
        curl(Release::Ubuntu2204, &[ubuntu(record), notice("USN-7-1", &source(version))])
    };
    let listed = record("CVE-2024-1", "2024-01-01T00:00:00Z", "low", &[(own, "curl", Some("2.0-1"))]);
    let same = of(&listed, "2.0-1");
    assert_eq!(same.list()[0].proof.notice.as_deref(), Some("USN-7-1"));
    let other = of(&listed, "3.0-1");
    assert_eq!(
        (other.list()[0].fixed.as_deref(), other.list()[0].proof.notice.as_deref()),
        (Some("2.0-1"), None)
    );
    assert_eq!(other.list()[0].advisories.len(), 1);
    assert!(of(&record("CVE-2024-1", "2024-01-01T00:00:00Z", "low", &[]), "2.0-1").is_empty());
}

#[test]
fn pockets_and_links_of_notices() {
    let link = "https://launchpad.net/ubuntu/+source/curl/2.0-1";
    for (package, expected) in [
        (
            serde_json::json!({"name": "curl", "version": "2.0-1", "is_source": true, "pocket": "security"}),
            Some(Fixability::Fixable),
        ),
        (
            serde_json::json!({"name": "curl", "version": "2.0-1", "is_source": true, "pocket": "esm-infra"}),
            Some(Fixability::EsmOnly),
        ),
        (
            serde_json::json!({"name": "curl", "version": "2.0-1+esm1", "is_source": true}),
            Some(Fixability::EsmOnly),
        ),
        (
            serde_json::json!({"name": "curl", "version": "2.0-1", "is_source": true, "pocket": "fips-updates"}),
            None,
        ),
        // A binary names its source only in its link.
        (
            serde_json::json!({"name": "libcurl4", "version": "9-1", "is_source": false, "version_link": link}),
            Some(Fixability::Fixable),
        ),
        (serde_json::json!({"name": "curl", "version": "2.0-1", "is_source": false}), None),
        (serde_json::json!({"name": "curl", "version": "1.0-1", "is_source": true}), None),
    ] {
        let feed = notice("USN-7-1", &serde_json::json!({"jammy": [package], "hirsute": [package]}));
        assert_eq!(feed.records(), 1);
        let found = curl(Release::Ubuntu2204, &[feed]);
        assert_eq!(fixability(&found, "CVE-2024-1"), expected.into_iter().collect::<Vec<_>>(), "{package}");
    }
}

#[test]
fn a_notice_that_is_withdrawn_announces_nothing() {
    let usn = |withdrawn: &str, modified: &str| {
        ubuntu(&format!(
            r#"{{"id":"USN-7-1",{withdrawn}"modified":"{modified}","upstream":["UBUNTU-CVE-2024-1"],"affected":
               [{{"package":{{"ecosystem":"Ubuntu:22.04:LTS","name":"curl"}},
               "ranges":[{{"events":[{{"introduced":"0"}},{{"fixed":"2.0-1"}}]}}]}}]}}"#
        ).replace('\n', " "))
    };
    let (stands, withdrawn) = (
        usn("", "2024-01-01T00:00:00Z"),
        usn(r#""withdrawn":"2024-02-01T00:00:00Z","#, "2024-02-01T00:00:00Z"),
    );
    assert_eq!(curl(Release::Ubuntu2204, std::slice::from_ref(&stands)).len(), 1);
    // In either order, as the state that changed last counts.
    for feeds in [[stands.clone(), withdrawn.clone()], [withdrawn, stands]] {
        assert!(curl(Release::Ubuntu2204, &feeds).is_empty());
    }
}
