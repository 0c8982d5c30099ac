//! Problems as HTTP answers.

use axum::{
    Json,
    http::StatusCode,
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

/// The status for a problem: by its code, never by its text.
pub fn status_of(problem: &Problem) -> StatusCode {
    let code = problem.code.0.as_str();
    match code {
        "access.needed" | "access.link" => StatusCode::UNAUTHORIZED,
        "access.form" | "enrolment.refused" => StatusCode::FORBIDDEN,
        "access.slow_down" => StatusCode::TOO_MANY_REQUESTS,
        "request.too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "run.busy" | "server.name_taken" | "run.ended" => StatusCode::CONFLICT,
        "store.failed" | "audit.failed" | "audit.head" | "audit.contended" => StatusCode::SERVICE_UNAVAILABLE,
        _ if code.ends_with(".unknown") || code.ends_with(".none") => StatusCode::NOT_FOUND,
        _ if code.starts_with("server.un") => StatusCode::BAD_GATEWAY,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
