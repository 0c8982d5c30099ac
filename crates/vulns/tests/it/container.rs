//! A container: its kernel packages may be vulnerable, but its kernel is the machine's.

use base::Release;

use crate::{debian, fixability, host, package};
use vulns::{Fixability, HostPackages, Index, InstalledPackage, KernelCoverage, RunningKernel};

const TRACKER: &str = r#"{
  "linux": {
    "CVE-0001-0001": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "6.1.123-1", "urgency": "not yet assigned"}}},
    "CVE-0001-0002": {"releases": {"bookworm": {"status": "open", "urgency": "not yet assigned"}}}
  },
  "curl": {"CVE-0001-0003": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "2.0-1", "urgency": "low"}}}}
}"#;

fn image(abi: &str, version: &str) -> InstalledPackage {
    InstalledPackage {
        source: "linux-signed-amd64".into(),
        source_version: version.replace('-', "+"),
        ..package(&format!("linux-image-{abi}-amd64"), "", version)
    }
}

fn container(images: &[InstalledPackage]) -> HostPackages {
    let mut packages = images.to_vec();
    packages.push(package("curl", "curl", "1.0-1"));
    let kernel = RunningKernel {
        // By chance the machine runs a kernel of the same name as one installed here.
        release: "6.1.0-25-amd64".into(),
        package_version: Some("6.1.106-3".into()),
        shared_with_host: true,
        livepatches: Vec::new(),
    };
    HostPackages { kernel, ..host(Release::Debian12, &packages) }
}

#[test]
fn a_kernel_package_is_never_fixable_in_a_container() {
    let index = Index::build(&[debian(TRACKER)]);
    let container = container(&[image("6.1.0-25", "6.1.106-3")]);
    let findings = index.findings(&container);
    assert_eq!(fixability(&findings, "CVE-0001-0001"), [Fixability::SharedKernel]);
    assert_eq!(fixability(&findings, "CVE-0001-0002"), [Fixability::NoFix]);
    assert_eq!(fixability(&findings, "CVE-0001-0003"), [Fixability::Fixable]);
    assert_eq!(index.coverage(&container).kernel, KernelCoverage::SharedWithHost);
    let kernel = findings.iter().find(|finding| &*finding.cve == "CVE-0001-0001").expect("one");
    let explained = kernel.explain().join(" ");
    assert!(explained.contains("is not this container's but that of the machine below"), "{explained}");
    assert!(explained.contains("on the machine below, not here"), "{explained}");
    assert!(kernel.kernel.as_ref().is_some_and(|facts| facts.shared_with_host && !facts.running));
}

#[test]
fn once_its_package_is_updated_nothing_is_open() {
    let index = Index::build(&[debian(TRACKER)]);
    let images = [image("6.1.0-25", "6.1.106-3"), image("6.1.0-29", "6.1.123-1")];
    let findings = index.findings(&container(&images));
    assert_eq!(fixability(&findings, "CVE-0001-0001"), [Fixability::NotRunning]);
    assert!(
        !findings.iter().any(|finding| finding.is_open() && finding.fixability == Fixability::SharedKernel)
    );
}

#[test]
fn without_a_kernel_package_nothing_is_said_of_kernels() {
    let findings = Index::build(&[debian(TRACKER)]).findings(&container(&[]));
    assert_eq!(findings.len(), 1);
}
