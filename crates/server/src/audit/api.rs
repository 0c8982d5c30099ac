//! The trail over the API.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;

use super::AuditLine;
use crate::{
    app::App,
    http::{ApiCaller, ApiResult},
};

/// Which entries.
#[derive(Debug, Deserialize)]
pub struct Filter {
    target: Option<String>,
    before: Option<i64>,
    limit: Option<u64>,
}

/// Entries that one answer carries at the most.
const LIMIT: u64 = 1000;

pub(crate) async fn list(
    State(app): State<App>,
    _: ApiCaller,
    Query(filter): Query<Filter>,
) -> ApiResult<Vec<AuditLine>> {
    let limit = filter.limit.unwrap_or(100).min(LIMIT);
    Ok(Json(app.audit.newest(filter.target.as_deref(), filter.before, limit).await?))
}
