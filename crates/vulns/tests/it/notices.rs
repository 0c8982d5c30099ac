//! How Ubuntu's notices (USN) complete its CVE records.

use base::Release;

use crate::{fixability, found, host, package, real, record, ubuntu};
use vulns::{Fixability, Index, Severity};

const NOTICE: &str = r#"{"id":"USN-1-1","modified":"2024-08-10T00:00:00Z","related":["UBUNTU-CVE-0001-0001","UBUNTU-CVE-0001-0002","UBUNTU-CVE-0001-0003"],"affected":[{"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"curl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0-1"}]}],"database_specific":{"cves_map":{"ecosystem":"Ubuntu:22.04:LTS","cves":[{"id":"CVE-0001-0001","severity":[{"type":"Ubuntu","score":"low"}]},{"id":"CVE-0001-0002","severity":[{"type":"Ubuntu","score":"high"}]}]}}}]}
"#;

#[test]
fn a_notice_names_what_a_record_says_is_fixed() {
    let records = [
        record(
            "CVE-0001-0001",
            "2024-08-09T00:00:00Z",
            "medium",
            &[("Ubuntu:22.04:LTS", "curl", Some("2.0-1"))],
        ),
        // This record does not list the package: it is not affected, whatever a notice says.
        record("CVE-0001-0002", "2024-08-09T00:00:00Z", "medium", &[]),
        NOTICE.to_owned(),
    ];
    let findings =
        found(ubuntu(&records.concat()), &host(Release::Ubuntu2204, &[package("curl", "curl", "1.0-1")]));
    assert_eq!(findings.len(), 1);
    let finding = &findings.list()[0];
    assert_eq!(finding.proof.notice.as_deref(), Some("USN-1-1"));
    assert_eq!(finding.severity, Severity::Medium, "the record's own priority");
    assert!(finding.explain()[0].contains("fixed by USN-1-1"));
}

#[test]
fn a_notice_speaks_for_a_cve_that_has_no_record() {
    let findings = found(ubuntu(NOTICE), &host(Release::Ubuntu2204, &[package("curl", "curl", "1.0-1")]));
    assert_eq!(fixability(&findings, "CVE-0001-0001"), [Fixability::Fixable]);
    assert_eq!(fixability(&findings, "CVE-0001-0002"), [Fixability::Fixable]);
    assert_eq!(fixability(&findings, "CVE-0001-0003"), [], "named for another release only");
    assert_eq!(findings.list()[0].severity, Severity::High);
}

#[test]
fn the_real_notices_name_the_fixes_of_openssl() {
    let index = Index::build(&[real::ubuntu_native()]);
    let openssl = package("libssl3", "openssl", "3.0.2-0ubuntu1.15");
    let findings = index.findings(&host(Release::Ubuntu2204, &[openssl]));
    let finding = findings.iter().find(|finding| &*finding.cve == "CVE-2022-40735").expect("listed");
    assert_eq!(finding.proof.notice.as_deref(), Some("USN-6854-1"));
    assert_eq!(finding.fixed.as_deref(), Some("3.0.2-0ubuntu1.16"));
}
