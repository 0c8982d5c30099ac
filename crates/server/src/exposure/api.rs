//! Findings and feeds over the API.

use axum::{
    Json,
    extract::{Path, State},
};
use base::Problem;
use serde::Serialize;
use vulns::{Coverage, Findings, Summary, UpdateGroup};

use super::{DatedChange, FeedState};
use crate::{
    app::App,
    audit::Outcome,
    http::{ApiCaller, ApiResult},
};

/// A server's findings, grouped by the update that fixes them.
#[derive(Debug, Serialize)]
pub struct ServerFindings {
    /// The server's name.
    pub server: String,
    /// Counts.
    pub summary: Summary,
    /// What the feeds can and cannot say.
    pub coverage: Option<Coverage>,
    /// By update; `findings` of each are places in the list below.
    pub updates: Vec<UpdateGroup>,
    /// One by one, in order of attention, each with its proof.
    #[serde(flatten)]
    pub findings: Findings,
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
        let findings =
            self.exposure.findings(&inventory).await.ok_or_else(|| none("the feeds were not read yet"))?;
        let coverage = self.exposure.coverage(&inventory).await;
        Ok(ServerFindings {
            server: server.name.to_string(),
            summary: findings.summary(),
            coverage,
            updates: findings.by_update(),
            findings,
        })
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
    if app.feeds.refresh_all().await? {
        app.inventories.judge_all().await?;
    }
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
