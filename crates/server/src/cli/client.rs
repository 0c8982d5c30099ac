//! Speaking to the control plane that runs on this machine.

use std::{net::SocketAddr, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::Context as _;
use base::{Problem, Redacted};
use reqwest::{Method, Response};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{CliError, Context};

/// How the command line reaches its control plane: written at start, readable by its
/// owner only.
#[derive(Serialize, Deserialize)]
struct Door {
    address: SocketAddr,
    token: String,
}

/// Leaves address and token for the command line.
pub fn leave(file: &Path, address: SocketAddr, token: &str) -> anyhow::Result<()> {
    let door = Door { address, token: token.to_owned() };
    let aside = file.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let open = options.write(true).create(true).truncate(true).mode(0o600).open(&aside);
    let open = open.with_context(|| format!("cannot write `{}`", aside.display()))?;
    serde_json::to_writer(open, &door)?;
    std::fs::rename(&aside, file).with_context(|| format!("cannot write `{}`", file.display()))
}

/// A connection to the control plane.
pub struct Client {
    http: reqwest::Client,
    address: SocketAddr,
    token: Redacted<String>,
}

impl Client {
    /// The control plane of this data directory.
    pub fn open(context: &Context) -> Result<Self, CliError> {
        let file = context.data.join("command-line.json");
        let not_running = |found: String| {
            Problem::new("command.no_control_plane", "could not reach the control plane")
                .found(found)
                .next("start it with `holdfast up`, or name its data directory with `--data`")
        };
        let text =
            std::fs::read(&file).map_err(|error| not_running(format!("`{}`: {error}", file.display())))?;
        let door: Door = serde_json::from_slice(&text).map_err(|error| not_running(error.to_string()))?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(no_tls()?)
            .build()
            .map_err(anyhow::Error::from)?;
        Ok(Self { http, address: door.address, token: Redacted::new(door.token) })
    }

    /// Where its pages are.
    pub fn pages(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a request and gives the answer as it comes.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Response, CliError> {
        let mut request = self
            .http
            .request(method, format!("http://{}/api{path}", self.address))
            .bearer_auth(self.token.expose());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "no answer");
            Problem::new("command.no_control_plane", "could not reach the control plane")
                .found(format!("nothing answers at {}", self.address))
                .next("start it with `holdfast up`")
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        Err(match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => problem.into(),
            Err(_) => anyhow::anyhow!("the control plane answered with status {status}").into(),
        })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, CliError> {
        let response = self.send(method, path, body).await?;
        Ok(response.json().await.context("the control plane's answer is not of the expected form")?)
    }

    /// `GET`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.ask(Method::GET, path, None).await
    }

    /// `POST`.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: impl Serialize) -> Result<T, CliError> {
        let body = serde_json::to_value(body).map_err(anyhow::Error::from)?;
        self.ask(Method::POST, path, Some(body)).await
    }

    /// `PUT`.
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: impl Serialize) -> Result<T, CliError> {
        let body = serde_json::to_value(body).map_err(anyhow::Error::from)?;
        self.ask(Method::PUT, path, Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<(), CliError> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }
}

/// The API is on a loopback address without TLS, yet the client wants a configuration.
fn no_tls() -> anyhow::Result<rustls::ClientConfig> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}
