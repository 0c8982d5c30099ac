//! What being listed, or not, in Ubuntu's records means for a host.

use base::Release;

use crate::{fixability, found, host, package, record, ubuntu};
use vulns::{FeedData, Fixability, Severity};

const OWN: &str = "Ubuntu:22.04:LTS";
const PRO: &str = "Ubuntu:Pro:22.04:LTS";
const FIPS: &str = "Ubuntu:Pro:FIPS-updates:22.04:LTS";
const REALTIME: &str = "Ubuntu:Pro:22.04:LTS:Realtime:Kernel";

fn feed() -> FeedData {
    let at = "2024-08-09T12:10:43Z";
    let records = [
        record("CVE-0001-0001", at, "medium", &[(OWN, "curl", Some("2.0-1"))]),
        record("CVE-0001-0002", at, "low", &[(OWN, "curl", None)]),
        record("CVE-0001-0003", at, "high", &[(PRO, "curl", Some("1.0-1+esm2"))]),
        record("CVE-0001-0004", at, "critical", &[(PRO, "curl", None)]),
        record("CVE-0001-0005", at, "medium", &[(OWN, "curl", None), (PRO, "curl", Some("1.0-1+esm2"))]),
        record("CVE-0001-0006", at, "medium", &[(FIPS, "curl", None), (REALTIME, "curl", None)]),
        record("CVE-0001-0007", at, "medium", &[("Ubuntu:24.04:LTS", "curl", None)]),
        record("CVE-0001-0008", at, "untriaged", &[(OWN, "curl", None)]),
        record("CVE-0001-0009", at, "negligible", &[(OWN, "curl", Some("2.0-1")), (FIPS, "curl", None)]),
    ];
    ubuntu(&records.concat())
}

#[test]
fn each_listing_leads_to_its_fixability() {
    let base = found(feed(), &host(Release::Ubuntu2204, &[package("curl", "curl", "1.0-1")]));
    let attached = found(feed(), &host(Release::Ubuntu2204, &[package("curl", "curl", "1.0-1+esm2")]));
    use Fixability::{EsmOnly, Fixable, NoFix};
    for (cve, without_pro, with_pro) in [
        ("CVE-0001-0001", vec![Fixable], vec![Fixable]),
        ("CVE-0001-0002", vec![NoFix], vec![NoFix]),
        ("CVE-0001-0003", vec![EsmOnly], vec![]),
        ("CVE-0001-0004", vec![NoFix], vec![NoFix]),
        ("CVE-0001-0005", vec![EsmOnly], vec![]),
        ("CVE-0001-0006", vec![], vec![]),
        ("CVE-0001-0007", vec![], vec![]),
        ("CVE-0001-0008", vec![NoFix], vec![NoFix]),
        ("CVE-0001-0009", vec![Fixable], vec![Fixable]),
    ] {
        assert_eq!(fixability(&base, cve), without_pro, "{cve}");
        assert_eq!(fixability(&attached, cve), with_pro, "{cve} with Pro");
    }
}

#[test]
fn the_priority_is_the_severity() {
    let findings = found(feed(), &host(Release::Ubuntu2204, &[package("curl", "curl", "1.0-1")]));
    for (cve, severity) in [
        ("CVE-0001-0004", Severity::Critical),
        ("CVE-0001-0003", Severity::High),
        ("CVE-0001-0001", Severity::Medium),
        ("CVE-0001-0002", Severity::Low),
        ("CVE-0001-0009", Severity::Low),
        ("CVE-0001-0008", Severity::Unknown),
    ] {
        let finding = findings.iter().find(|finding| &*finding.cve == cve).expect(cve);
        assert_eq!(finding.severity, severity, "{cve}");
    }
    let order: Vec<Severity> = findings.iter().map(|finding| finding.severity).collect();
    assert!(order.is_sorted_by(|a, b| a >= b), "{order:?}");
}

#[test]
fn the_proof_names_the_subscription() {
    let findings = found(feed(), &host(Release::Ubuntu2204, &[package("curl", "curl", "1.0-1")]));
    let finding = findings.iter().find(|finding| &*finding.cve == "CVE-0001-0003").expect("one");
    assert_eq!(&*finding.proof.listed_in, PRO);
    assert_eq!(finding.fixed.as_deref(), Some("1.0-1+esm2"));
    assert!(finding.explain().iter().any(|fact| fact.contains("Ubuntu Pro subscribers only")));
}
