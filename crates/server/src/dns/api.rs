//! Zones over the API. No answer holds a secret.

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
};

use super::{CheckReport, ZoneOrder, ZoneView};
use crate::{
    app::App,
    hosts::api::body,
    http::{ApiCaller, ApiResult},
};

pub(crate) async fn list(State(app): State<App>, _: ApiCaller) -> ApiResult<Vec<ZoneView>> {
    Ok(Json(app.zones.views().await?))
}

pub(crate) async fn set(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    order: Result<Json<ZoneOrder>, JsonRejection>,
) -> ApiResult<ZoneView> {
    Ok(Json(app.zones.set(&caller.actor(), &body(order)?).await?))
}

pub(crate) async fn remove(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<()> {
    Ok(Json(app.zones.remove(&caller.actor(), &name).await?))
}

pub(crate) async fn test(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<CheckReport> {
    Ok(Json(app.zones.test(&caller.actor(), &name).await?))
}
