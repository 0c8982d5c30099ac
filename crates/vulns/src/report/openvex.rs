//! OpenVEX 0.2.0: a statement for each finding, about the installed packages.
//!
//! Format: <https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md>

use base::Sha256;
use serde_json::{Value, json};

use super::{Report, purl};
use crate::{finding::Finding, fixability::Fixability};

const CONTEXT: &str = "https://openvex.dev/ns/v0.2.0";

/// The report as an OpenVEX document; `None` without findings, as the format has no document
/// without a statement.
pub fn render(report: &Report<'_>) -> serde_json::Result<Option<String>> {
    if report.findings.is_empty() {
        return Ok(None);
    }
    let statements: Vec<Value> = report.findings.iter().map(|finding| statement(report, finding)).collect();
    let mut document = json!({
        "@context": CONTEXT,
        "author": "Holdfast",
        "role": "scanner",
        "timestamp": report.scanned_at,
        "version": 1,
        "tooling": format!("holdfast {}", report.tool_version),
        "statements": statements,
    });
    // The same statements at the same time have the same name.
    let name = uuid(Sha256::of(document.to_string().as_bytes()));
    document["@id"] = Value::String(format!("urn:uuid:{name}"));
    serde_json::to_string_pretty(&document).map(Some)
}

/// The first half of a hash in the form of a UUID, version 8 (RFC 9562 §5.8).
fn uuid(hash: Sha256) -> String {
    let text = hash.to_string();
    let hex: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
    let part = |from: usize, to: usize| hex[from..to].iter().collect::<String>();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn statement(report: &Report<'_>, finding: &Finding) -> Value {
    let products: Vec<Value> = purl::of_finding(report.release, finding)
        .into_iter()
        .map(|url| json!({ "@id": url, "identifiers": { "purl": url } }))
        .collect();
    let mut statement = json!({
        "vulnerability": { "name": finding.cve },
        "products": products,
        "status": if finding.is_open() { "affected" } else { "not_affected" },
        "status_notes": finding.explain().join(" "),
    });
    let follows = finding.what_follows();
    if finding.is_open() {
        statement["action_statement"] = match (&finding.fixed, finding.fixability) {
            (Some(fixed), Fixability::Fixable) => {
                json!(format!("Update {} to {fixed}. {follows}", finding.source_package))
            }
            _ => json!(follows),
        };
    } else {
        // The schema takes either of them and not both.
        match justification(finding.fixability) {
            Some(justification) => statement["justification"] = json!(justification),
            None => statement["impact_statement"] = json!(follows),
        }
    }
    statement
}

/// One of the format's five reasons, where one fits.
fn justification(fixability: Fixability) -> Option<&'static str> {
    match fixability {
        Fixability::Livepatched => Some("inline_mitigations_already_exist"),
        Fixability::NotRunning => Some("vulnerable_code_not_in_execute_path"),
        _ => None,
    }
}
