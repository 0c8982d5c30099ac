//! What all pages share: the frame around them, their assets, and how a problem looks.

use axum::{Router, routing::get};

use crate::{access, app::App};

/// Every page.
pub fn router() -> Router<App> {
    Router::new().route("/sign-in", get(access::pages::show).post(access::pages::sign_in))
}
