//! Asking the control plane about this host's TLS certificate, as the enrolled host: TLS with
//! the agent's own certificate, towards the pinned control plane and nobody else.

use std::time::Duration;

use wire::{CertificateAnswer, CertificateQuestion};

use super::{Identity, pinned};

/// An answer is a chain of a few certificates.
const ANSWER_BYTES: usize = 256 << 10;
/// The control plane holds a question open for 20 seconds while an order is at work.
const ANSWER_LIMIT: Duration = Duration::from_secs(45);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// This host's identity is of no use for it.
    #[error("this host's identity cannot be used to ask: {reason}")]
    Identity {
        /// What is wrong.
        reason: String,
    },
    /// No answer, or "not now".
    #[error("the control plane does not answer")]
    Unreachable {
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It said no.
    #[error("the control plane refused with status {status}: {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In its words.
        reason: String,
    },
}

/// Asks once.
pub async fn ask(identity: &Identity, question: &CertificateQuestion) -> Result<CertificateAnswer, AskError> {
    let unreachable = |source: reqwest::Error| AskError::Unreachable { source: source.into() };
    let tls = pinned::client_as(identity).map_err(|reason| AskError::Identity { reason })?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_LIMIT)
        .build()
        .map_err(|error| AskError::Identity { reason: error.to_string() })?;
    let url = format!("{}{}", identity.control_plane_url, wire::limits::CERTIFICATE_PATH);
    let mut answer = client.post(url).json(question).send().await.map_err(unreachable)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + part.len() > ANSWER_BYTES {
            let source = format!("its answer is longer than {ANSWER_BYTES} bytes").into();
            return Err(AskError::Unreachable { source });
        }
        body.extend_from_slice(&part);
    }
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| AskError::Unreachable { source: error.into() });
    }
    let reason = serde_json::from_slice::<base::Problem>(&body)
        .map_or_else(|_| "no reason was given".to_owned(), |problem| problem.found.unwrap_or(problem.what));
    if status.is_server_error() || status.as_u16() == 429 {
        let source = format!("status {}: {reason}", status.as_u16()).into();
        return Err(AskError::Unreachable { source });
    }
    Err(AskError::Refused { status: status.as_u16(), reason })
}
