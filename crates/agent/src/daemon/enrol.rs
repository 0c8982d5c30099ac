//! How this host becomes a known one: it makes a key, redeems its one-time token, and
//! checks that the answer is about that key. The private key never travels.

use std::time::Duration;

use base::{Redacted, Sha256};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use wire::{Bootstrap, EnrolmentRequest, EnrolmentResponse};

use super::{Identity, pinned};
use crate::observe;

/// An answer is two certificates and a few addresses.
const ANSWER_BYTES: usize = 256 << 10;
/// Signing takes milliseconds; the rest is the network.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Why an enrolment did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// What the host was given to enrol with is wrong.
    #[error("the description of the control plane is wrong: {reason}")]
    Configuration {
        /// What is wrong.
        reason: String,
    },
    /// No answer from what we pinned. Another try may help.
    #[error("the control plane at `{url}` does not answer as expected")]
    Unreachable {
        /// Where we asked.
        url: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The control plane said no. The token is used up, too old or unknown.
    #[error("the control plane refused the token with status {status}: {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In its words.
        reason: String,
    },
    /// The control plane said yes and then something we cannot use.
    #[error("the control plane's answer cannot be used: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
}

impl EnrolError {
    /// Whether the same attempt may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            // After an unusable answer the token is spent.
            Self::Configuration { .. } | Self::Refused { .. } | Self::Answer { .. } => false,
        }
    }
}

/// Knows one control plane and can enrol there.
pub struct Enroller {
    url: String,
    public_key_sha256: Sha256,
    client: reqwest::Client,
}

impl Enroller {
    /// The control plane of a bootstrap file.
    pub fn new(bootstrap: &Bootstrap) -> Result<Self, EnrolError> {
        Self::towards(&bootstrap.control_plane_url, &bootstrap.ca_pem, bootstrap.public_key_sha256)
    }

    /// The control plane an identity came from.
    pub fn again(identity: &Identity) -> Result<Self, EnrolError> {
        Self::towards(&identity.control_plane_url, &identity.ca_pem, identity.public_key_sha256)
    }

    fn towards(url: &str, ca_pem: &str, public_key_sha256: Sha256) -> Result<Self, EnrolError> {
        let url = url.trim_end_matches('/').to_owned();
        if !url.starts_with("https://") {
            return Err(EnrolError::Configuration {
                reason: format!("`{url}` does not begin with `https://`"),
            });
        }
        let tls = pinned::client(ca_pem, public_key_sha256)
            .map_err(|reason| EnrolError::Configuration { reason })?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            // The pinned host is asked directly; a proxy could only refuse.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_LIMIT)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| EnrolError::Configuration { reason: error.to_string() })?;
        Ok(Self { url, public_key_sha256, client })
    }

    /// Makes a key and redeems the token for a certificate of it.
    pub async fn enrol(&self, token: &Redacted<String>) -> Result<Identity, EnrolError> {
        let unusable = |reason: String| EnrolError::Answer { reason };
        let key =
            KeyPair::generate().map_err(|error| EnrolError::Configuration { reason: error.to_string() })?;
        let csr_pem = CertificateParams::default()
            .serialize_request(&key)
            .and_then(|request| request.pem())
            .map_err(|error| EnrolError::Configuration { reason: error.to_string() })?;
        let request = EnrolmentRequest {
            token: token.expose().clone(),
            csr_pem,
            boot_id: observe::boot_id(),
            agent_version: crate::VERSION.to_owned(),
        };
        let answer = self.ask(&request).await?;
        let certificate = CertificateDer::from_pem_slice(answer.certificate_pem.as_bytes())
            .map_err(|error| unusable(format!("its certificate: {error}")))?;
        let parsed =
            ParsedCertificate::try_from(&certificate).map_err(|error| unusable(error.to_string()))?;
        if parsed.subject_public_key_info().as_ref() != key.subject_public_key_info() {
            return Err(unusable("its certificate is for another key".to_owned()));
        }
        let name = wire::agent_dns_name(answer.server);
        ServerName::try_from(name.as_str())
            .map_err(|error| error.to_string())
            .and_then(|name| rustls::client::verify_server_name(&parsed, &name).map_err(|e| e.to_string()))
            .map_err(|error| unusable(format!("its certificate does not name `{name}`: {error}")))?;
        if answer.control_plane_addresses.is_empty() {
            return Err(unusable("it names no address from which it will call".to_owned()));
        }
        let identity = Identity {
            server: answer.server,
            key_pem: key.serialize_pem(),
            certificate_pem: answer.certificate_pem,
            ca_pem: answer.ca_pem,
            bearer_token_sha256: answer.bearer_token_sha256,
            control_plane_addresses: answer.control_plane_addresses.into_iter().collect(),
            control_plane_url: self.url.clone(),
            public_key_sha256: self.public_key_sha256,
        };
        identity.tls().map_err(|error| unusable(error.to_string()))?;
        Ok(identity)
    }

    async fn ask(&self, request: &EnrolmentRequest) -> Result<EnrolmentResponse, EnrolError> {
        let unreachable =
            |source: reqwest::Error| EnrolError::Unreachable { url: self.url.clone(), source: source.into() };
        let url = format!("{}{}", self.url, wire::limits::ENROL_PATH);
        let mut answer = self.client.post(url).json(request).send().await.map_err(unreachable)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + part.len() > ANSWER_BYTES {
                return Err(EnrolError::Answer { reason: format!("it is longer than {ANSWER_BYTES} bytes") });
            }
            body.extend_from_slice(&part);
        }
        // 429 and 5xx say "not now"; every other 4xx says "not with this token".
        if status.is_server_error() || status.as_u16() == 429 {
            let source = format!("it answered with status {}", status.as_u16()).into();
            return Err(EnrolError::Unreachable { url: self.url.clone(), source });
        }
        if !status.is_success() {
            let reason = serde_json::from_slice::<base::Problem>(&body)
                .map_or_else(|_| "no reason given".to_owned(), |problem| problem.what);
            return Err(EnrolError::Refused { status: status.as_u16(), reason });
        }
        serde_json::from_slice(&body).map_err(|error| EnrolError::Answer { reason: error.to_string() })
    }
}
