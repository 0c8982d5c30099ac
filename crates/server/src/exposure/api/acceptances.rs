//! Accepted risks over the API.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::JsonRejection},
};
use base::{AcceptanceId, Problem};
use serde::Deserialize;

use crate::{
    app::App,
    exposure::{
        Acceptance, AcceptanceOrder, Fault, Standing,
        acceptance::{Refused, unknown},
    },
    hosts::api::body,
    http::{ApiCaller, ApiResult},
};

/// Which acceptances.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    standing: Option<String>,
}

/// The id that a path names.
pub fn acceptance_id(text: &str) -> Result<AcceptanceId, Problem> {
    text.parse().map_err(|_| unknown(text))
}

pub(crate) async fn list(
    State(app): State<App>,
    _: ApiCaller,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Vec<Acceptance>> {
    let standing = match wanted.standing.as_deref() {
        None | Some("") => None,
        Some(name) => Some(Standing::from_name(name).ok_or_else(|| {
            Problem::new("request.malformed", "could not list the acceptances")
                .found("`standing` is none of `active`, `expired`, `revoked`")
        })?),
    };
    Ok(Json(app.exposure.acceptances().list(standing).await?))
}

pub(crate) async fn accept(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    order: Result<Json<AcceptanceOrder>, JsonRejection>,
) -> ApiResult<Acceptance> {
    let order = body(order)?;
    let accepted = app.accept_risk(&caller, &order).await.map_err(|refused| match refused {
        Refused::Fields(faults) => Fault::problem(&order.cve, &faults),
        Refused::Problem(problem) => problem,
    })?;
    Ok(Json(accepted))
}

pub(crate) async fn revoke(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(id): Path<String>,
) -> ApiResult<Acceptance> {
    Ok(Json(app.revoke_acceptance(&caller, acceptance_id(&id)?).await?))
}
