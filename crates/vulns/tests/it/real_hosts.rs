//! Real hosts against real feeds. The numbers are those that were counted
//! independently of this code, at the level of source packages.

use std::collections::BTreeSet;

use crate::real;
use vulns::{Finding, Findings, Fixability, Index, KernelCoverage, ReleaseCoverage, Severity};

/// Distinct pairs of CVE and source package among some findings.
fn pairs(findings: &Findings, which: impl Fn(&Finding) -> bool) -> BTreeSet<(&str, &str)> {
    findings.iter().filter(|finding| which(finding)).map(Finding::key).collect()
}

fn is_kernel(finding: &Finding) -> bool {
    &*finding.source_package == "linux"
}

fn without_fix(finding: &Finding) -> bool {
    matches!(finding.fixability, Fixability::NoFix | Fixability::EsmOnly | Fixability::EndOfLife)
}

/// Listed for the release itself, not for Ubuntu Pro alone.
fn of_release(finding: &Finding, ecosystem: &str) -> bool {
    &*finding.proof.listed_in == ecosystem
}

#[test]
fn debian_12() {
    let host = real::inventory("debian-12");
    let index = Index::build(&[real::debian().clone(), real::kev()]);
    let findings = index.findings(&host);
    let count = |which: &dyn Fn(&Finding) -> bool| pairs(&findings, which).len();
    assert_eq!(count(&|f| f.fixability == Fixability::Fixable && !is_kernel(f)), 3);
    assert_eq!(count(&|f| f.fixability == Fixability::Fixable && is_kernel(f)), 93);
    assert_eq!(count(&|f| without_fix(f) && !is_kernel(f)), 71);
    assert_eq!(count(&|f| f.fixability == Fixability::Unimportant && !is_kernel(f)), 139);

    let kernel = findings.iter().find(|f| is_kernel(f) && f.fixability == Fixability::Fixable).expect("one");
    assert_eq!(&*kernel.installed, "6.1.123-1");
    assert!(kernel.kernel.as_ref().is_some_and(|facts| facts.running));
    assert_eq!(
        kernel.binaries.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["linux-image-6.1.0-29-amd64"]
    );
    let explained = kernel.explain().join("\n");
    for fact in [
        "as of 2025-02-12",
        "in bookworm",
        "linux-image-6.1.0-29-amd64 6.1.123-1 is built from linux-signed-amd64 6.1.123+1",
        "Version 6.1.123-1 is older than",
        "The running kernel 6.1.0-29-amd64 is linux 6.1.123-1.",
        "can be installed now",
        "Nobody has given a score yet.",
    ] {
        assert!(explained.contains(fact), "`{fact}` in:\n{explained}");
    }

    let coverage = index.coverage(&host);
    assert_eq!(coverage.release, ReleaseCoverage::Covered);
    assert_eq!(coverage.kernel, KernelCoverage::Covered);
    assert!(coverage.sources_named > 50 && coverage.sources_named < coverage.sources, "{coverage:?}");
    assert_eq!(coverage.unnamed.len(), coverage.sources - coverage.sources_named);
    assert!(coverage.unnamed.is_sorted() && !coverage.unnamed.iter().any(|source| source == "openssl"));
}

#[test]
fn ubuntu_22_04() {
    let host = real::inventory("ubuntu-2204");
    let findings = Index::build(&[real::ubuntu().clone(), real::kev()]).findings(&host);
    let own = |f: &Finding| of_release(f, "Ubuntu:22.04:LTS");
    let count = |which: &dyn Fn(&Finding) -> bool| pairs(&findings, which).len();
    assert_eq!(count(&|f| f.fixability == Fixability::Fixable && !is_kernel(f)), 287);
    assert_eq!(count(&|f| f.fixability == Fixability::Fixable && is_kernel(f)), 703);
    assert_eq!(count(&|f| own(f) && without_fix(f)), 1152);

    let exploited: BTreeSet<&str> = findings
        .iter()
        .filter(|f| f.kev.is_some() && f.fixability == Fixability::Fixable)
        .map(|f| &*f.cve)
        .collect();
    let known = [
        "CVE-2023-0386",
        "CVE-2023-20867",
        "CVE-2023-44487",
        "CVE-2023-4863",
        "CVE-2023-4911",
        "CVE-2024-1086",
    ];
    assert_eq!(exploited, BTreeSet::from(known));
    assert!(findings.list()[0].kev.is_some(), "what is exploited comes first");
    assert!(findings.iter().any(|f| f.severity == Severity::High && f.proof.severity_source.is_some()));
}

#[test]
fn ubuntu_24_04() {
    let host = real::inventory("ubuntu-2404");
    let findings = Index::build(&[real::ubuntu().clone()]).findings(&host);
    let own = |f: &Finding| of_release(f, "Ubuntu:24.04:LTS");
    let count = |which: &dyn Fn(&Finding) -> bool| pairs(&findings, which).len();
    assert_eq!(count(&|f| f.fixability == Fixability::Fixable && !is_kernel(f)), 34);
    assert_eq!(count(&|f| f.fixability == Fixability::Fixable && is_kernel(f)), 631);
    assert_eq!(count(&|f| own(f) && without_fix(f)), 695);
}

#[test]
fn a_release_that_no_feed_speaks_of_is_said_to_be_so() {
    let index = Index::build(&[real::debian().clone()]);
    let ubuntu = real::inventory("ubuntu-2604");
    assert_eq!(index.coverage(&ubuntu).release, ReleaseCoverage::NoFeed);
    assert!(index.findings(&ubuntu).is_empty());
    let mut nameless = real::inventory("debian-12");
    nameless.release = None;
    assert_eq!(index.coverage(&nameless).release, ReleaseCoverage::Unknown);
    assert_eq!(index.findings(&nameless).release(), None);
}
