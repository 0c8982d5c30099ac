//! One finding of a server: the chain of facts, and every score, prediction, decision and
//! advisory with who gave it.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use base::Problem;
use vulns::{KevEntry, ScoreRole};

use super::{
    accept_form::AcceptForm,
    updates::{AcceptedMark, fixability},
};
use crate::{
    app::App,
    exposure::api::{ListedFinding, ServerFindings},
    pages::{Badge, Frame, PageProblem, rendered},
};

/// The CVE in one source package of the server.
struct InPackage {
    name: String,
    installed: String,
    fixed: Option<String>,
    fixability: Badge,
    binaries: String,
    facts: Vec<String>,
}

struct ScoreRow {
    score: String,
    severity: Badge,
    version: String,
    source: String,
    role: &'static str,
    vector: String,
}

struct Kev {
    name: String,
    added: String,
    due: Option<String>,
    ransomware: bool,
    action: String,
    told_by: &'static str,
}

#[derive(Template)]
#[template(path = "finding.html")]
struct FindingPage {
    frame: Frame,
    server: String,
    cve: String,
    severity: Badge,
    severity_source: Option<String>,
    kev: Option<Kev>,
    scores: Vec<ScoreRow>,
    epss: Option<String>,
    ssvc: Option<String>,
    advisories: Vec<String>,
    packages: Vec<InPackage>,
    accepted: Option<AcceptedMark>,
    accept: AcceptForm,
}

pub(crate) async fn show(
    State(app): State<App>,
    frame: Frame,
    Path((name, cve)): Path<(String, String)>,
) -> Result<Response, PageProblem> {
    let found = app.findings_of(&name).await?;
    let page = FindingPage::new(frame, &found, &cve).ok_or_else(|| {
        let cve: String = cve.chars().take(64).collect();
        Problem::new("finding.unknown", format!("`{cve}` is not found on `{}`", found.server))
            .next("see the server's page for what is; a fix that is in effect ends a finding")
    })?;
    Ok(rendered(&page))
}

impl FindingPage {
    fn new(frame: Frame, found: &ServerFindings, cve: &str) -> Option<Self> {
        let here: Vec<&ListedFinding> =
            found.list.iter().filter(|listed| listed.finding.cve.eq_ignore_ascii_case(cve)).collect();
        // Facts about the CVE itself are alike in all; the first has the most to say.
        let first = here.first()?;
        let finding = &first.finding;
        let source = finding.proof.severity_source.map(|source| source.to_string());
        let mut advisories: Vec<String> = here
            .iter()
            .flat_map(|listed| listed.finding.advisories.iter().map(ToString::to_string))
            .collect();
        advisories.sort_unstable();
        advisories.dedup();
        Some(Self {
            server: found.server.clone(),
            cve: finding.cve.to_string(),
            severity: Badge::severity(finding.severity),
            severity_source: source,
            kev: finding.kev.as_deref().map(kev),
            scores: finding.scores.iter().map(score).collect(),
            epss: finding.epss.as_ref().map(epss),
            ssvc: finding.ssvc.as_ref().filter(|ssvc| !ssvc.is_open()).map(|ssvc| {
                let at = ssvc.decided_at.map(|at| format!(", {}", at.strftime("%Y-%m-%d")));
                format!("{ssvc} (by {}{})", ssvc.source, at.unwrap_or_default())
            }),
            advisories,
            packages: here.iter().map(|listed| in_package(listed)).collect(),
            accepted: first.accepted.as_ref().map(AcceptedMark::of),
            accept: AcceptForm::of(&frame, &finding.cve, &found.server),
            frame,
        })
    }
}

fn in_package(listed: &ListedFinding) -> InPackage {
    let finding = &listed.finding;
    let binaries: Vec<&str> = finding.binaries.iter().map(|name| &**name).collect();
    InPackage {
        name: finding.source_package.to_string(),
        installed: finding.installed.to_string(),
        fixed: finding.fixed.as_ref().map(ToString::to_string),
        fixability: fixability(finding.fixability),
        binaries: binaries.join(", "),
        facts: finding.explain(),
    }
}

fn score(score: &vulns::Score) -> ScoreRow {
    ScoreRow {
        score: score.base.to_string(),
        severity: Badge::severity(score.base.severity()),
        version: score.version.to_string(),
        source: score.source.to_string(),
        role: match score.role {
            ScoreRole::Primary => "primary",
            ScoreRole::Secondary => "secondary",
        },
        vector: score.vector.to_string(),
    }
}

fn kev(entry: &KevEntry) -> Kev {
    Kev {
        name: entry.name.clone(),
        added: entry.date_added.to_string(),
        due: entry.due_date.map(|day| day.to_string()),
        ransomware: entry.ransomware,
        action: entry.required_action.clone(),
        told_by: entry.told_by.title(),
    }
}

/// The prediction, its rank, and the model that made it: a new model moves every number.
fn epss(epss: &vulns::Epss) -> String {
    let rank = epss.percentile.map(|share| format!(", more than or as likely as {share} of all CVEs"));
    let run: Vec<String> = epss
        .run
        .model
        .iter()
        .map(|model| format!("model {model}"))
        .chain(epss.run.date.iter().map(ToString::to_string))
        .collect();
    let run = if run.is_empty() { String::new() } else { format!(" ({})", run.join(", ")) };
    format!("{} likely to be exploited within 30 days{}{run}", epss.probability, rank.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn html(found: &ServerFindings, cve: &str) -> Option<String> {
        let frame = samples::frame("/servers/web-1/findings/x", &[]);
        FindingPage::new(frame, found, cve).map(|page| page.render().unwrap())
    }

    #[test]
    fn a_finding_shows_its_chain_and_its_deadline() {
        let page = html(&samples::findings(5), "cve-2024-1001").unwrap();
        samples::keep("finding", &page);
        assert!(page.contains("is built from openssl") && page.contains("2026-03-13"), "{page}");
        assert!(page.contains("In KEV"), "{page}");
        assert!(
            page.contains("value=\"CVE-2024-1001\"") && page.contains("value=\"web-1\""),
            "the form is filled in"
        );
        assert!(html(&samples::findings(5), "CVE-1999-0001").is_none());
    }

    #[test]
    fn what_is_accepted_says_so_and_still_that_it_is_exploited() {
        let page = html(&samples::accepted_findings(5), "CVE-2024-1001").unwrap();
        samples::keep("finding-accepted", &page);
        assert!(page.contains("until 2026-05-01 by ann because"), "{page}");
        assert!(page.contains("In KEV") && page.contains("/revoke\""), "{page}");
        assert!(!page.contains("Accept the risk"), "{page}");
    }

    #[test]
    fn scores_stand_with_their_sources() {
        let mut found = samples::findings(3);
        let record = r#"[
            {"version": "4.0", "base": 9.3, "vector": "CVSS:4.0/AV:N", "source": "cna@example.org", "role": "secondary"},
            {"version": "3.1", "base": 7.5, "vector": "CVSS:3.1/AV:N", "source": "nvd@nist.gov", "role": "primary"}]"#;
        let scores: Vec<vulns::Score> = serde_json::from_str(record).unwrap();
        let prediction = r#"{"probability": 0.0492, "percentile": 0.91, "run": {"model": "v2025.03.14", "date": "2026-03-09"}}"#;
        let finding = &mut found.list[0].finding;
        finding.scores = scores.into();
        finding.epss = serde_json::from_str(prediction).unwrap();
        finding.ssvc = serde_json::from_str(
            r#"{"exploitation": "poc", "automatable": true, "technical_impact": "total", "source": "CISA-ADP", "decided_at": null}"#,
        )
        .unwrap();
        finding.advisories = vec!["DSA-5700-1".into()].into();
        let page = html(&found, &found.list[0].finding.cve).unwrap();
        samples::keep("finding-scores", &page);
        for said in [
            "9.3",
            "cna@example.org",
            "7.5",
            "nvd@nist.gov",
            "4.92 %",
            "v2025.03.14",
            "a public proof of concept",
            "CISA-ADP",
            "DSA-5700-1",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
    }
}
