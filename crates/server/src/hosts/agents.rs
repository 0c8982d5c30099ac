//! Speaking to agents: mutual TLS 1.3 with a pinned certificate, and a token that is
//! good for one server only.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use base::{Problem, Redacted};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use rustls::{ClientConfig, RootCertStore, client::WebPkiServerVerifier, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::de::DeserializeOwned;
use wire::{
    AgentApi, AgentError, Hello, Inventory, JobKey, JobStatus, Posture, RenewIdentity, Verb, limits, paths,
};

use super::{
    LocalAgent,
    enrolment::bearer_label,
    model::{Origin, Server},
    pinned::PinnedVerifier,
    region::Regions,
};
use crate::secrets::Vault;

/// Finds the agent of a server. The real ones are reached over HTTPS; tests give
/// simulated ones.
#[async_trait]
pub trait Agents: Send + Sync {
    /// The agent of this server.
    async fn of(&self, server: &Server) -> Result<Arc<dyn AgentApi>, Problem>;
}

/// Agents on real hosts.
pub struct HttpsAgents {
    regions: Regions,
    vault: Vault,
    local: Arc<LocalAgent>,
}

impl HttpsAgents {
    /// `local` observes the machine that the control plane itself runs on.
    pub fn new(regions: Regions, vault: Vault, local: Arc<LocalAgent>) -> Self {
        Self { regions, vault, local }
    }
}

fn not_enrolled(server: &Server) -> Problem {
    Problem::new("server.not_enrolled", format!("could not reach the agent of `{}`", server.name))
        .found("it has not enrolled yet")
        .next("wait until its first boot is through, or look at its provisioning run")
}

#[async_trait]
impl Agents for HttpsAgents {
    async fn of(&self, server: &Server) -> Result<Arc<dyn AgentApi>, Problem> {
        if server.origin == Origin::ThisMachine {
            return Ok(self.local.clone());
        }
        let (Some(pin), Some(sealed)) = (server.agent_certificate, &server.bearer_token_sealed) else {
            return Err(not_enrolled(server));
        };
        let unusable = |error: &(dyn std::error::Error + 'static)| {
            tracing::error!(error, server = %server.name, "cannot build the connection to an agent");
            Problem::new("server.connection", format!("could not set up the connection to `{}`", server.name))
                .next("see the log of the control plane")
        };
        let token = self.vault.unseal(&bearer_label(server.id), sealed).map_err(|error| unusable(&error))?;
        let token = String::from_utf8(token.expose().clone()).map_err(|error| unusable(&error))?;
        let region = self.regions.get(&server.region).await?;
        let caller = region.authority.caller_identity(region.key()?).map_err(|error| unusable(&error))?;
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(region.authority.certificate_pem().as_bytes())
            .map_err(|error| unusable(&error))?;
        roots.add(ca).map_err(|error| unusable(&error))?;
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| unusable(&error))?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedVerifier::new(verifier, pin)))
            .with_client_auth_cert(vec![caller.certificate.clone()], caller.private_key())
            .map_err(|error| unusable(&error))?;
        let addresses = [server.ipv4.map(IpAddr::V4), server.ipv6.map(IpAddr::V6)];
        let addresses: Vec<_> =
            addresses.into_iter().flatten().map(|address| SocketAddr::new(address, limits::PORT)).collect();
        let name = wire::agent_dns_name(server.id);
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .resolve_to_addrs(&name, &addresses)
            .no_proxy()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| unusable(&error))?;
        let base = format!("https://{name}:{}", limits::PORT);
        Ok(Arc::new(HttpsAgent { client, base, token: Redacted::new(token) }))
    }
}

/// A host in the same region answers a SYN within a second or not at all.
const CONNECT: Duration = Duration::from_secs(4);

/// An inventory runs apt's simulation: seconds on a small, busy host.
const ANSWER: Duration = Duration::from_secs(60);

struct HttpsAgent {
    client: Client,
    base: String,
    token: Redacted<String>,
}

impl HttpsAgent {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.client.request(method, url).bearer_auth(self.token.expose()).timeout(ANSWER)
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), AgentError> {
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > limits::RESPONSE_BYTES {
                let reason = format!("the answer is larger than {} bytes", limits::RESPONSE_BYTES);
                return Err(AgentError::Protocol { reason });
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, body))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        key: Option<&JobKey>,
    ) -> Result<T, AgentError> {
        let (status, body) = self.send(request).await?;
        accept(status, &body, key)?;
        serde_json::from_slice(&body).map_err(|error| AgentError::Protocol {
            reason: format!("the answer is not of the expected form: {error}"),
        })
    }
}

/// Tells a connection that cannot be had from one that cannot be trusted.
fn unreachable(error: reqwest::Error) -> AgentError {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return AgentError::NotTrusted { reason: tls.to_string() };
        }
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return AgentError::NotTrusted { reason: tls.to_string() };
        }
        cause = inner.source();
    }
    AgentError::Unreachable { source: Box::new(error) }
}

fn accept(status: StatusCode, body: &[u8], key: Option<&JobKey>) -> Result<(), AgentError> {
    if status.is_success() {
        return Ok(());
    }
    let reason = serde_json::from_slice::<Problem>(body)
        .map_or_else(|_| format!("status {status}"), |problem| problem.to_string());
    Err(match (status, key) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => AgentError::NotTrusted { reason },
        (StatusCode::NOT_FOUND, Some(key)) => AgentError::UnknownJob { key: key.clone() },
        (StatusCode::CONFLICT, _) => AgentError::Conflict { reason },
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            AgentError::Internal { reason }
        }
        _ => AgentError::Protocol { reason },
    })
}

#[async_trait]
impl AgentApi for HttpsAgent {
    async fn hello(&self) -> Result<Hello, AgentError> {
        self.ask(self.request(Method::GET, paths::HELLO).timeout(Duration::from_secs(10)), None).await
    }

    async fn inventory(&self) -> Result<Inventory, AgentError> {
        let inventory: Inventory = self.ask(self.request(Method::GET, paths::INVENTORY), None).await?;
        if inventory.packages.len() > limits::PACKAGES {
            return Err(AgentError::Protocol {
                reason: format!(
                    "{} packages; no host has more than {}",
                    inventory.packages.len(),
                    limits::PACKAGES
                ),
            });
        }
        Ok(inventory)
    }

    async fn posture(&self) -> Result<Posture, AgentError> {
        self.ask(self.request(Method::GET, paths::POSTURE), None).await
    }

    async fn start_job(&self, key: &JobKey, verb: &Verb) -> Result<JobStatus, AgentError> {
        let path = paths::JOB.replace("{key}", key.as_str());
        self.ask(self.request(Method::PUT, &path).json(verb), Some(key)).await
    }

    async fn job(&self, key: &JobKey, from: u64) -> Result<JobStatus, AgentError> {
        let path = format!("{}?from={from}", paths::JOB.replace("{key}", key.as_str()));
        self.ask(self.request(Method::GET, &path), Some(key)).await
    }

    async fn renew_identity(&self, token: &Redacted<String>) -> Result<(), AgentError> {
        let body = RenewIdentity { token: token.expose().clone() };
        let (status, body) = self.send(self.request(Method::POST, paths::IDENTITY).json(&body)).await?;
        accept(status, &body, None)
    }
}
