//! SARIF 2.1.0, which code hosts and editors show: a rule for each CVE, a result for each
//! finding. What is not in effect is informational, so that it fails nothing.
//!
//! Format: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{FeedPresence, Report, purl};
use crate::{finding::Finding, severity::Severity};

/// The schema that the document follows.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The report as a SARIF log with one run.
pub fn render(report: &Report<'_>) -> serde_json::Result<String> {
    let mut rules: Vec<Value> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut results = Vec::with_capacity(report.findings.len());
    for finding in report.findings {
        let place = *places.entry(&finding.cve).or_insert_with(|| {
            rules.push(rule(finding));
            rules.len() - 1
        });
        results.push(result(report, finding, place));
    }
    let notes: Vec<Value> = report.feeds.iter().filter(|feed| feed.state == FeedPresence::Missing).map(
        |feed| {
            let why = feed.reason.as_deref().unwrap_or("it was not there");
            json!({ "level": "warning", "message": { "text": format!("Feed `{}` took no part: {why}.", feed.name) } })
        },
    ).collect();
    serde_json::to_string_pretty(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "Holdfast", "version": report.tool_version, "rules": rules } },
            "invocations": [{
                "executionSuccessful": true,
                "endTimeUtc": report.scanned_at,
                "toolExecutionNotifications": notes,
            }],
            "results": results,
            "properties": {
                "release": report.release,
                "kernelRunning": report.kernel_running,
                "feeds": report.feeds,
            },
        }],
    }))
}

fn rule(finding: &Finding) -> Value {
    let cve = &*finding.cve;
    let page = if cve.starts_with("CVE-") {
        format!("https://www.cve.org/CVERecord?id={cve}")
    } else {
        // Only Debian's tracker names what has no CVE yet.
        format!("https://security-tracker.debian.org/tracker/{cve}")
    };
    let named = finding.kev.as_ref().map(|kev| kev.name.clone()).filter(|name| !name.is_empty());
    let named = named.unwrap_or_else(|| format!("Vulnerability {cve}"));
    let mut tags = vec!["security", "vulnerability"];
    tags.extend(finding.kev.is_some().then_some("known-exploited"));
    json!({
        "id": cve,
        "shortDescription": { "text": named },
        "helpUri": page,
        "properties": { "tags": tags },
    })
}

fn result(report: &Report<'_>, finding: &Finding, rule: usize) -> Value {
    let Finding { cve, source_package, installed, .. } = finding;
    let fixed = match &finding.fixed {
        Some(fixed) => format!(", fixed in {fixed}"),
        None => String::new(),
    };
    let text = format!("{source_package} {installed} has {cve}{fixed}: {}.", finding.fixability);
    // By §3.27.9, what has a level is a failure; the rest is `informational` and has `none`.
    let (kind, level) = match (finding.is_open(), finding.severity) {
        (false, _) => ("informational", "none"),
        (true, _) if finding.kev.is_some() => ("fail", "error"),
        (true, Severity::Critical | Severity::High) => ("fail", "error"),
        (true, Severity::Medium | Severity::Unknown) => ("fail", "warning"),
        (true, Severity::Low) => ("fail", "note"),
    };
    let packages: Vec<Value> = purl::of_finding(report.release, finding)
        .into_iter()
        .map(|url| json!({ "fullyQualifiedName": url, "kind": "package" }))
        .collect();
    json!({
        "ruleId": cve,
        "ruleIndex": rule,
        "kind": kind,
        "level": level,
        "message": { "text": text },
        "locations": [{
            // dpkg's record is what says that the package is installed.
            "physicalLocation": { "artifactLocation": { "uri": "var/lib/dpkg/status" } },
            "logicalLocations": packages,
        }],
        "partialFingerprints": { "cveAndSource/v1": format!("{cve} {source_package}") },
        "properties": {
            "source": source_package,
            "installed": installed,
            "fixed": finding.fixed,
            "fixability": finding.fixability,
            "severity": finding.severity,
            "scores": finding.scores,
            "epss": finding.epss,
            "ssvc": finding.ssvc,
            "kev": finding.kev,
            "advisories": finding.advisories,
            "facts": finding.explain(),
        },
    })
}
