//! What is told of a CVE beyond packages: scores, predictions, CISA's catalogue.

use base::Release;
use vulns::{
    CvssVersion, FeedData, FeedFile, FeedKind, Finding, Index, KevDelta, KevField, Severity, SeveritySource,
};

use crate::{debian, host, package, real, ubuntu};

fn tracker(cve: &str, urgency: &str) -> FeedData {
    debian(&format!(
        r#"{{"curl":{{"{cve}":{{"releases":{{"bookworm":{{"status":"open","urgency":"{urgency}"}}}}}}}}}}"#
    ))
}

/// The finding of this CVE in curl on Debian 12.
fn finding(feeds: &[FeedData], cve: &str) -> Finding {
    let curl = host(Release::Debian12, &[package("curl", "curl", "1.0-1")]);
    let findings = Index::build(feeds).findings(&curl);
    findings.iter().find(|finding| &*finding.cve == cve).expect("a finding").clone()
}

/// A record with these ratings of Ubuntu's kind (`type`, `score`).
fn rated(ratings: &[(&str, &str)]) -> Finding {
    let ratings: Vec<_> =
        ratings.iter().map(|(kind, score)| serde_json::json!({"type": kind, "score": score})).collect();
    let record = serde_json::json!({
        "id": "UBUNTU-CVE-2024-1",
        "modified": "2024-08-09T12:10:43Z",
        "severity": ratings,
        "affected": [{"package": {"ecosystem": "Ubuntu:22.04:LTS", "name": "curl"}}],
    });
    let host = host(Release::Ubuntu2204, &[package("curl", "curl", "1.0-1")]);
    let findings = Index::build(&[ubuntu(&record.to_string())]).findings(&host);
    findings.list()[0].clone()
}

const TOTAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
const SLIGHT: &str = "CVSS:4.0/AV:L/AC:H/AT:P/PR:H/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N";

#[test]
fn a_score_decides_and_the_distribution_stands_in() {
    let both = rated(&[("CVSS_V3", TOTAL), ("Ubuntu", "low")]);
    assert_eq!((both.severity, both.proof.severity_source), (Severity::Critical, Some(SeveritySource::Cvss)));
    assert_eq!(both.proof.own_severity, Severity::Low);
    let said = both.explain().join("\n");
    assert!(said.contains("Severity is critical by CVSS 3.1 9.8 by Ubuntu's record"), "{said}");
    assert!(said.contains("the distribution itself calls it low"), "{said}");
    assert!(said.contains(TOTAL), "{said}");

    // A later version of CVSS is preferred, though lower; the others are kept.
    let two = rated(&[("CVSS_V3", TOTAL), ("CVSS_V4", SLIGHT), ("Ubuntu", "high")]);
    let versions: Vec<CvssVersion> = two.scores.iter().map(|score| score.version).collect();
    assert_eq!(versions, [CvssVersion::V40, CvssVersion::V31]);
    assert_eq!(two.severity, Severity::Low);

    let own = rated(&[("Ubuntu", "high")]);
    assert_eq!((own.severity, own.scores.len()), (Severity::High, 0));
    assert_eq!(own.proof.severity_source, Some(SeveritySource::UbuntuPriority));

    for ratings in [&[][..], &[("Ubuntu", "untriaged")], &[("CVSS_V3", "CVSS:3.1/AV:N")]] {
        let none = rated(ratings);
        assert_eq!((none.severity, none.proof.severity_source), (Severity::Unknown, None), "{ratings:?}");
        assert!(none.explain().contains(&"Nobody has given a score yet.".to_owned()));
    }
    let urgency = finding(&[tracker("CVE-2024-1", "high")], "CVE-2024-1");
    assert_eq!(urgency.proof.severity_source, Some(SeveritySource::DebianUrgency));
    let unassigned = finding(&[tracker("CVE-2024-1", "not yet assigned")], "CVE-2024-1");
    assert_eq!(unassigned.severity, Severity::Unknown);
}

#[test]
fn a_prediction_keeps_its_day_and_its_model() {
    let (day, early) = (real::epss(), real::epss_whole_day());
    assert_eq!((day.records(), early.records()), (1_556, 72_272));
    let of = |feeds: &[FeedData], cve: &str| {
        let feeds = [&[tracker(cve, "low")], feeds].concat();
        let epss = finding(&feeds, cve).epss.expect("a prediction");
        let percentile = epss.percentile.map(|share| share.as_f64());
        (epss.probability.as_f64(), percentile, epss.run.date.map(|date| date.to_string()))
    };
    let (new, old) = (Some("2026-08-22".to_owned()), Some("2021-08-31".to_owned()));
    // The newer prediction counts in any order; a CVE that only the older file has keeps that.
    for feeds in [[day.clone(), early.clone()], [early.clone(), day.clone()]] {
        assert_eq!(of(&feeds, "CVE-2002-0367"), (0.04919, Some(0.91446), new.clone()));
        assert_eq!(of(&feeds, "CVE-2017-0001"), of(std::slice::from_ref(&day), "CVE-2017-0001"));
        assert_eq!(of(&feeds, "CVE-2021-40330"), (0.00624, None, old.clone()));
    }
    let told = b"#model_version:v2025.03.14,score_date:2025-03-17T00:00:00+0000\ncve,epss,percentile\n\
                 CVE-2024-1,0.00043,0.08\n";
    let file = FeedFile { path: "epss_scores-current.csv.gz", bytes: told };
    let feed = vulns::parse(FeedKind::Epss, file).expect("well formed");
    assert_eq!(feed.as_of().map(|time| time.to_string()).as_deref(), Some("2025-03-17T00:00:00Z"));
    let said = finding(&[tracker("CVE-2024-1", "low"), feed], "CVE-2024-1").explain().join("\n");
    assert!(
        said.contains("EPSS model v2025.03.14 of 2025-03-17 gives 0.04 % for an attack within 30 days"),
        "{said}"
    );
}

#[test]
fn cisa_is_quoted_in_full() {
    let cve = "CVE-2026-8037";
    let found = finding(&[tracker(cve, "low"), real::kev()], cve);
    let kev = found.kev.as_deref().expect("listed");
    assert_eq!((kev.vendor.as_str(), kev.product.as_str()), ("Progress", "LoadMaster"));
    assert_eq!(kev.due_date.map(|day| day.to_string()).as_deref(), Some("2026-08-10"));
    assert_eq!(kev.cwes, ["CWE-77"]);
    assert!(kev.notes.contains("https://nvd.nist.gov/vuln/detail/CVE-2026-8037"));
    let said = found.explain().join("\n");
    assert!(said.contains("since 2026-08-07, due by 2026-08-10"), "{said}");
    assert!(said.contains("CISA requires: Apply mitigations"), "{said}");
}

#[test]
fn a_year_of_the_catalogue() {
    let (before, after) = (real::kev_before(), real::kev());
    let entries = |feed: &FeedData| feed.exploited().expect("the catalogue").clone();
    let delta = KevDelta::between(&entries(&before), &entries(&after));
    assert_eq!((delta.added.len(), delta.changed.len(), delta.removed.len()), (258, 40, 0));
    let counted = |field| delta.changed.iter().filter(|change| change.fields.contains(&field)).count();
    assert_eq!(counted(KevField::Ransomware), 19);
    assert_eq!(counted(KevField::DueDate), 15);
    assert_eq!(counted(KevField::Notes), 4);
    assert_eq!(counted(KevField::Description), 3);
    assert_eq!(counted(KevField::DateAdded), 0);
    assert_eq!(delta.cves().count(), 298);
    let back = KevDelta::between(&entries(&after), &entries(&before));
    assert_eq!((back.added.len(), back.changed.len(), back.removed.len()), (0, 40, 258));

    // What two indexes know differs in the same.
    let (old, new) =
        (Index::build(std::slice::from_ref(&before)), Index::build(std::slice::from_ref(&after)));
    assert_eq!(KevDelta::between(&old.exploited(), &new.exploited()), delta);
    // The newer catalogue's entry counts, whichever was read last.
    for pair in [[before.clone(), after.clone()], [after, before]] {
        let both = Index::build(&pair);
        assert!(KevDelta::between(&both.exploited(), &new.exploited()).is_empty());
        assert_eq!(both.version(), new.version());
    }
}

#[test]
fn the_fingerprint_covers_what_is_told_of_cves() {
    let base = [tracker("CVE-2002-0367", "low")];
    let with = |feeds: &[FeedData]| Index::build(&[&base, feeds].concat()).version();
    let epss = |share: &str| {
        let text = format!("cve,epss,percentile\nCVE-2002-0367,{share},0.9\n");
        let file = FeedFile { path: "epss_scores-2026-01-01.csv", bytes: text.as_bytes() };
        vulns::parse(FeedKind::Epss, file).expect("well formed")
    };
    assert_ne!(with(&[]), with(&[epss("0.1")]));
    assert_ne!(with(&[epss("0.1")]), with(&[epss("0.2")]));
    assert_eq!(with(&[epss("0.1")]), with(&[epss("0.10")]));
    // Facts about CVEs that nothing names change nothing.
    let other = "cve,epss,percentile\nCVE-1999-0001,0.5,0.9\n";
    let file = FeedFile { path: "epss_scores-2026-01-01.csv", bytes: other.as_bytes() };
    assert_eq!(with(&[]), with(&[vulns::parse(FeedKind::Epss, file).expect("well formed")]));
}

#[test]
fn a_finding_of_an_older_form_is_still_read() {
    let found = finding(&[tracker("CVE-2023-4911", "high"), real::kev()], "CVE-2023-4911");
    let mut old = serde_json::to_value(&found).expect("it can be written");
    for key in ["scores", "epss", "ssvc", "advisories"] {
        assert!(old.as_object_mut().expect("an object").remove(key).is_some(), "{key}");
    }
    for key in ["own_severity", "rejected_by"] {
        assert!(old["proof"].as_object_mut().expect("an object").remove(key).is_some(), "{key}");
    }
    for key in ["vendor", "product", "description", "required_action", "notes", "cwes", "told_by"] {
        assert!(old["kev"].as_object_mut().expect("an object").remove(key).is_some(), "{key}");
    }
    let read: Finding = serde_json::from_value(old).expect("the older form");
    let told = |finding: &Finding| finding.kev.as_ref().map(|kev| (kev.due_date, kev.told_by));
    assert_eq!((read.key(), told(&read)), (found.key(), told(&found)));
    let text = serde_json::to_string(&found).expect("it can be written");
    assert_eq!(serde_json::from_str::<Finding>(&text).expect("today's form"), found);
}
