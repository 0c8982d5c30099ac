//! What is easy to get wrong in these feeds, trap by trap, on the real records. Each
//! test is a table; where a trap has a rule of its own, that rule has tests elsewhere.

use base::Release;

use crate::{
    engines::{finding, overrides, pgdg, upstream},
    fixability, host, package, real,
};
use vulns::{
    FeedKind, Fixability, HostPackages, Index, InstalledEngine, InstalledPackage, Product, RunningKernel,
};

fn minio(version: &str) -> InstalledEngine {
    upstream(Product::Minio, version)
}

/// Whether these versions are affected by a CVE, and how each is to be dealt with.
fn check(index: &Index, product: Product, cve: &str, rows: &[(&str, Option<Fixability>)]) {
    for (version, expected) in rows {
        let engine = match product {
            Product::PostgreSql => pgdg(version),
            _ => upstream(product, version),
        };
        let found = finding(index, &engine, cve).map(|finding| finding.fixability);
        assert_eq!(found, *expected, "{cve} in {product} {version}");
    }
}

const FIXABLE: Option<Fixability> = Some(Fixability::Fixable);
const NO_UPSTREAM: Option<Fixability> = Some(Fixability::NoUpstream);

/// 1. CPE versions of MinIO are in lower case and lack `RELEASE.`.
#[test]
fn trap_1_minio_versions_have_many_forms() {
    let index = Index::build(&[real::nvd_minio()]);
    check(
        &index,
        Product::Minio,
        "CVE-2023-28432",
        &[
            ("RELEASE.2023-03-20T20-16-18Z", None),
            ("2023-03-20t20-16-18z", None),
            ("2023-03-20T20:16:18Z", None),
            ("RELEASE.2023-03-20T20-16-17Z", FIXABLE),
            ("2023-03-20t20-16-17z", FIXABLE),
            ("RELEASE.2019-12-17T23-16-33Z", FIXABLE),
            ("RELEASE.2019-12-17T23-16-32Z", None),
        ],
    );
}

/// 2. One range of NVD has a lower-case start and an upper-case end.
#[test]
fn trap_2_the_case_differs_inside_one_range() {
    let index = Index::build(&[real::nvd_minio()]);
    for cve in ["CVE-2026-40344", "CVE-2026-41145"] {
        check(
            &index,
            Product::Minio,
            cve,
            &[
                ("RELEASE.2023-05-18T00-05-36Z", NO_UPSTREAM),
                ("release.2023-05-18t00-05-36z", NO_UPSTREAM),
                ("2026-04-11t03-20-11z", NO_UPSTREAM),
                ("2026-04-11T03-20-12Z", None),
                ("2026-04-11t03-20-12z", None),
                ("2023-05-18t00-05-35z", None),
            ],
        );
    }
}

/// 3. NVD names the fixed release of CVE-2024-24747 as the affected one, and no range.
#[test]
fn trap_3_nvd_is_wrong_and_an_override_decides() {
    let (before, fixed) = ("RELEASE.2024-01-29T03-56-32Z", "RELEASE.2024-01-31T20-20-33Z");
    let cve = "CVE-2024-24747";
    let nvd = Index::build(&[real::nvd_minio()]);
    check(&nvd, Product::Minio, cve, &[(before, None), (fixed, FIXABLE)]);
    // The union finds what NVD misses, and still believes it where it alone sees a fault.
    let union = Index::build(&[real::nvd_minio(), real::osv_minio()]);
    check(&union, Product::Minio, cve, &[(before, FIXABLE), (fixed, FIXABLE)]);
    let disputed = finding(&union, &minio(fixed), cve).expect("believed");
    let facts = disputed.engine.as_ref().expect("an engine");
    let holds: Vec<(&str, Option<bool>)> = facts.said.iter().map(|said| (&*said.by, said.holds)).collect();
    let expected =
        [("nvd@nist.gov", Some(true)), ("GHSA-xx8w-mq23-29g4", Some(false)), ("GO-2024-2499", Some(false))];
    assert_eq!(holds, expected);

    let entry = r#"{"cve":"CVE-2024-24747","product":"minio","affected":["< RELEASE.2024-01-31T20-20-33Z"],
        "fixed":"RELEASE.2024-01-31T20-20-33Z","reason":"NVD names the fixed release as the affected one"}"#;
    let corrected = Index::build(&[real::nvd_minio(), real::osv_minio(), overrides(entry)]);
    check(&corrected, Product::Minio, cve, &[(before, FIXABLE), (fixed, None)]);
    let decided = finding(&corrected, &minio(before), cve).expect("affected");
    assert_eq!(decided.proof.feed, FeedKind::Overrides);
    assert_eq!(decided.fixed.as_deref(), Some(fixed));
    let told = decided.explain().join("\n");
    assert!(told.contains("because: NVD names the fixed release"), "{told}");
}

/// 4. What was fixed in 2026 was fixed in the commercial edition only.
#[test]
fn trap_4_there_is_no_community_fix() {
    let index = Index::build(&[real::nvd_minio(), real::osv_minio()]);
    let last = "RELEASE.2025-10-15T17-29-55Z";
    for cve in [
        "CVE-2026-33322",
        "CVE-2026-33419",
        "CVE-2026-34204",
        "CVE-2026-39414",
        "CVE-2026-40344",
        "CVE-2026-41145",
        "CVE-2026-42600",
    ] {
        check(
            &index,
            Product::Minio,
            cve,
            &[(last, NO_UPSTREAM), ("RELEASE.2024-06-13T22-53-53Z", NO_UPSTREAM)],
        );
        let found = finding(&index, &minio(last), cve).expect(cve);
        assert_eq!(found.fixed, None, "{cve}: what cannot be installed is no fix");
        assert!(found.explain().iter().any(|fact| fact.contains("no longer maintained")), "{cve}");
    }
    // The last community release itself fixes one.
    check(
        &index,
        Product::Minio,
        "CVE-2025-62506",
        &[(last, None), ("RELEASE.2025-09-07T16-13-09Z", FIXABLE)],
    );
}

/// 5. Go and GitHub name commits, some with fewer digits, some with the real range elsewhere.
#[test]
fn trap_5_commits_are_compared_by_their_time() {
    let index = Index::build(&[real::osv_minio()]);
    for (cve, rows) in [
        // 0.0.0-20240527191746-e0fe7cc39172
        (
            "CVE-2024-36107",
            [("RELEASE.2024-05-27T19-17-46Z", None), ("RELEASE.2024-05-10T01-41-38Z", FIXABLE)],
        ),
        // 0.0.0-202303200415, twelve digits
        (
            "CVE-2023-28434",
            [("RELEASE.2023-03-20T20-16-18Z", None), ("RELEASE.2023-03-13T19-46-17Z", FIXABLE)],
        ),
        // custom_ranges with releases
        (
            "CVE-2025-27414",
            [("RELEASE.2025-02-28T09-55-16Z", None), ("RELEASE.2025-02-18T16-25-55Z", FIXABLE)],
        ),
        (
            "CVE-2025-27414",
            [("RELEASE.2024-06-06T09-36-41Z", None), ("RELEASE.2024-06-06T09-36-42Z", FIXABLE)],
        ),
        // custom_ranges with commits
        (
            "CVE-2026-42600",
            [("RELEASE.2022-07-24T01-54-51Z", None), ("RELEASE.2022-07-24T01-54-52Z", NO_UPSTREAM)],
        ),
    ] {
        check(&index, Product::Minio, cve, &rows);
    }
    let fixed = finding(&index, &minio("RELEASE.2025-03-12T18-04-18Z"), "CVE-2025-31489").expect("affected");
    assert_eq!(
        fixed.fixed.as_deref(),
        Some("0.0.0-20250403145552-8c70975283f9"),
        "a commit, as no release is named"
    );
    // The whole databases hold the same, among thousands of records that are not about engines.
    for (feed, records) in [(real::go_database(), 4291), (real::github_go(), 2125)] {
        assert_eq!(feed.records(), records);
        let index = Index::build(&[feed]);
        check(&index, Product::Minio, "CVE-2024-36107", &[("RELEASE.2024-05-10T01-41-38Z", FIXABLE)]);
    }
}

/// 6. Records without configurations: other sources fill the gap.
#[test]
fn trap_6_records_without_configurations_are_filled() {
    let nvd = [real::nvd_minio(), real::nvd_postgresql()];
    let index = Index::build(&[
        nvd[0].clone(),
        nvd[1].clone(),
        real::osv_minio(),
        real::cve_records().clone(),
        real::nvd_supplement().clone(),
    ]);
    let alone = Index::build(&nvd);
    let minio = [
        ("CVE-2024-36107", "RELEASE.2024-05-10T01-41-38Z"),
        ("CVE-2024-55949", "RELEASE.2024-11-07T00-52-20Z"),
        ("CVE-2025-31489", "RELEASE.2025-03-12T18-04-18Z"),
        ("CVE-2025-62506", "RELEASE.2025-09-07T16-13-09Z"),
        ("CVE-2026-42600", "RELEASE.2025-09-07T16-13-09Z"),
    ];
    for (cve, version) in minio {
        let engine = upstream(Product::Minio, version);
        assert_eq!(finding(&alone, &engine, cve), None, "{cve} is not in NVD alone");
        assert!(finding(&index, &engine, cve).is_some(), "{cve} in {version}");
    }
    for (cve, affected, fixed) in [
        ("CVE-2024-7348", "16.3", "16.4"),
        ("CVE-2024-10979", "16.4", "16.5"),
        ("CVE-2025-1094", "16.6", "16.7"),
        ("CVE-2025-4207", "16.8", "16.9"),
        ("CVE-2025-8714", "16.9", "16.10"),
        ("CVE-2025-12818", "16.10", "16.11"),
        ("CVE-2026-6473", "16.13", "16.14"),
        ("CVE-2026-14662", "16.14", "16.15"),
    ] {
        check(&index, Product::PostgreSql, cve, &[(affected, FIXABLE), (fixed, None)]);
        let found = finding(&index, &pgdg(affected), cve).expect(cve);
        assert_eq!(found.fixed.as_deref(), Some(fixed), "{cve}");
    }
    // In NVD alone, only what repeats the author's words is known of these.
    check(&alone, Product::PostgreSql, "CVE-2025-8714", &[("16.9", FIXABLE)]);
    check(&alone, Product::PostgreSql, "CVE-2024-7348", &[("16.3", None)]);
    // Of the real records here, none fills this one.
    check(&index, Product::PostgreSql, "CVE-2024-0985", &[("16.1", None)]);
}

/// 7. PostgreSQL's CNA writes `rpm` and `0 ≤ v < 13.22`; numbers are compared as numbers.
#[test]
fn trap_7_postgresql_numbers() {
    let index = Index::build(&[real::nvd_postgresql()]);
    let end_of_life = Some(Fixability::EndOfLife);
    check(
        &index,
        Product::PostgreSql,
        "CVE-2025-8714",
        &[
            ("13.9", FIXABLE),
            ("13.21", FIXABLE),
            ("13.22", None),
            ("13.100", None),
            ("14.9", FIXABLE),
            ("14.19", None),
            ("17.5", FIXABLE),
            ("17.10", None),
            ("18.0", None),
            // Majors that are no longer supported match the oldest range, and get no fix of their own.
            ("12.22", end_of_life),
            ("9.6.24", end_of_life),
        ],
    );
}

/// 8. CVE-2024-4317 needs a script after the update: no version proves the fix.
#[test]
fn trap_8_the_version_alone_is_no_proof() {
    let index = Index::build(&[real::nvd_postgresql(), real::cve_records().clone()]);
    let manual = Some(Fixability::ManualStep);
    let cve = "CVE-2024-4317";
    check(
        &index,
        Product::PostgreSql,
        cve,
        &[
            ("16.2", FIXABLE),
            ("16.3", manual),
            ("16.10", manual),
            ("15.7", manual),
            ("14.12", manual),
            ("13.15", None),
            ("17.0", None),
        ],
    );
    for version in ["16.2", "16.3"] {
        let told = finding(&index, &pgdg(version), cve).expect("flagged").explain().join("\n");
        assert!(told.contains("fix-CVE-2024-4317.sql"), "{told}");
    }
    let done =
        r#"{"cve":"CVE-2024-4317","product":"postgresql","affected":[],"reason":"the script was run"}"#;
    let index = Index::build(&[real::nvd_postgresql(), real::cve_records().clone(), overrides(done)]);
    check(&index, Product::PostgreSql, cve, &[("16.3", None)]);
}

/// 9. An exact version beside ranges, and PostgreSQL as the platform of something else.
#[test]
fn trap_9_configurations_are_read_as_they_are_meant() {
    let index = Index::build(&[real::nvd_postgresql()]);
    check(
        &index,
        Product::PostgreSql,
        "CVE-2023-5868",
        &[("16.0", FIXABLE), ("16.1", None), ("15.4", FIXABLE), ("15.5", None), ("11.21", FIXABLE)],
    );
    // The vulnerable product is another one that runs on PostgreSQL.
    check(&index, Product::PostgreSql, "CVE-2022-24844", &[("13.9", None), ("14.0", None), ("9.6.24", None)]);
    let year = Index::build(&[real::nvd_2022()]);
    check(&year, Product::PostgreSql, "CVE-2022-24844", &[("13.9", None)]);
    check(&year, Product::PostgreSql, "CVE-2022-1552", &[("13.6", FIXABLE), ("13.7", None)]);
    check(
        &year,
        Product::Minio,
        "CVE-2022-31028",
        &[("2022-06-02t02-11-03z", FIXABLE), ("2022-06-02t02-11-04z", None)],
    );
}

/// 10. A distribution's package carries fixes that its version does not show.
#[test]
fn trap_10_ranges_of_nvd_are_for_upstream_builds() {
    let index = Index::build(&[real::nvd_postgresql(), real::nvd_2022(), real::nvd_supplement().clone()]);
    for (release, name, version, found) in [
        (Release::Ubuntu2204, "postgresql-14", "14.15-0ubuntu0.22.04.1", false),
        (Release::Ubuntu2204, "openssl", "3.0.2-0ubuntu1.19", false),
        (Release::Debian12, "postgresql-15", "15.8-0+deb12u1", false),
        (Release::Ubuntu2204, "postgresql-14", "14.15-1.pgdg22.04+1", true),
        (Release::Debian12, "postgresql-15", "15.8-1.pgdg120+1", true),
    ] {
        let packages = [package(name, name, version)];
        let host =
            HostPackages { engines: InstalledEngine::of_packages(&packages), ..host(release, &packages) };
        assert_eq!(!index.findings(&host).is_empty(), found, "{name} {version}");
    }
    for name in ["debian-12", "ubuntu-2204", "ubuntu-2404"] {
        assert!(index.findings(&real::inventory(name)).is_empty(), "{name} has no engine of upstream");
    }
}

/// 11. A kernel is matched by the source of what runs; names of packages carry the fixed version.
#[test]
fn trap_11_kernels_by_what_runs() {
    let index = Index::build(&[real::debian().clone()]);
    let image = |abi: &str, version: &str| InstalledPackage {
        source_version: version.replace('-', "+"),
        ..package(&format!("linux-image-{abi}-amd64"), "linux-signed-amd64", version)
    };
    let old = image("6.1.0-25", "6.1.106-3");
    let new = image("6.1.0-28", "6.1.119-1");
    // Fixed in bookworm by 6.1.119-1.
    let cve = "CVE-2022-45888";
    for (running, images, expected) in [
        ("6.1.0-25-amd64", vec![old.clone()], vec![Fixability::Fixable]),
        ("6.1.0-25-amd64", vec![old.clone(), new.clone()], vec![Fixability::NotInEffect]),
        ("6.1.0-28-amd64", vec![old, new.clone()], vec![Fixability::NotRunning]),
        ("6.1.0-28-amd64", vec![new], vec![]),
    ] {
        let kernel = RunningKernel { release: running.into(), ..RunningKernel::default() };
        let host = HostPackages { kernel, ..host(Release::Debian12, &images) };
        assert_eq!(fixability(&index.findings(&host), cve), expected, "{running} with {}", images.len());
    }
}

/// 12. Versions of packages are compared by dpkg's rules.
#[test]
fn trap_12_versions_by_the_rules_of_dpkg() {
    for (less, more) in [
        ("1:9.6p1-3ubuntu13.3", "1:9.6p1-3ubuntu13.10"),
        ("9.6p1-3ubuntu13.3", "1:0.1"),
        ("16.4-0ubuntu0.24.04.2", "16.4-1"),
        ("16.4-0ubuntu0.24.04.2", "16.10-0ubuntu0.24.04.1"),
        ("7.0.33-0ubuntu0.16.04.16", "7.0.33-0ubuntu0.16.04.16+esm15"),
        ("7.0.33-0ubuntu0.16.04.16+esm9", "7.0.33-0ubuntu0.16.04.16+esm15"),
        ("2.0~rc1-1", "2.0-1"),
    ] {
        assert!(vulns::version::compare(less, more).is_lt(), "{less} < {more}");
    }
}
