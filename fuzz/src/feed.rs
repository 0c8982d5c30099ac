//! A feed's parser, and all that follows from a file that it takes: merging, the guards,
//! the index, findings and their explanation.

use base::Release;
use vulns::{FeedFile, FeedKind, HostPackages, Index, InstalledPackage, RunningKernel, parse};

pub fn run(kind: FeedKind, bytes: &[u8]) {
    // Some feeds take their day from the name.
    let file = FeedFile { path: "feeds/2025-02-12", bytes };
    let data = match parse(kind, file) {
        Ok(data) => data,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    // An operator may have nothing to say; a publisher always has.
    assert!(data.records() > 0 || kind.is_local(), "a feed without records is refused");
    assert_eq!(data.kind(), kind);
    let mut twice = data.clone();
    twice.merge(data.clone());
    assert_eq!(twice.records(), data.records(), "the same layer again adds nothing");
    vulns::shrink_guard(&data, &twice).expect("not smaller");
    vulns::age_guard(&data, &twice).expect("not older");

    let index = Index::build(&[data, twice]);
    for release in Release::ALL {
        let host = host(*release);
        let findings = index.findings(&host);
        for finding in findings.iter() {
            assert!(finding.explain().iter().all(|fact| !fact.is_empty()));
        }
        let grouped: usize = findings.by_update().iter().map(|group| group.cves).sum();
        assert_eq!(grouped, findings.len());
        let _ = (findings.summary(), index.coverage(&host));
    }
}

/// A host with the packages that the seeds speak of.
fn host(release: Release) -> HostPackages {
    let package = |name: &str, source: &str, version: &str| InstalledPackage {
        name: name.into(),
        architecture: "amd64".into(),
        version: version.into(),
        source: source.into(),
        source_version: version.into(),
        held: false,
        in_use: None,
    };
    HostPackages {
        release: Some(release),
        kernel: RunningKernel { release: "6.1.0-1-amd64".into(), ..RunningKernel::default() },
        packages: vec![
            package("a", "a", "1.0-1"),
            package("b", "b", "2:1.0~rc1-1+deb12u1"),
            package("linux-image-6.1.0-1-amd64", "linux", "6.1.1-1"),
        ],
        ..HostPackages::default()
    }
}
