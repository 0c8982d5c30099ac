//! What a caller is told when a request cannot be served: always a JSON
//! [`base::Problem`] with a fitting status. The status says what the caller can do;
//! see [`status`].

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base::Problem;
use wire::AgentError;

/// A refusal, ready to be sent.
#[derive(Debug)]
pub(super) struct Refusal(pub StatusCode, pub Box<Problem>);

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, what: &str) -> Self {
        Self(status, Box::new(Problem::new(code, what).state("Nothing was changed")))
    }

    pub(super) fn found(self, found: impl Into<String>) -> Self {
        Self(self.0, Box::new(self.1.found(found)))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

impl From<AgentError> for Refusal {
    fn from(error: AgentError) -> Self {
        let (status, code) = status(&error);
        let problem = Problem::new(code, error.to_string());
        if status.is_server_error() {
            tracing::error!(error = %super::chain(&error), "a request failed");
        }
        Self(status, Box::new(problem))
    }
}

/// 404 unknown job, 409 conflict, 422 not understood, 403 not trusted, 503 try again
/// later, 500 a fault of ours.
fn status(error: &AgentError) -> (StatusCode, &'static str) {
    match error {
        AgentError::UnknownJob { .. } => (StatusCode::NOT_FOUND, "agent.unknown_job"),
        AgentError::Conflict { .. } => (StatusCode::CONFLICT, "agent.conflict"),
        AgentError::Protocol { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "agent.not_understood"),
        AgentError::NotTrusted { .. } => (StatusCode::FORBIDDEN, "agent.not_trusted"),
        AgentError::Unreachable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "agent.helper_unavailable"),
        AgentError::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "agent.failed"),
    }
}
