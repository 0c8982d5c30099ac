//! A fix that is installed is not always in effect, and one that is in effect is not always
//! installed: replaced libraries that still run, and live patches.

use std::collections::BTreeSet;

use base::Release;

use crate::{debian, fixability, found, host, package, real, record, ubuntu};
use vulns::{
    Findings, Fixability, HostPackages, InUse, Index, InstalledPackage, LivepatchModule, RunningKernel,
};

const TRACKER: &str = r#"{"openssl": {
  "CVE-0001-0001": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.10-1", "urgency": "high"}}},
  "CVE-0001-0002": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.13-1", "urgency": "high"}}},
  "CVE-0001-0003": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.15-1", "urgency": "high"}}},
  "CVE-0001-0004": {"releases": {"bookworm": {"status": "open", "urgency": "high"}}},
  "CVE-0001-0005": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "3.0.13-1", "urgency": "unimportant"}}}
}}"#;

fn in_use(source_version: &str, units: &[&str]) -> Option<InUse> {
    let units = units.iter().map(|unit| (*unit).to_owned()).collect();
    Some(InUse { source_version: source_version.into(), units })
}

fn bookworm(used: Option<InUse>) -> HostPackages {
    let library = InstalledPackage { in_use: used, ..package("libssl3", "openssl", "3.0.13-1") };
    host(Release::Debian12, &[library, package("openssl", "openssl", "3.0.13-1")])
}

#[test]
fn a_fix_on_the_disk_closes_nothing_while_the_old_library_runs() {
    use Fixability::{Fixable, NoFix, NotInEffect, Unimportant};
    let before =
        found(debian(TRACKER), &host(Release::Debian12, &[package("libssl3", "openssl", "3.0.11-1")]));
    let installed = found(debian(TRACKER), &bookworm(in_use("3.0.11-1", &["nginx.service", "ssh.service"])));
    let restarted = found(debian(TRACKER), &bookworm(None));
    let of = |findings: &Findings| {
        ["0001", "0002", "0003", "0004", "0005"].map(|n| fixability(findings, &format!("CVE-0001-{n}")))
    };
    assert_eq!(of(&before), [vec![], vec![Fixable], vec![Fixable], vec![NoFix], vec![Unimportant]]);
    assert_eq!(of(&installed), [vec![], vec![NotInEffect], vec![Fixable], vec![NoFix], vec![Unimportant]]);
    assert_eq!(of(&restarted), [vec![], vec![], vec![Fixable], vec![NoFix], vec![]]);

    assert!(Findings::diff(&before, &installed).closed.is_empty(), "the fix is not in effect");
    let closed = Findings::diff(&installed, &restarted).closed;
    assert_eq!(closed.iter().map(|finding| &*finding.cve).collect::<Vec<_>>(), ["CVE-0001-0002"]);

    let finding = installed.iter().find(|finding| finding.fixability == NotInEffect).expect("one");
    assert_eq!((&*finding.installed, finding.fixed.as_deref()), ("3.0.11-1", Some("3.0.13-1")));
    assert_eq!(finding.binaries.iter().map(|name| &**name).collect::<Vec<_>>(), ["libssl3"]);
    let told = finding.explain().join(" ");
    assert!(told.contains("nginx.service, ssh.service still run what it replaced"), "{told}");
}

#[test]
fn the_oldest_version_that_still_runs_counts() {
    let mut host = bookworm(in_use("3.0.11-1", &["ssh.service"]));
    host.packages[1].in_use = in_use("3.0.9-1", &[]);
    let findings = found(debian(TRACKER), &host);
    assert_eq!(fixability(&findings, "CVE-0001-0001"), [Fixability::NotInEffect]);
    let finding = findings.iter().find(|finding| finding.fixability == Fixability::NotInEffect).expect("one");
    assert_eq!(&*finding.installed, "3.0.9-1");
}

/// The real host with its kernel 5.15.0-69.76, and these modules loaded.
fn jammy(modules: &[&str]) -> HostPackages {
    let mut host = real::inventory("ubuntu-2204");
    host.kernel.livepatches = modules
        .iter()
        .map(|name| LivepatchModule { name: (*name).to_owned(), version: String::new() })
        .collect();
    host
}

#[test]
fn a_live_patch_is_in_effect_until_the_next_boot() {
    let index = Index::build(&[real::ubuntu().clone(), real::ubuntu_native()]);
    let livepatched = |host: &HostPackages| -> BTreeSet<String> {
        let findings = index.findings(host);
        let patched = findings.iter().filter(|finding| finding.fixability == Fixability::Livepatched);
        patched.map(|finding| finding.cve.to_string()).collect()
    };
    assert!(livepatched(&jammy(&[])).is_empty());
    assert!(livepatched(&jammy(&["lkp_Ubuntu_5_15_0_69_76_linux_98"])).is_empty(), "LSN-0099-1 is the first");
    let first = livepatched(&jammy(&["lkp_Ubuntu_5_15_0_69_76_linux_99"]));
    let last = livepatched(&jammy(&["lkp_Ubuntu_5_15_0_69_76_linux_116"]));
    assert!(first.contains("CVE-2023-3777") && !first.contains("CVE-2023-6817"), "{first:?}");
    assert!(last.is_superset(&first) && last.contains("CVE-2023-6817"), "modules are cumulative: {last:?}");
    assert!(livepatched(&jammy(&["lkp_Ubuntu_5_15_0_1034_38_aws_116"])).is_empty(), "of another kernel");
    let mut container = jammy(&["lkp_Ubuntu_5_15_0_69_76_linux_116"]);
    container.kernel.shared_with_host = true;
    assert!(livepatched(&container).is_empty(), "the kernel is not this container's");
    let mut rebooted = jammy(&["lkp_Ubuntu_5_15_0_69_76_linux_116"]);
    rebooted.kernel = RunningKernel { livepatches: Vec::new(), ..rebooted.kernel };
    assert!(livepatched(&rebooted).is_empty());

    let findings = index.findings(&jammy(&["lkp_Ubuntu_5_15_0_69_76_linux_116"]));
    let finding = findings.iter().find(|finding| &*finding.cve == "CVE-2023-3777").expect("one");
    assert_eq!(finding.proof.livepatch.as_deref(), Some("LSN-0099-1"));
    assert!(!finding.is_open());
    let told = finding.explain().join(" ");
    assert!(told.contains("The live patch of LSN-0099-1 fixes it in the kernel that runs"), "{told}");
    assert!(told.contains("a kernel with the fix and a reboot make it last"), "{told}");
}

/// Some records of the real feed list nothing at all, though the notices of the same day name the
/// packages that they concern. Only a withdrawal takes a finding away.
#[test]
fn a_record_that_lists_nothing_makes_no_host_safer() {
    let own = "Ubuntu:22.04:LTS";
    let said = record("CVE-0001-0001", "2024-08-09T12:10:43Z", "high", &[(own, "curl", Some("2.0-1"))]);
    let silent = record("CVE-0001-0001", "2025-10-13T15:48:05Z", "high", &[]);
    let withdrawn = silent.replace("\"modified\"", "\"withdrawn\":\"2025-10-13T15:48:05Z\",\"modified\"");
    let host = host(Release::Ubuntu2204, &[package("curl", "curl", "1.0-1")]);
    let told = |later: &str| {
        let mut merged = ubuntu(&said);
        merged.merge(ubuntu(later));
        let in_one_file = ubuntu(&format!("{said}{later}"));
        [merged, in_one_file].map(|feed| fixability(&found(feed, &host), "CVE-0001-0001"))
    };
    assert_eq!(told(&silent), [[Fixability::Fixable], [Fixability::Fixable]]);
    assert_eq!(told(&withdrawn), [[], []]);
    let real = Index::build(&[real::ubuntu().clone(), real::ubuntu_native()]).findings(&jammy(&[]));
    assert_eq!(fixability(&real, "CVE-2023-4004"), [Fixability::Fixable]);
}

#[test]
fn what_was_stored_before_is_still_read() {
    let host = bookworm(None);
    let text = serde_json::to_string(&host).expect("json");
    let former = text.replace(",\"in_use\":null", "").replace(",\"livepatches\":[]", "");
    assert_ne!(text, former);
    assert_eq!(serde_json::from_str::<HostPackages>(&former).expect("a host"), host);
}
