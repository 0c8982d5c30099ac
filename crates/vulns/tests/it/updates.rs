//! Findings together: grouped by update, counted, compared, joined with CISA's catalogue.

use base::Release;

use crate::{host, package, real, record, ubuntu};
use vulns::{FeedData, Findings, Fixability, HostPackages, Index, InstalledPackage, Severity};

const OWN: &str = "Ubuntu:22.04:LTS";

fn feed() -> FeedData {
    let at = "2024-08-09T12:10:43Z";
    let records = [
        record("CVE-2023-4911", at, "high", &[(OWN, "glibc", Some("2.35-0ubuntu3.4"))]),
        record("CVE-0001-0002", at, "low", &[(OWN, "glibc", Some("2.35-0ubuntu3.10"))]),
        record("CVE-0001-0003", at, "untriaged", &[(OWN, "glibc", None)]),
        record("CVE-0001-0004", at, "critical", &[(OWN, "curl", Some("7.81.0-2"))]),
    ];
    ubuntu(&records.concat())
}

fn jammy(glibc: &str) -> HostPackages {
    let binary = |name: &str| package(name, "glibc", glibc);
    let foreign = InstalledPackage { architecture: "i386".into(), ..binary("libc6") };
    let packages = [binary("libc6"), foreign, binary("libc-bin"), package("curl", "curl", "7.81.0-1")];
    host(Release::Ubuntu2204, &packages)
}

fn findings(glibc: &str) -> Findings {
    Index::build(&[feed(), real::kev()]).findings(&jammy(glibc))
}

#[test]
fn one_update_closes_many() {
    let findings = findings("2.35-0ubuntu3.1");
    let groups = findings.by_update();
    assert_eq!(groups.len(), 3);
    let first = &groups[0];
    assert_eq!((&*first.source_package, first.fixability), ("glibc", Fixability::Fixable));
    assert_eq!((first.cves, first.kev, first.worst), (2, 1, Severity::High));
    assert_eq!(first.to.as_deref(), Some("2.35-0ubuntu3.10"), "the highest by version, not by text");
    assert_eq!(first.binaries.iter().map(|name| &**name).collect::<Vec<_>>(), ["libc-bin", "libc6"]);
    assert!(first.findings.iter().all(|at| &*findings.list()[*at].source_package == "glibc"));
    assert_eq!((groups[1].worst, groups[1].cves), (Severity::Critical, 1));
    assert_eq!((groups[2].fixability, groups[2].to.as_deref()), (Fixability::NoFix, None));
}

#[test]
fn what_is_exploited_comes_before_what_is_critical() {
    let findings = findings("2.35-0ubuntu3.1");
    let first = &findings.list()[0];
    assert_eq!(&*first.cve, "CVE-2023-4911");
    let kev = first.kev.as_ref().expect("CISA lists it");
    assert_eq!(kev.date_added.to_string(), "2023-11-21");
    assert!(first.explain().iter().any(|fact| fact.contains("since 2023-11-21, due by 2023-12-12")));

    let summary = findings.summary();
    assert_eq!((summary.open, summary.kev, summary.fixable, summary.unfixable), (4, 1, 3, 1));
    assert_eq!(
        (summary.critical, summary.high, summary.medium, summary.low, summary.unknown),
        (1, 1, 0, 1, 1)
    );
    assert_eq!((summary.kev_fixable, summary.worst_fixable), (1, Some(Severity::Critical)));
    assert_eq!(summary.by_fixability.get(&Fixability::NoFix), Some(&1));
}

#[test]
fn what_a_caller_sets_apart_is_in_no_count_and_keeps_its_place() {
    let findings = findings("2.35-0ubuntu3.1");
    let counts = |finding: &vulns::Finding| &*finding.cve != "CVE-2023-4911";
    let summary = findings.summary_where(counts);
    assert_eq!((summary.open, summary.kev, summary.high, summary.critical), (3, 0, 0, 1));
    let groups = findings.by_update_where(counts);
    let glibc = groups.iter().find(|group| group.fixability == Fixability::Fixable && group.cves == 1);
    assert!(groups.iter().all(|group| group.kev == 0) && glibc.is_some());
    let places: Vec<usize> = groups.iter().flat_map(|group| group.findings.clone()).collect();
    assert!(places.iter().all(|at| counts(&findings.list()[*at])), "{places:?}");
    assert_eq!(places.len(), 3);
}

#[test]
fn an_update_closes_and_a_downgrade_opens() {
    let (before, after) = (findings("2.35-0ubuntu3.1"), findings("2.35-0ubuntu3.4"));
    let diff = Findings::diff(&before, &after);
    assert_eq!(diff.closed.iter().map(|finding| &*finding.cve).collect::<Vec<_>>(), ["CVE-2023-4911"]);
    assert!(diff.opened.is_empty());
    let back = Findings::diff(&after, &before);
    assert_eq!((back.opened.len(), back.closed.len()), (1, 0));
    assert_eq!(Findings::diff(&before, &before), vulns::FindingsDiff::default());
}

#[test]
fn findings_survive_being_stored() {
    let findings = findings("2.35-0ubuntu3.1");
    let text = serde_json::to_string(&findings).expect("json");
    assert_eq!(serde_json::from_str::<Findings>(&text).expect("findings"), findings);
    let host = jammy("2.35-0ubuntu3.1");
    let text = serde_json::to_string(&host).expect("json");
    assert_eq!(serde_json::from_str::<HostPackages>(&text).expect("a host"), host);
}
