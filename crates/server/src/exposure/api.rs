//! Findings and feeds over the API.

mod acceptances;

use axum::{
    Json,
    extract::{Path, State},
};
use base::{Problem, Release};
use serde::Serialize;
use vulns::{Finding, Findings, Summary, UpdateGroup};

use super::{Acceptance, AcceptedHere, CoverageReport, DatedChange, FeedState, Risk};
use crate::{
    app::App,
    audit::Outcome,
    http::{ApiCaller, ApiResult},
};

pub(crate) use acceptances::{accept, acceptance_id, list as acceptances, revoke};

/// A server's findings, grouped by the update that fixes them.
#[derive(Debug, Serialize)]
pub struct ServerFindings {
    /// The server's name.
    pub server: String,
    /// Its release, as matched; without one, an absence of findings means nothing.
    pub release: Option<Release>,
    /// Counts, without what is accepted.
    pub summary: Summary,
    /// Findings in effect that somebody has accepted.
    pub accepted: usize,
    /// Of these, known to be exploited.
    pub accepted_exploited: usize,
    /// What the feeds can and cannot say.
    pub coverage: CoverageReport,
    /// By update, without what is accepted; `findings` of each are places in the list below.
    pub updates: Vec<UpdateGroup>,
    /// One by one, in order of attention, each with its proof.
    pub list: Vec<ListedFinding>,
}

/// A finding, and whether somebody has accepted it.
#[derive(Debug, Clone, Serialize)]
pub struct ListedFinding {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Until when, by whom and why it is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
}

impl App {
    /// The findings of a server by its newest inventory.
    pub async fn findings_of(&self, name: &str) -> Result<ServerFindings, Problem> {
        let server = self.servers.named(name).await?;
        let none = |found: &str| {
            Problem::new("findings.none", format!("no findings of `{name}` yet"))
                .found(found)
                .next("try again shortly")
        };
        let inventory =
            self.inventories.newest(server.id).await?.ok_or_else(|| none("it has no inventory"))?;
        let matched = self.exposure.matched(&inventory).await;
        let (findings, coverage) = matched.ok_or_else(|| none("the feeds were not read yet"))?;
        let accepted = self.exposure.acceptances().here(server.id).await?;
        let coverage = CoverageReport::new(coverage, findings.release(), &self.feeds.states().await?);
        Ok(ServerFindings::new(server.name.to_string(), &findings, coverage, &accepted))
    }
}

impl ServerFindings {
    /// Of this server, with what is accepted on it counted apart.
    pub fn new(
        server: String,
        findings: &Findings,
        coverage: CoverageReport,
        accepted: &AcceptedHere,
    ) -> Self {
        let risk = Risk::of(findings, &coverage.coverage, accepted);
        let listed = findings.iter().map(|finding| ListedFinding {
            finding: finding.clone(),
            accepted: accepted.covering(finding).cloned(),
        });
        Self {
            server,
            release: findings.release(),
            summary: risk.summary,
            accepted: risk.accepted,
            accepted_exploited: risk.accepted_exploited,
            coverage,
            updates: findings.by_update_where(|finding| accepted.covering(finding).is_none()),
            list: listed.collect(),
        }
    }
}

pub(crate) async fn findings(
    State(app): State<App>,
    _: ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<ServerFindings> {
    Ok(Json(app.findings_of(&name).await?))
}

pub(crate) async fn feeds(State(app): State<App>, _: ApiCaller) -> ApiResult<Vec<FeedState>> {
    Ok(Json(app.feeds.states().await?))
}

pub(crate) async fn refresh(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
) -> ApiResult<Vec<FeedState>> {
    app.audit.record(&caller.actor(), "cve_feed_refresh", "all", Outcome::Begun, None, "").await?;
    app.feeds.refresh_all().await?;
    // Also where nothing was new: whoever asked before may have gone away half-way.
    app.inventories.judge_all().await?;
    Ok(Json(app.feeds.states().await?))
}

/// Changes that one answer carries: one for each package and inventory.
const HISTORY: u64 = 200;

pub(crate) async fn history(
    State(app): State<App>,
    _: ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<Vec<DatedChange>> {
    let server = app.servers.named(&name).await?;
    Ok(Json(app.exposure.history(server.id, HISTORY).await?))
}
