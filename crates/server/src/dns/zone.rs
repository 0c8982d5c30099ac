//! What is known of a zone: who serves it, and the key that may change it.

use std::net::SocketAddr;

use base::Redacted;
use serde::{Deserialize, Serialize};

use super::DnsName;

/// Servers that one zone may list; the largest public zones have 13.
pub(super) const SERVERS: usize = 16;

/// How updates are signed (RFC 8945 §6; those that are not too weak).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum KeyAlgorithm {
    /// HMAC with SHA-256.
    #[serde(rename = "hmac-sha256")]
    #[value(name = "hmac-sha256")]
    HmacSha256,
    /// HMAC with SHA-384.
    #[serde(rename = "hmac-sha384")]
    #[value(name = "hmac-sha384")]
    HmacSha384,
    /// HMAC with SHA-512.
    #[serde(rename = "hmac-sha512")]
    #[value(name = "hmac-sha512")]
    HmacSha512,
}

/// A TSIG key.
#[derive(Debug, Clone)]
pub struct UpdateKey {
    /// Its name, known to the server.
    pub name: String,
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// The shared secret.
    pub secret: Redacted<Vec<u8>>,
}

/// A zone with all that is needed to use it.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Its name.
    pub name: DnsName,
    /// Where updates and questions go, in this order.
    pub servers: Vec<SocketAddr>,
    /// All its authoritative servers. Empty: those of its NS records.
    pub authoritative: Vec<SocketAddr>,
    /// The key that may change it. None: the zone is only read, to follow CNAME records.
    pub key: Option<UpdateKey>,
}

/// A zone as it is asked for. The secret is in no answer.
#[derive(Clone, Serialize, Deserialize)]
pub struct ZoneOrder {
    /// Its name.
    pub name: DnsName,
    /// Where updates and questions go.
    pub servers: Vec<SocketAddr>,
    /// All its authoritative servers.
    #[serde(default)]
    pub authoritative: Vec<SocketAddr>,
    /// Name of the key.
    #[serde(default)]
    pub key_name: Option<String>,
    /// How it signs.
    #[serde(default)]
    pub algorithm: Option<KeyAlgorithm>,
    /// The secret in base64, as name servers' tools print it.
    #[serde(default)]
    pub secret: Option<String>,
}

impl Drop for ZoneOrder {
    fn drop(&mut self) {
        if let Some(secret) = &mut self.secret {
            zeroize::Zeroize::zeroize(secret);
        }
    }
}

/// A zone as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneView {
    /// Its name.
    pub name: DnsName,
    /// Where updates and questions go.
    pub servers: Vec<SocketAddr>,
    /// All its authoritative servers; empty for those of its NS records.
    pub authoritative: Vec<SocketAddr>,
    /// Name of its key.
    pub key_name: Option<String>,
    /// How the key signs.
    pub algorithm: Option<KeyAlgorithm>,
}

impl Zone {
    /// What may be shown of it.
    pub fn view(&self) -> ZoneView {
        ZoneView {
            name: self.name.clone(),
            servers: self.servers.clone(),
            authoritative: self.authoritative.clone(),
            key_name: self.key.as_ref().map(|key| key.name.clone()),
            algorithm: self.key.as_ref().map(|key| key.algorithm),
        }
    }
}
