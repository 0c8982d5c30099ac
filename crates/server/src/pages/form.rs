//! Forms that change something: who sent them, and the proof that a page of ours did.

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use base::Problem;
use serde::{Deserialize, de::DeserializeOwned};

use super::PageProblem;
use crate::{
    access::SignedIn,
    app::App,
    http::{Visitor, session_cookie},
};

/// A form of somebody signed in, which carried their form token. A handler that takes
/// it cannot forget to check.
pub struct Confirmed<T = Nothing> {
    /// Who sent it.
    pub who: SignedIn,
    /// The token of their session.
    pub session: String,
    /// Its fields.
    pub fields: T,
}

/// A form that has no fields of its own.
#[derive(Debug, Deserialize)]
pub struct Nothing {}

#[derive(Deserialize)]
struct Carried<T> {
    #[serde(default)]
    form_token: String,
    #[serde(flatten)]
    fields: T,
}

impl<T: DeserializeOwned> FromRequest<App> for Confirmed<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Visitor(who) = Visitor::from_request_parts(&mut parts, app).await?;
        let session = session_cookie(&parts).unwrap_or_default();
        let form = Form::<Carried<T>>::from_request(Request::from_parts(parts, body), app).await;
        let Form(carried) = form.map_err(|error| {
            let problem = Problem::new("request.malformed", "could not read the form")
                .found(error.body_text())
                .state("Nothing was changed")
                .next("go back, reload the page and send it again");
            PageProblem(problem).into_response()
        })?;
        who.check_form(&carried.form_token).map_err(|problem| PageProblem(problem).into_response())?;
        Ok(Self { who, session, fields: carried.fields })
    }
}
