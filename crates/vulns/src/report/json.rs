//! Our own document: one object, whose keys stay. A key without a value is `null` or empty,
//! never left out; new keys may be added.

use std::sync::Arc;

use base::Release;
use jiff::Timestamp;
use serde::Serialize;

use super::{FeedLine, Report};
use crate::{
    coverage::Coverage,
    epss::Epss,
    feeds::KevEntry,
    finding::{Finding, KernelFacts},
    fixability::Fixability,
    proof::Proof,
    score::Score,
    severity::{Severity, SeveritySource},
    ssvc::Ssvc,
};

/// Raised when a key changes its meaning or goes.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    tool: Tool<'a>,
    subject: &'a str,
    scanned_at: Timestamp,
    release: Release,
    kernel_running: Option<&'a str>,
    feeds: &'a [FeedLine],
    coverage: &'a Coverage,
    findings: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct Entry<'a> {
    cve: &'a str,
    source: &'a str,
    binaries: &'a [Arc<str>],
    installed: &'a str,
    fixed: Option<&'a str>,
    fixability: Fixability,
    /// Whether it is in effect on the host.
    open: bool,
    kernel: bool,
    /// For kernels: whether it is the one that runs; `null` where that is not known.
    running: Option<bool>,
    severity: Severity,
    severity_source: Option<SeveritySource>,
    scores: &'a [Score],
    kev: Option<&'a KevEntry>,
    epss: Option<&'a Epss>,
    ssvc: Option<&'a Ssvc>,
    advisories: &'a [Arc<str>],
    proof: Evidence<'a>,
}

#[derive(Serialize)]
struct Evidence<'a> {
    #[serde(flatten)]
    proof: &'a Proof,
    kernel: Option<&'a KernelFacts>,
    /// The chain of facts, a sentence each.
    facts: Vec<String>,
}

impl<'a> Entry<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            cve: &finding.cve,
            source: &finding.source_package,
            binaries: &finding.binaries,
            installed: &finding.installed,
            fixed: finding.fixed.as_deref(),
            fixability: finding.fixability,
            open: finding.is_open(),
            kernel: finding.kernel.is_some(),
            running: finding.kernel.as_deref().and_then(running),
            severity: finding.severity,
            severity_source: finding.proof.severity_source,
            scores: &finding.scores,
            kev: finding.kev.as_deref(),
            epss: finding.epss.as_ref(),
            ssvc: finding.ssvc.as_deref(),
            advisories: &finding.advisories,
            proof: Evidence {
                proof: &finding.proof,
                kernel: finding.kernel.as_deref(),
                facts: finding.explain(),
            },
        }
    }
}

/// Whether this kernel runs, if that can be told from inside this host.
fn running(facts: &KernelFacts) -> Option<bool> {
    let known = !facts.shared_with_host && !facts.release.is_empty();
    (known || facts.running).then_some(facts.running)
}

/// The report as one JSON object.
pub fn render(report: &Report<'_>) -> serde_json::Result<String> {
    let document = Document {
        format: FORMAT,
        tool: Tool { name: "holdfast", version: report.tool_version },
        subject: report.subject,
        scanned_at: report.scanned_at,
        release: report.release,
        kernel_running: report.kernel_running,
        feeds: report.feeds,
        coverage: &report.coverage,
        findings: report.findings.iter().map(Entry::of).collect(),
    };
    serde_json::to_string_pretty(&document)
}
