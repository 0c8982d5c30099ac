//! Problems as HTTP answers.

use axum::{
    Json,
    extract::Request,
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base::Problem;

/// A problem in JSON, with the status that fits its code.
#[derive(Debug)]
pub struct ApiProblem(pub Problem);

/// What an API handler returns.
pub type ApiResult<T> = Result<Json<T>, ApiProblem>;

impl From<Problem> for ApiProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        (status_of(&self.0), Json(self.0)).into_response()
    }
}

/// Turns refusals that the framework writes by itself, as for a wrong method or a path
/// that is no UTF-8, into problems: programs then read one form only.
pub async fn only_problems(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !status.is_client_error() || is_json {
        return response;
    }
    let problem = Problem::new("request.malformed", format!("could not take `{method} {path}`"))
        .found(status.canonical_reason().unwrap_or("a malformed request").to_lowercase())
        .state("Nothing was changed");
    let allowed = response.headers().get(header::ALLOW).cloned();
    let mut answer = (status, Json(problem)).into_response();
    if let Some(allowed) = allowed {
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    answer
}

/// The status for a problem: by its code, never by its text.
pub fn status_of(problem: &Problem) -> StatusCode {
    let code = problem.code.0.as_str();
    match code {
        "access.needed" | "access.link" => StatusCode::UNAUTHORIZED,
        "access.form" | "enrolment.refused" | "certificate.refused" | "certificate.stranger" => {
            StatusCode::FORBIDDEN
        }
        "access.slow_down" => StatusCode::TOO_MANY_REQUESTS,
        "request.too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "run.busy" | "server.name_taken" | "run.ended" | "acceptance.exists" | "acceptance.ended" => {
            StatusCode::CONFLICT
        }
        "store.failed" | "audit.failed" | "audit.head" | "audit.contended" => StatusCode::SERVICE_UNAVAILABLE,
        _ if code.ends_with(".unknown") || code == "dns.zone_unknown" || code.ends_with(".none") => {
            StatusCode::NOT_FOUND
        }
        _ if code.starts_with("server.un") => StatusCode::BAD_GATEWAY,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
