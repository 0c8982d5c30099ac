//! Who is calling: extractors that a handler cannot forget, since it takes their value.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use base::Problem;

use super::ApiProblem;
use crate::{access::SignedIn, app::App};

/// Name of the session's cookie.
pub const SESSION_COOKIE: &str = "holdfast_session";

/// The address a request came from.
pub struct Caller(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // Only a server that was built without connection details has none; then all
        // callers share one limit.
        Ok(Self(from.map_or(IpAddr::from([0, 0, 0, 0]), |from| from.0.ip().to_canonical())))
    }
}

/// Somebody with a session, on a page. Others are sent to the sign-in page.
pub struct Visitor(pub SignedIn);

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Some(token) = session_cookie(parts) else { return Err(Redirect::to("/sign-in").into_response()) };
        match app.access.session(&token).await {
            Ok(Some(visitor)) => Ok(Self(visitor)),
            Ok(None) => Err(Redirect::to("/sign-in").into_response()),
            Err(problem) => Err(ApiProblem(problem).into_response()),
        }
    }
}

/// Somebody with an API token; or, for reading only, with a session.
pub struct ApiCaller(pub SignedIn);

impl FromRequestParts<App> for ApiCaller {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let Ok(Caller(from)) = Caller::from_request_parts(parts, app).await;
        let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let found = match bearer.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(token) => app.access.api_token(token, from).await?,
            // A browser sends its cookie along with requests that other sites have made
            // up, so a cookie alone changes nothing.
            None if parts.method.is_safe() => match session_cookie(parts) {
                Some(token) => app.access.session(&token).await?,
                None => None,
            },
            None => None,
        };
        found.map(Self).ok_or_else(|| {
            ApiProblem(
                Problem::new("access.needed", "this needs an API token").next(
                    "send `Authorization: Bearer …`; on the control plane's machine `holdfast` has one",
                ),
            )
        })
    }
}

/// The session's token, from the cookie.
pub fn session_cookie(parts: &Parts) -> Option<String> {
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, value)| value.to_owned())
}
