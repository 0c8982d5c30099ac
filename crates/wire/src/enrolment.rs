//! How a new host becomes a known one.
//!
//! The host makes its own key and redeems a token that works once. It receives a
//! certificate of its region's CA. The bearer token, by which the control plane
//! later proves itself beside its certificate, is made by the control plane for
//! this server alone; the agent keeps only its digest.

use base::ServerId;
use serde::{Deserialize, Serialize};

/// `POST /agent/v1/enrol`, over TLS whose certificate the host has pinned.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolmentRequest {
    /// The one-time token of the user-data: 43 characters of URL-safe base64.
    pub token: String,
    /// A PKCS#10 request in PEM for the key the host made. Names in it are ignored.
    pub csr_pem: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// The agent's version.
    pub agent_version: String,
}

/// The answer to an accepted enrolment. It is given once.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolmentResponse {
    /// The server this host now is.
    pub server: ServerId,
    /// The agent's certificate, PEM. Its only name is [`agent_dns_name`].
    pub certificate_pem: String,
    /// The region's CA, PEM: the only authority the agent trusts.
    pub ca_pem: String,
    /// SHA-256 of the bearer token that will be presented by the control plane.
    pub bearer_token_sha256: base::Sha256,
    /// The addresses from which the control plane will call.
    pub control_plane_addresses: Vec<std::net::IpAddr>,
}

/// The name in an agent's certificate: one per server, so that a certificate of one
/// host never answers for another.
pub fn agent_dns_name(server: ServerId) -> String {
    format!("{}.agent.holdfast.internal", server.to_string().replace('_', "-"))
}

/// The name in the certificate with which a control plane calls agents.
pub const CONTROL_PLANE_DNS_NAME: &str = "control-plane.holdfast.internal";

/// `/etc/holdfast-agent/bootstrap.json`, written by cloud-init: how the host finds
/// and recognises its control plane. The token in it dies on first use.
#[derive(Clone, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Base address, such as `https://10.98.0.1:8443`.
    pub control_plane_url: String,
    /// The region's CA in PEM: public, and the only authority trusted for that address.
    pub ca_pem: String,
    /// SHA-256 of the public key (DER `SubjectPublicKeyInfo`) in the certificate of the
    /// control plane.
    pub public_key_sha256: base::Sha256,
    /// The one-time enrolment token.
    pub token: String,
}

/// Where cloud-init writes [`Bootstrap`], readable by root only.
pub const BOOTSTRAP_FILE: &str = "/etc/holdfast-agent/bootstrap.json";
