//! Servers over the API.

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
};
use base::{Problem, RunId};
use serde::{Deserialize, Serialize};
use wire::Probe;

use super::{Drift, Order, OutsideChange, Server};
use crate::{
    app::App,
    audit::Outcome,
    http::{ApiCaller, ApiResult},
};

/// A run that was started.
#[derive(Debug, Serialize, Deserialize)]
pub struct Started {
    /// The run.
    pub run: RunId,
}

/// A body that is not of the expected form.
pub fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    body.map(|Json(body)| body).map_err(|error| {
        let code = match error.status() {
            axum::http::StatusCode::PAYLOAD_TOO_LARGE => "request.too_large",
            _ => "request.malformed",
        };
        Problem::new(code, "could not read the request").found(error.body_text()).state("Nothing was changed")
    })
}

pub(crate) async fn list(State(app): State<App>, _: ApiCaller) -> ApiResult<Vec<Server>> {
    Ok(Json(app.servers.all().await?))
}

pub(crate) async fn show(
    State(app): State<App>,
    _: ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<Server> {
    Ok(Json(app.servers.named(&name).await?))
}

pub(crate) async fn provision(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    order: Result<Json<Order>, JsonRejection>,
) -> ApiResult<Started> {
    let run = app.provisioning.order(&caller.actor(), body(order)?).await?;
    Ok(Json(Started { run }))
}

pub(crate) async fn destroy(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<()> {
    let server = app.servers.named(&name).await?;
    app.provisioning.destroy(&caller.actor(), &name).await?;
    Ok(Json(app.certificates.forget(server.id).await?))
}

pub(crate) async fn refresh(
    State(app): State<App>,
    _: ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<Server> {
    let server = app.servers.named(&name).await?;
    let agent = app.agents.of(&server).await?;
    app.inventories.collect(&server, &*agent).await?;
    Ok(Json(app.servers.named(&name).await?))
}

pub(crate) async fn set_probes(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
    probes: Result<Json<Vec<Probe>>, JsonRejection>,
) -> ApiResult<Server> {
    let (server, probes) = (app.servers.named(&name).await?, body(probes)?);
    let detail = format!("{} probes", probes.len());
    app.audit.record(&caller.actor(), "server.probes", &name, Outcome::Begun, None, detail).await?;
    Ok(Json(app.servers.change(server.id, move |server| server.probes = probes).await?))
}

/// What differs on a server, and what was changed there outside of runs.
#[derive(Debug, Serialize)]
pub struct ServerDrift {
    /// What differed when it was last looked at; none if it never was.
    pub drift: Option<Drift>,
    /// What was changed outside of runs, newest first.
    pub outside: Vec<OutsideChange>,
}

/// Changes outside of runs that one answer carries.
const OUTSIDE: u64 = 50;

pub(crate) async fn drift(
    State(app): State<App>,
    _: ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<ServerDrift> {
    let server = app.servers.named(&name).await?;
    let outside = app.outside.of(&server, OUTSIDE).await?;
    Ok(Json(ServerDrift { drift: app.drifts.of(&server).await?, outside }))
}

pub(crate) async fn look(State(app): State<App>, _: ApiCaller, Path(name): Path<String>) -> ApiResult<Drift> {
    Ok(Json(app.drifts.look(&app.servers.named(&name).await?).await?))
}

pub(crate) async fn repair(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<Drift> {
    Ok(Json(app.drifts.repair(&caller.actor(), &app.servers.named(&name).await?).await?))
}
