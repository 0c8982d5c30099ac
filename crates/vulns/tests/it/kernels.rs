//! Which kernel a finding is about: what runs, not what is installed.

use base::Release;

use crate::{debian, fixability, found, host, package, record, ubuntu};
use vulns::{Candidate, Fixability, HostPackages, InstalledPackage, RunningKernel};

const TRACKER: &str = r#"{"linux": {
  "CVE-0001-0001": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "6.1.110-1", "urgency": "not yet assigned"}}},
  "CVE-0001-0002": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "6.1.123-1", "urgency": "not yet assigned"}}},
  "CVE-0001-0003": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "6.1.140-1", "urgency": "not yet assigned"}}},
  "CVE-0001-0004": {"releases": {"bookworm": {"status": "open", "urgency": "not yet assigned"}}},
  "CVE-0001-0005": {"releases": {"bookworm": {"status": "open", "urgency": "unimportant"}}}
}}"#;

/// A signed image of Debian.
fn image(abi: &str, version: &str) -> InstalledPackage {
    InstalledPackage {
        source: "linux-signed-amd64".into(),
        source_version: version.replace('-', "+"),
        ..package(&format!("linux-image-{abi}-amd64"), "", version)
    }
}

fn bookworm(running: &str, images: &[InstalledPackage]) -> HostPackages {
    let kernel = RunningKernel { release: running.into(), ..RunningKernel::default() };
    HostPackages { kernel, ..host(Release::Debian12, images) }
}

const FOUR: [&str; 4] = ["CVE-0001-0001", "CVE-0001-0002", "CVE-0001-0003", "CVE-0001-0004"];

fn check(host: &HostPackages, expected: [&[Fixability]; 4]) {
    let findings = found(debian(TRACKER), host);
    for (cve, expected) in FOUR.iter().zip(expected) {
        assert_eq!(fixability(&findings, cve), expected, "{cve}");
    }
    assert_eq!(fixability(&findings, "CVE-0001-0005"), [Fixability::Unimportant]);
}

use Fixability::{Fixable, NoFix, NotInEffect, NotRunning};

#[test]
fn the_only_kernel_runs() {
    let host = bookworm("6.1.0-25-amd64", &[image("6.1.0-25", "6.1.106-3")]);
    check(&host, [&[Fixable], &[Fixable], &[Fixable], &[NoFix]]);
}

#[test]
fn a_newer_kernel_is_installed_and_does_not_run() {
    let images = [image("6.1.0-25", "6.1.106-3"), image("6.1.0-29", "6.1.123-1")];
    let host = bookworm("6.1.0-25-amd64", &images);
    check(&host, [&[NotInEffect], &[NotInEffect], &[Fixable], &[NoFix]]);
    let findings = found(debian(TRACKER), &host);
    let pending = findings.iter().find(|finding| finding.fixability == NotInEffect).expect("one");
    assert!(pending.explain().iter().any(|fact| fact.contains("a reboot puts it into effect")));
    let facts = pending.kernel.as_ref().expect("a kernel");
    assert!(facts.running && facts.images.len() == 2);
}

#[test]
fn an_older_kernel_lies_beside_the_running_one() {
    let images = [image("6.1.0-29", "6.1.123-1"), image("6.1.0-25", "6.1.106-3")];
    let host = bookworm("6.1.0-29-amd64", &images);
    check(&host, [&[NotRunning], &[NotRunning], &[Fixable], &[NoFix]]);
    let findings = found(debian(TRACKER), &host);
    let lying = findings.iter().find(|finding| finding.fixability == NotRunning).expect("one");
    assert_eq!(&*lying.installed, "6.1.106-3");
    assert!(lying.kernel.as_ref().is_some_and(|facts| !facts.running));
    assert!(!lying.is_open());
    assert_eq!(findings.summary().open, 2);
}

#[test]
fn a_package_upgraded_in_place_still_runs_the_old_build() {
    let mut host = bookworm("6.1.0-25-amd64", &[image("6.1.0-25", "6.1.123-1")]);
    host.kernel.package_version = Some("6.1.106-3".into());
    check(&host, [&[NotInEffect], &[NotInEffect], &[Fixable], &[NoFix]]);
}

#[test]
fn a_kernel_whose_package_was_removed_still_runs() {
    let mut host = bookworm("6.1.0-25-amd64", &[]);
    host.kernel.package_version = Some("6.1.106-3".into());
    check(&host, [&[Fixable], &[Fixable], &[Fixable], &[NoFix]]);
}

#[test]
fn not_knowing_what_runs_makes_nothing_safer() {
    let host = bookworm("", &[image("6.1.0-25", "6.1.106-3")]);
    check(&host, [&[Fixable], &[Fixable], &[Fixable], &[NoFix]]);
    let findings = found(debian(TRACKER), &host);
    assert!(findings.list()[0].kernel.as_ref().is_some_and(|facts| !facts.running));
}

#[test]
fn headers_and_libraries_of_the_kernel_do_not_run() {
    let headers = package("linux-headers-6.1.0-25-common", "linux", "6.1.106-3");
    let library = package("linux-libc-dev", "linux", "6.1.106-3");
    assert!(found(debian(TRACKER), &bookworm("", &[headers, library])).is_empty());
}

#[test]
fn a_new_kernel_is_offered_under_another_name() {
    let mut host = bookworm("6.1.0-25-amd64", &[image("6.1.0-25", "6.1.106-3")]);
    host.pending = Some(vec![Candidate {
        name: "linux-image-6.1.0-29-amd64".into(),
        version: "6.1.123-1".into(),
        ..Candidate::default()
    }]);
    check(&host, [&[Fixable], &[Fixable], &[Fixability::NotYetInArchive], &[NoFix]]);
    host.pending = Some(vec![]);
    let none: &[Fixability] = &[Fixability::NotYetInArchive];
    check(&host, [none, none, none, &[NoFix]]);
    let meta =
        InstalledPackage { held: true, ..package("linux-image-amd64", "linux-signed-amd64", "6.1.106-3") };
    host.packages.push(meta);
    let held: &[Fixability] = &[Fixability::Held];
    check(&host, [held, held, held, &[NoFix]]);
}

#[test]
fn only_the_flavour_that_runs_is_matched_on_ubuntu() {
    let at = "2024-08-09T12:10:43Z";
    let own = "Ubuntu:22.04:LTS";
    let records = [
        record("CVE-0001-0001", at, "high", &[(own, "linux", Some("5.15.0-119.129"))]),
        record("CVE-0001-0002", at, "high", &[(own, "linux-hwe-6.8", Some("6.8.0-40.40~22.04.1"))]),
        record("CVE-0001-0003", at, "high", &[(own, "linux-aws", Some("5.15.0-1068.74"))]),
    ];
    let mut host = host(
        Release::Ubuntu2204,
        &[
            package("linux-image-5.15.0-69-generic", "linux-signed", "5.15.0-69.76"),
            package("linux-modules-5.15.0-69-generic", "linux", "5.15.0-69.76"),
            package("linux-image-generic", "linux-meta", "5.15.0.69.67"),
            package("linux-image-6.8.0-38-generic", "linux-signed-hwe-6.8", "6.8.0-38.38~22.04.1"),
            package("linux-modules-6.8.0-38-generic", "linux-hwe-6.8", "6.8.0-38.38~22.04.1"),
        ],
    );
    host.kernel.release = "6.8.0-38-generic".into();
    let findings = found(ubuntu(&records.concat()), &host);
    assert_eq!(fixability(&findings, "CVE-0001-0001"), [NotRunning]);
    assert_eq!(fixability(&findings, "CVE-0001-0002"), [Fixable]);
    assert_eq!(fixability(&findings, "CVE-0001-0003"), []);

    host.pending = Some(vec![Candidate {
        name: "linux-image-generic-hwe-22.04".into(),
        version: "6.8.0.40.40~22.04.1".into(),
        phased: true,
        ..Candidate::default()
    }]);
    let findings = found(ubuntu(&records.concat()), &host);
    assert_eq!(fixability(&findings, "CVE-0001-0002"), [Fixability::Phased]);
}
