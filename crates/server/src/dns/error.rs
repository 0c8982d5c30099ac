//! Why something about a zone did not work, grouped by what can be done about it.

use std::net::SocketAddr;

use super::DnsName;

/// Why a record could not be read, written or seen.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// No answer: server down, network cut.
    #[error("the name server {server} does not answer")]
    Unreachable {
        /// Who was asked.
        server: SocketAddr,
        /// What the connection said.
        #[source]
        source: std::io::Error,
    },
    /// It answered that it cannot answer now (SERVFAIL).
    #[error("the name server {server} failed with `{code}`")]
    ServerFailed {
        /// Who was asked.
        server: SocketAddr,
        /// Its response code.
        code: String,
    },
    /// It does not take our key, or our clock and its clock differ too much.
    #[error("the name server {server} does not accept the update key: `{code}`")]
    KeyRefused {
        /// Who was asked.
        server: SocketAddr,
        /// Its response code, with that of the signature.
        code: String,
    },
    /// The key is known but may not do this.
    #[error("the name server {server} refused with `{code}`")]
    Refused {
        /// Who was asked.
        server: SocketAddr,
        /// Its response code.
        code: String,
    },
    /// The answer is not of the agreed form, or not signed by who should have.
    #[error("the answer of the name server {server} cannot be used: {reason}")]
    Malformed {
        /// Who was asked.
        server: SocketAddr,
        /// What is wrong.
        reason: String,
    },
    /// The record is written, but some authoritative servers do not have it in time.
    #[error("after {seconds} s the record is not yet at {}", list(.servers))]
    NotPropagated {
        /// Those without it.
        servers: Vec<SocketAddr>,
        /// How long was waited.
        seconds: u64,
    },
    /// No configured zone holds the name.
    #[error("no configured zone holds `{name}`")]
    NoZone {
        /// The name.
        name: DnsName,
    },
    /// The zone is configured for reading only.
    #[error("the zone `{zone}` has no update key, and `{name}` is not delegated elsewhere")]
    NoKey {
        /// The zone.
        zone: DnsName,
        /// The record's name.
        name: DnsName,
    },
    /// A chain of CNAME records that goes round or is too long.
    #[error("the CNAME records from `{name}` lead nowhere")]
    EndlessAlias {
        /// Where it begins.
        name: DnsName,
    },
    /// The store does not give the zone's key.
    #[error("the settings of the zone cannot be read")]
    Settings {
        /// In the store's words.
        #[source]
        source: base::Problem,
    },
}

impl DnsError {
    /// Whether the same may work later without anybody changing a setting.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::ServerFailed { .. }
            | Self::Malformed { .. }
            | Self::NotPropagated { .. }
            | Self::Settings { .. } => true,
            Self::KeyRefused { .. }
            | Self::Refused { .. }
            | Self::NoZone { .. }
            | Self::NoKey { .. }
            | Self::EndlessAlias { .. } => false,
        }
    }

    /// What an operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::ServerFailed { .. } | Self::Malformed { .. } => {
                "see whether the name server runs; the next attempt comes by itself"
            }
            Self::KeyRefused { .. } => {
                "compare name, algorithm and secret of the key, and the clocks; `holdfast dns zone set` replaces them"
            }
            Self::Refused { .. } => {
                "let the key update TXT records of this name, such as by `update-policy` in BIND"
            }
            Self::NotPropagated { .. } => "see whether the secondary servers fetch the zone",
            Self::NoZone { .. } => "add the zone with `holdfast dns zone set`",
            Self::NoKey { .. } => {
                "give the zone a key, or let `_acme-challenge` of the name be a CNAME into a zone that has one"
            }
            Self::EndlessAlias { .. } => "put the CNAME records in order",
            Self::Settings { .. } => "see the log of the control plane",
        }
    }
}

fn list(servers: &[SocketAddr]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
