//! How the CA is spoken to: over HTTPS with the system's roots and one more if configured,
//! bounded in time and size. Answers that say "not now" become errors that carry what the CA
//! asks to wait.

use std::{future::Future, path::Path, pin::Pin, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    body::{Body, Bytes, to_bytes},
    http::{Request, Response, StatusCode, header},
};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use jiff::{Timestamp, fmt::rfc2822};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// CAs answer within seconds, also while they sign.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// A directory, an order or a chain: a few KiB.
const ANSWER_BYTES: usize = 1 << 20;

/// The CA says "not now".
#[derive(Debug, thiserror::Error)]
#[error("status {status}: {detail}")]
pub(super) struct TurnedAway {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    pub detail: String,
}

/// Speaks HTTPS with the CA.
#[derive(Clone)]
pub(super) struct AcmeHttp(reqwest::Client);

impl AcmeHttp {
    /// With the system's roots, and those in this file.
    pub(super) fn new(extra_root: Option<&Path>) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = extra_root {
            let read = || format!("cannot read the CA's root `{}`", file.display());
            for certificate in CertificateDer::pem_file_iter(file).with_context(read)? {
                roots.add(certificate.with_context(read)?).with_context(read)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_LIMIT)
            .build()?;
        Ok(Self(client))
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(Body::new(body), ANSWER_BYTES).await.map_err(other)?;
        let asked = self.0.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let mut answer = asked.send().await.map_err(other)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut bytes = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(other)? {
            if bytes.len() + part.len() > ANSWER_BYTES {
                return Err(Error::Str("an answer of reasonable size"));
            }
            bytes.extend_from_slice(&part);
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            return Err(other(TurnedAway {
                status,
                retry_after: asked.and_then(|value| retry_after(value, Timestamp::now())),
                detail: detail(&bytes),
            }));
        }
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(BytesResponse::from(response))
    }
}

impl HttpClient for AcmeHttp {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().send(request))
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// The `detail` of a problem document (RFC 9457), or nothing: a page of HTML helps nobody.
fn detail(body: &[u8]) -> String {
    let read: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let text = read.and_then(|problem| problem["detail"].as_str().map(str::to_owned));
    text.unwrap_or_default().chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let seconds = |value: &str| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds(" 120 "), Some(120));
        assert_eq!(seconds("Mon, 23 Nov 2026 12:01:00 GMT"), Some(60));
        assert_eq!(seconds("Mon, 23 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("-1"), None);
    }
}
