//! Sign-in links over the API.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    http::{ApiCaller, ApiResult},
};

/// A link that signs in once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Link {
    /// Its path and query on the control plane's pages.
    pub path: String,
}

pub(crate) async fn issue_link(State(app): State<App>, ApiCaller(caller): ApiCaller) -> ApiResult<Link> {
    let token = app.access.issue_link(&caller.actor(), &caller.operator).await?;
    Ok(Json(Link { path: format!("/sign-in?link={}", token.reveal()) }))
}
