//! Runs over the API.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use base::{Problem, RunId};
use runs::SignalKind;
use serde::{Deserialize, Serialize};
use wire::UpgradeScope;

use super::{NumberedLine, PatchPlan, RunView};
use crate::{
    app::App,
    hosts::api::{Started, body},
    http::{ApiCaller, ApiProblem, ApiResult, run_events},
};

/// What to take into a plan.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlanRequest {
    /// Which updates.
    pub scope: UpgradeScope,
}

/// What to ask of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignalRequest {
    /// What.
    pub kind: SignalKind,
}

/// Which runs.
#[derive(Debug, Deserialize)]
pub struct RunFilter {
    server: Option<String>,
}

/// From which journal line on.
#[derive(Debug, Deserialize)]
pub struct After {
    #[serde(default)]
    after: i64,
}

/// Runs that a list shows.
const LISTED: u64 = 200;

fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|error: base::InvalidId| {
        Problem::new("run.unknown", error.to_string()).next("`holdfast run list` shows the known ones")
    })
}

pub(crate) async fn plan(
    State(app): State<App>,
    _: ApiCaller,
    Path(name): Path<String>,
    request: Result<Json<PlanRequest>, JsonRejection>,
) -> ApiResult<PatchPlan> {
    let server = app.servers.named(&name).await?;
    Ok(Json(app.patching.plan(&server, body(request)?.scope).await?))
}

pub(crate) async fn patch(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
    plan: Result<Json<PatchPlan>, JsonRejection>,
) -> ApiResult<Started> {
    let (server, plan) = (app.servers.named(&name).await?, body(plan)?);
    if plan.server != server.id || plan.name != server.name {
        return Err(Problem::new("patch.other_server", format!("could not patch `{name}`"))
            .found(format!("the plan is for `{}`", plan.name))
            .state("Nothing was changed")
            .into());
    }
    if let Some(reason) = server.unmanaged_because() {
        return Err(Problem::new("patch.unmanaged", format!("could not patch `{name}`"))
            .found(reason)
            .into());
    }
    let run = app.patching.patch(&caller.actor(), &plan).await?;
    Ok(Json(Started { run }))
}

pub(crate) async fn reboot(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<Started> {
    let server = app.servers.named(&name).await?;
    let run = app.patching.reboot(&caller.actor(), &server).await?;
    Ok(Json(Started { run }))
}

pub(crate) async fn roll_back(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<Started> {
    let server = app.servers.named(&name).await?;
    let newest = app.patching.newest(Some(&server), 1).await?;
    let Some(newest) = newest.first() else {
        return Err(Problem::new("rollback.impossible", format!("`{name}` has no run to undo")).into());
    };
    let run = app.patching.roll_back(&caller.actor(), newest.record.id).await?;
    Ok(Json(Started { run }))
}

pub(crate) async fn list(
    State(app): State<App>,
    _: ApiCaller,
    Query(filter): Query<RunFilter>,
) -> ApiResult<Vec<RunView>> {
    let server = match filter.server {
        Some(name) => Some(app.servers.named(&name).await?),
        None => None,
    };
    Ok(Json(app.patching.newest(server.as_ref(), LISTED).await?))
}

pub(crate) async fn show(
    State(app): State<App>,
    _: ApiCaller,
    Path(run): Path<String>,
) -> ApiResult<RunView> {
    Ok(Json(app.patching.view(run_id(&run)?).await?))
}

pub(crate) async fn journal(
    State(app): State<App>,
    _: ApiCaller,
    Path(run): Path<String>,
    Query(from): Query<After>,
) -> ApiResult<Vec<NumberedLine>> {
    Ok(Json(app.patching.journal(run_id(&run)?, from.after).await?))
}

pub(crate) async fn events(
    State(app): State<App>,
    _: ApiCaller,
    Path(run): Path<String>,
    Query(from): Query<After>,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let run = run_id(&run)?;
    app.patching.view(run).await?;
    // A browser that reconnects says what it has seen (HTML standard, server-sent events).
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    Ok(run_events(app, run, seen.unwrap_or(from.after)).into_response())
}

pub(crate) async fn receipt(
    State(app): State<App>,
    _: ApiCaller,
    Path(run): Path<String>,
) -> Result<Response, ApiProblem> {
    let run = run_id(&run)?;
    let text = app.patching.receipt(run).await?;
    let name = format!("attachment; filename=\"holdfast-receipt-{run}.json\"");
    Ok(([(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, name)], text)
        .into_response())
}

pub(crate) async fn signal(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(run): Path<String>,
    request: Result<Json<SignalRequest>, JsonRejection>,
) -> ApiResult<RunView> {
    let run = run_id(&run)?;
    app.patching.signal(&caller.actor(), run, body(request)?.kind).await?;
    Ok(Json(app.patching.view(run).await?))
}
