//! The HTTPS interface: exactly the routes of [`wire::paths`]. Each handler checks,
//! calls one operation and wraps what it returns.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::{Body, to_bytes},
    extract::{Path, RawQuery, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::de::DeserializeOwned;
use wire::{AgentApi, JobKey, RenewIdentity, Verb, limits, paths};

use super::{
    Gate, Identities,
    answer::Refusal,
    listener::{self, Source},
};

/// For the body of a request. Four megabytes in 30 s is a line of 1 Mbit/s.
const BODY_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Served {
    agent: Arc<dyn AgentApi>,
    identities: Arc<Identities>,
    gate: Arc<Gate>,
}

/// All routes behind the bearer token.
pub fn router(agent: Arc<dyn AgentApi>, identities: Arc<Identities>, gate: Arc<Gate>) -> Router {
    let served = Served { agent, identities, gate };
    Router::new()
        .route(paths::HELLO, get(hello))
        .route(paths::INVENTORY, get(inventory))
        .route(paths::POSTURE, get(posture))
        .route(paths::IDENTITY, post(renew_identity))
        .route(paths::JOB, put(start_job).get(job))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(served.clone(), require_token))
        .with_state(served)
}

async fn require_token(
    State(served): State<Served>,
    Extension(Source(source)): Extension<Source>,
    request: Request,
    next: Next,
) -> Response {
    // A kept-alive connection meets the gate at every request.
    if !served.gate.is_open(source) {
        return Refusal::new(StatusCode::TOO_MANY_REQUESTS, "agent.rate_limited", "too many failures")
            .into_response();
    }
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    if served.identities.live().identity.accepts_token(token) {
        return next.run(request).await;
    }
    listener::note(&served.gate, source, "wrong bearer token");
    Refusal::new(StatusCode::UNAUTHORIZED, "agent.not_trusted", "the bearer token is not this server's")
        .into_response()
}

async fn hello(State(served): State<Served>) -> Result<Response, Refusal> {
    Ok(Json(served.agent.hello().await?).into_response())
}

async fn inventory(State(served): State<Served>) -> Result<Response, Refusal> {
    Ok(Json(served.agent.inventory().await?).into_response())
}

async fn posture(State(served): State<Served>) -> Result<Response, Refusal> {
    Ok(Json(served.agent.posture().await?).into_response())
}

async fn renew_identity(State(served): State<Served>, request: Request) -> Result<Response, Refusal> {
    let renewal: RenewIdentity = read(request).await?;
    served.agent.renew_identity(&base::Redacted::new(renewal.token)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn start_job(
    State(served): State<Served>,
    Path(key): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let key = job_key(&key)?;
    let verb: Verb = read(request).await?;
    Ok(Json(served.agent.start_job(&key, &verb).await?).into_response())
}

async fn job(
    State(served): State<Served>,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let key = job_key(&key)?;
    let from = first_line(query.as_deref())?;
    Ok(Json(served.agent.job(&key, from).await?).into_response())
}

async fn no_route() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "agent.no_route", "the agent has no such route")
}

async fn no_method() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "agent.no_method", "the route has no such method")
}

fn job_key(text: &str) -> Result<JobKey, Refusal> {
    text.parse().map_err(|error: wire::InvalidJobKey| {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "agent.not_understood", "the job has no valid key")
            .found(error.to_string())
    })
}

/// The `from` of a query; 0 without one.
fn first_line(query: Option<&str>) -> Result<u64, Refusal> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(0) };
    query.strip_prefix("from=").and_then(|number| number.parse().ok()).ok_or_else(|| {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "agent.not_understood", "the query is not `from=N`")
    })
}

/// Reads a JSON body within the limits of size and time.
async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let json = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(
        |value| {
            value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        },
    );
    if !json {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "agent.not_json",
            "the body is not `application/json`",
        ));
    }
    let bytes = tokio::time::timeout(BODY_LIMIT, bounded(request.into_body())).await.map_err(|_| {
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "agent.too_slow", "the body did not arrive in time")
    })??;
    serde_json::from_slice(&bytes).map_err(|error| {
        let status = if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
        // The place is enough: the words of the parser can quote the body.
        Refusal::new(status, "agent.not_understood", "the body is not what this route takes").found(format!(
            "error in line {}, column {}",
            error.line(),
            error.column()
        ))
    })
}

async fn bounded(body: Body) -> Result<axum::body::Bytes, Refusal> {
    to_bytes(body, limits::REQUEST_BYTES).await.map_err(|_| {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "agent.too_large", "the body is too large or was cut off")
            .found(format!("at most {} bytes are read", limits::REQUEST_BYTES))
    })
}
