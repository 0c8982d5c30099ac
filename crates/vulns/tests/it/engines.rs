//! Engines on hosts: where they come from, what can be done about their findings, what
//! the coverage says, and how sources are weighed.

use base::Release;

use crate::{fixability, host, package, real};
use vulns::{
    Candidate, Coverage, EngineCoverageState, EngineOrigin, FeedData, FeedFile, FeedKind, Finding, Findings,
    Fixability, Fleet, HostPackages, Index, InstalledEngine, Product, Severity, SeveritySource,
};

/// An engine as its own project releases it.
pub fn upstream(product: Product, version: &str) -> InstalledEngine {
    InstalledEngine {
        product,
        version: version.into(),
        running: None,
        origin: EngineOrigin::Upstream,
        packages: Vec::new(),
        held: false,
    }
}

/// PostgreSQL from its project's own package archive.
pub fn pgdg(version: &str) -> InstalledEngine {
    let package = format!("postgresql-{}", version.split('.').next().unwrap_or_default());
    InstalledEngine {
        origin: EngineOrigin::Pgdg,
        packages: vec![package],
        ..upstream(Product::PostgreSql, &format!("{version}-1.pgdg120+1"))
    }
}

/// An override list with these entries.
pub fn overrides(entries: &str) -> FeedData {
    let json = format!("{{\"overrides\":[{entries}]}}");
    let file = FeedFile { path: "overrides.json", bytes: json.as_bytes() };
    vulns::parse(FeedKind::Overrides, file).expect("a well-formed list")
}

/// What is found of this CVE in an engine.
pub fn finding(index: &Index, engine: &InstalledEngine, cve: &str) -> Option<Finding> {
    index.findings_of_engine(engine).iter().find(|finding| &*finding.cve == cve).cloned()
}

fn explained(finding: &Finding) -> String {
    finding.explain().join("\n")
}

#[test]
fn a_package_of_the_project_is_patched_by_what_the_host_is_offered() {
    let index = Index::build(&[real::nvd_postgresql()]);
    let engine = pgdg("16.9");
    let offer = |version: &str| Candidate {
        name: "postgresql-16".into(),
        version: version.into(),
        ..Candidate::default()
    };
    let of = |pending: Option<Vec<Candidate>>, engine: &InstalledEngine| {
        let host = HostPackages { engines: vec![engine.clone()], pending, ..HostPackages::default() };
        fixability(&index.findings(&host), "CVE-2025-8714")
    };
    assert_eq!(of(None, &engine), [Fixability::Fixable]);
    assert_eq!(of(Some(vec![offer("16.10-1.pgdg120+1")]), &engine), [Fixability::Fixable]);
    assert_eq!(of(Some(vec![offer("16.9-2.pgdg120+1")]), &engine), [Fixability::NotYetInArchive]);
    assert_eq!(of(Some(vec![]), &engine), [Fixability::NotYetInArchive]);
    let held = Candidate { held: true, ..offer("16.10-1.pgdg120+1") };
    assert_eq!(of(Some(vec![held]), &engine), [Fixability::Held]);
    assert_eq!(of(None, &InstalledEngine { held: true, ..engine.clone() }), [Fixability::Held]);
    // The new package is there and the old server still runs.
    let mut updated = pgdg("16.10");
    updated.running = Some("16.9 (Debian 16.9-1.pgdg120+1)".into());
    assert_eq!(of(None, &updated), [Fixability::RestartDue]);
    updated.running = Some("16.10".into());
    assert_eq!(of(None, &updated), []);
}

#[test]
fn what_cannot_be_read_is_flagged_and_never_safe() {
    let index = Index::build(&[real::nvd_minio(), real::osv_minio(), real::nvd_postgresql()]);
    for (product, version) in [
        (Product::Minio, "DEVELOPMENT.GOGET"),
        (Product::Minio, ""),
        (Product::Minio, "DEVELOPMENT.2025-10-15T17-29-55Z"),
        (Product::PostgreSql, "19devel"),
    ] {
        let engine = upstream(product, version);
        let findings = index.findings_of_engine(&engine);
        assert!(findings.len() >= 15, "{version}: {}", findings.len());
        assert!(
            findings.iter().all(|finding| finding.fixability == Fixability::NotJudged && finding.is_open())
        );
        let told = explained(&findings.list()[0]);
        assert!(told.contains("tells no release: nothing proves that it is not affected"), "{told}");
        let host = HostPackages { engines: vec![engine], ..HostPackages::default() };
        assert_eq!(index.coverage(&host).engines[0].state, EngineCoverageState::VersionUnreadable);
    }
    let known = index.findings_of_engine(&upstream(Product::Minio, "DEVELOPMENT.GOGET"));
    let unread = known.iter().map(|finding| finding.cve.clone()).collect::<Vec<_>>();
    let oldest = index.findings_of_engine(&upstream(Product::Minio, "RELEASE.2019-01-01T00-00-00Z"));
    assert!(oldest.iter().all(|finding| unread.contains(&finding.cve)), "no CVE is missing");
}

#[test]
fn the_coverage_tells_each_engine_apart() {
    let index = Index::build(&[real::nvd_minio(), real::nvd_postgresql()]);
    let mut distribution = upstream(Product::PostgreSql, "14.15-0ubuntu0.22.04.1");
    distribution.origin = EngineOrigin::Distribution;
    use EngineCoverageState::{ByDistribution, Covered, NotCovered, UpstreamOnly, VersionUnreadable};
    let engines = [
        (upstream(Product::Minio, "RELEASE.2025-09-07T16-13-09Z"), Covered),
        (upstream(Product::Minio, "DEVELOPMENT.GOGET"), VersionUnreadable),
        (upstream(Product::Silo, "RELEASE.2026-09-16T00-00-00Z"), UpstreamOnly),
        (upstream(Product::RustFs, "1.0.1"), NotCovered),
        (pgdg("16.4"), Covered),
        (distribution, ByDistribution),
    ];
    let host = HostPackages {
        engines: engines.iter().map(|(engine, _)| engine.clone()).collect(),
        packages: vec![
            package("postgresql-16", "postgresql-16", "16.4-1.pgdg120+1"),
            package("curl", "curl", "7.88.1-10"),
        ],
        ..HostPackages::default()
    };
    let coverage = index.coverage(&host);
    assert_eq!(coverage.engines.len(), engines.len());
    let of = |coverage: &Coverage, engine: &InstalledEngine| {
        let mut told = coverage.engines.iter();
        told.find(|told| told.version == engine.version).map(|told| (told.product, told.state))
    };
    for (engine, state) in &engines {
        assert_eq!(of(&coverage, engine), Some((engine.product, *state)), "{engine:?}");
    }
    assert_eq!(coverage.third_party.len(), 1, "{:?}", coverage.third_party);
    let without = Index::build(&[real::nvd_minio()]).coverage(&host);
    let postgresql = of(&without, &engines[4].0);
    assert_eq!(postgresql, Some((Product::PostgreSql, NotCovered)), "no feed about PostgreSQL is loaded");
}

#[test]
fn engines_of_an_inventory_are_found_and_judged_by_who_built_them() {
    let head = "# family=debian release=12 running_kernel=6.1.0-29-amd64 kernel_version=6.1.123-1 \
        columns=db:Status-Want/Status/State,Package,Version,Architecture,source:Package,source:Version";
    let row = |name: &str, version: &str| {
        format!("install ok installed\t{name}\t{version}\tamd64\t{name}\t{version}\n")
    };
    let rows = format!(
        "{head}\n{}{}",
        row("postgresql-16", "16.4-1.pgdg120+1"),
        row("postgresql-15", "15.8-0+deb12u1")
    );
    let host = vulns::inventory::read(rows.as_bytes()).expect("an inventory");
    let origins: Vec<EngineOrigin> = host.engines.iter().map(|engine| engine.origin).collect();
    assert_eq!(origins, [EngineOrigin::Distribution, EngineOrigin::Pgdg]);
    let findings = Index::build(&[real::nvd_postgresql()]).findings(&host);
    assert!(!findings.is_empty());
    assert!(findings.iter().all(|finding| &*finding.installed == "16.4-1.pgdg120+1"));
    let groups = findings.by_update();
    let fixable = groups.iter().find(|group| group.fixability == Fixability::Fixable).expect("a group");
    assert_eq!((&*fixable.source_package, fixable.to.as_deref()), ("postgresql", Some("16.15")));
}

#[test]
fn a_fork_has_the_faults_of_its_upstream_until_it_is_known_better() {
    let feeds = [real::nvd_minio(), real::osv_minio()];
    let index = Index::build(&feeds);
    let silo = upstream(Product::Silo, "RELEASE.2026-09-16T00-00-00Z");
    let findings = index.findings_of_engine(&silo);
    // Fixed upstream before the fork: its code has that fix.
    assert_eq!(fixability(&findings, "CVE-2024-55949"), []);
    // Never fixed upstream: only the fork knows.
    assert_eq!(fixability(&findings, "CVE-2026-41145"), [Fixability::NotJudged]);
    let told = explained(&finding(&index, &silo, "CVE-2026-41145").expect("one"));
    assert!(told.contains("silo carries on another project's code"), "{told}");

    let entry = r#"{"cve":"CVE-2026-41145","product":"silo","affected":["< RELEASE.2026-09-03T13-18-01Z"],
        "fixed":"RELEASE.2026-09-03T13-18-01Z","reason":"the fork's own ledger"}"#;
    let [nvd, osv] = feeds;
    let index = Index::build(&[nvd, osv, overrides(entry)]);
    assert_eq!(finding(&index, &silo, "CVE-2026-41145"), None);
    let older = upstream(Product::Silo, "RELEASE.2026-08-20T00-00-00Z");
    let open = finding(&index, &older, "CVE-2026-41145").expect("older than its fix");
    assert_eq!(open.fixability, Fixability::Fixable);
    assert_eq!(open.fixed.as_deref(), Some("RELEASE.2026-09-03T13-18-01Z"));
}

#[test]
fn scores_of_an_engine_are_all_kept_and_ordered() {
    let index = Index::build(&[real::nvd_minio()]);
    let of = |cve: &str, version: &str| finding(&index, &upstream(Product::Minio, version), cve).expect(cve);
    let bases = |finding: &Finding| -> Vec<String> {
        finding.scores.iter().map(|score| format!("{} {}", score.version, score.base)).collect()
    };
    let two = of("CVE-2023-25812", "2022-01-01t00-00-00z");
    assert_eq!(bases(&two), ["3.1 8.8", "3.1 6.5"]);
    assert_eq!(two.severity, Severity::High);
    let newer = of("CVE-2026-33322", "2023-01-01t00-00-00z");
    assert_eq!(bases(&newer), ["4.0 9.2", "3.1 9.8"]);
    assert_eq!(newer.severity, Severity::Critical);
    assert_eq!(newer.proof.severity_source, Some(SeveritySource::Cvss));
    assert!(newer.ssvc.is_some());
    // NVD repeats CISA's catalogue.
    let exploited = of("CVE-2023-28432", "2022-01-01t00-00-00z");
    let kev = exploited.kev.as_ref().expect("exploited");
    assert_eq!((kev.told_by, kev.due_date.is_some()), (FeedKind::Nvd, true));
    let with_catalogue = Index::build(&[real::nvd_minio(), real::kev()]);
    let exploited =
        finding(&with_catalogue, &upstream(Product::Minio, "2022-01-01t00-00-00z"), "CVE-2023-28434");
    assert_eq!(exploited.and_then(|finding| finding.kev.clone()).map(|kev| kev.told_by), Some(FeedKind::Kev));
}

#[test]
fn a_later_reading_replaces_a_record_and_a_rejection_ends_it() {
    let page = |modified: &str, status: &str, end: &str| {
        let json = format!(
            r#"{{"timestamp":"2026-08-22T00:00:00.000","vulnerabilities":[{{"cve":{{"id":"CVE-2024-1",
            "lastModified":"{modified}","vulnStatus":"{status}","configurations":[{{"nodes":[{{"operator":"OR",
            "negate":false,"cpeMatch":[{{"vulnerable":true,"criteria":"cpe:2.3:a:minio:minio:*:*:*:*:*:*:*:*",
            "versionEndExcluding":"{end}"}}]}}]}}]}}}}]}}"#
        );
        vulns::parse(FeedKind::Nvd, FeedFile { path: "nvd-page.json", bytes: json.as_bytes() })
            .expect("a page")
    };
    let engine = upstream(Product::Minio, "2024-06-01t00-00-00z");
    let found = |feeds: &[FeedData]| Index::build(feeds).findings_of_engine(&engine).len();
    let old = page("2024-01-01T00:00:00.000", "Deferred", "2024-12-01t00-00-00z");
    let new = page("2024-02-01T00:00:00.000", "Analyzed", "2024-05-01t00-00-00z");
    let rejected = page("2024-03-01T00:00:00.000", "Rejected", "2024-12-01t00-00-00z");
    assert_eq!(found(std::slice::from_ref(&old)), 1, "a deferred record counts");
    for feeds in
        [[old.clone(), new.clone()], [new, old.clone()], [old.clone(), rejected.clone()], [rejected, old]]
    {
        assert_eq!(found(&feeds), 0);
    }
}

#[test]
fn a_fleet_follows_what_is_said_of_engines() {
    let before = [real::nvd_minio(), real::nvd_postgresql()];
    let entry =
        r#"{"cve":"CVE-2025-8714","product":"postgresql","affected":[],"reason":"not reachable here"}"#;
    let after = [real::nvd_minio(), real::nvd_postgresql(), overrides(entry)];
    let (before, after) = (Index::build(&before), Index::build(&after));
    let host =
        |engine: InstalledEngine| HostPackages { engines: vec![engine], ..host(Release::Debian12, &[]) };
    let hosts = [host(pgdg("16.4")), host(upstream(Product::Minio, "RELEASE.2025-09-07T16-13-09Z"))];
    let mut fleet =
        Fleet::new(std::sync::Arc::new(Index::build(&[real::nvd_minio(), real::nvd_postgresql()])));
    let sets: Vec<_> = hosts.iter().enumerate().map(|(name, host)| fleet.place(name, host)).collect();
    for (set, host) in sets.iter().zip(&hosts) {
        assert_eq!(fleet.findings(*set), Some(before.findings(host)));
    }
    let expected: Vec<Findings> = hosts.iter().map(|host| after.findings(host)).collect();
    let rematch = fleet.update(std::sync::Arc::new(after));
    assert_eq!((rematch.parts, rematch.changes.len()), (1, 1), "{:?}", rematch.changes);
    assert_eq!(&*rematch.changes[0].cve, "CVE-2025-8714");
    for (set, expected) in sets.iter().zip(expected) {
        assert_eq!(fleet.findings(*set), Some(expected));
    }
}
