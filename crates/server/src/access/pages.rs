//! Signing in with a link that works once, and out again.
//!
//! Opening the link shows a button; only pressing it uses the link up, so that a
//! program that fetches links ahead does not.

use askama::Template;
use axum::{
    Form,
    extract::{Query, State, rejection::FormRejection},
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use base::Problem;
use serde::Deserialize;

use crate::{
    app::App,
    http::{Caller, SESSION_COOKIE},
    pages::{Confirmed, Nothing, PageProblem, rendered},
};

/// The token of a sign-in link.
#[derive(Debug, Deserialize)]
pub struct Link {
    #[serde(default)]
    link: String,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    link: String,
}

pub(crate) async fn show(Query(link): Query<Link>) -> Response {
    rendered(&SignInPage { link: link.link })
}

pub(crate) async fn sign_in(
    State(app): State<App>,
    Caller(from): Caller,
    form: Result<Form<Link>, FormRejection>,
) -> Result<Response, PageProblem> {
    let Form(form) = form
        .map_err(|error| Problem::new("request.malformed", "could not sign in").found(error.body_text()))?;
    let session = app.access.sign_in(&form.link, from).await?;
    let cookie = format!("{SESSION_COOKIE}={}; HttpOnly; SameSite=Strict; Path=/", session.reveal());
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

pub(crate) async fn sign_out(
    State(app): State<App>,
    form: Confirmed<Nothing>,
) -> Result<Response, PageProblem> {
    app.access.sign_out(&form.session).await?;
    let cookie = format!("{SESSION_COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_has_a_button() {
        let with = SignInPage { link: "a\"><script>".to_owned() }.render().unwrap();
        assert!(with.contains("<button") && !with.contains("\"><script>"), "{with}");
        crate::pages::samples::keep("sign-in", &with);
        let without = SignInPage { link: String::new() }.render().unwrap();
        assert!(!without.contains("<button") && without.contains("holdfast sign-in"), "{without}");
    }
}
