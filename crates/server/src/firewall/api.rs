//! The API of firewalls.

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
};
use serde::{Deserialize, Serialize};

use super::{ControlPlaneAddresses, FirewallView, Openings};
use crate::{
    app::App,
    hosts::api::body,
    http::{ApiCaller, ApiResult},
};

/// Everything about firewalls.
#[derive(Debug, Serialize)]
pub struct Firewalls {
    /// From where the control plane calls.
    pub control_plane: ControlPlaneAddresses,
    /// The servers, by name.
    pub servers: Vec<FirewallView>,
}

/// Addresses to set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// From where the control plane calls.
    pub addresses: Vec<String>,
}

pub(crate) async fn show(State(app): State<App>, _: ApiCaller) -> ApiResult<Firewalls> {
    let (control_plane, servers) = (app.firewalls.addresses().await?, app.firewalls.all().await?);
    Ok(Json(Firewalls { control_plane, servers }))
}

pub(crate) async fn set_addresses(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    entered: Result<Json<Addresses>, JsonRejection>,
) -> ApiResult<ControlPlaneAddresses> {
    let entered = body(entered)?;
    Ok(Json(app.firewalls.set_addresses(&caller.actor(), &entered.addresses).await?))
}

pub(crate) async fn open(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
    openings: Result<Json<Openings>, JsonRejection>,
) -> ApiResult<FirewallView> {
    Ok(Json(app.firewalls.open(&caller.actor(), &name, body(openings)?).await?))
}

pub(crate) async fn sync(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<Option<FirewallView>> {
    app.firewalls.ask(&caller.actor(), &name).await?;
    let server = app.servers.named(&name).await?;
    Ok(Json(app.firewalls.of(&server).await?))
}
