//! Who this host is: key, certificate, and whom it answers. One file, replaced as a
//! whole, so that a renewal is either done or not.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, RwLock},
};

use base::{ServerId, Sha256};
use rustls::{ServerConfig, server::NoServerSessionStorage, version::TLS13};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::caller::ControlPlaneOnly;
use crate::{Places, durable};

/// A key, a few certificates and some addresses.
const FILE_BYTES: u64 = 1 << 20;

/// What is kept of an enrolment. Its file is readable by the daemon alone.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// The server this host is.
    pub server: ServerId,
    /// The host's private key, PKCS#8 in PEM. It never leaves the host.
    pub key_pem: String,
    /// Its certificate.
    pub certificate_pem: String,
    /// The region's CA.
    pub ca_pem: String,
    /// Digest of the token by which the control plane proves itself.
    pub bearer_token_sha256: Sha256,
    /// From where the control plane calls.
    pub control_plane_addresses: BTreeSet<IpAddr>,
    /// Where it answers, for a renewal.
    pub control_plane_url: String,
    /// Its pinned public key, for a renewal.
    pub public_key_sha256: Sha256,
}

/// Why an identity is of no use.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("the identity file cannot be read or written")]
    File {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what this agent writes.
    #[error("the identity file is damaged; enrol this host anew")]
    Damaged {
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// Key and certificates do not make a TLS server.
    #[error("key and certificates do not fit: {reason}; enrol this host anew")]
    Unusable {
        /// What does not fit.
        reason: String,
    },
}

impl Identity {
    /// The stored identity, if this host has enrolled.
    pub fn load(places: &Places) -> Result<Option<Self>, IdentityError> {
        match durable::read_bounded(&places.identity().join("identity.json"), FILE_BYTES) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|source| IdentityError::Damaged { source })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IdentityError::File { source }),
        }
    }

    /// Stores it in place of the former one.
    pub fn store(&self, places: &Places) -> Result<(), IdentityError> {
        let bytes = serde_json::to_vec(self).map_err(|source| IdentityError::Damaged { source })?;
        durable::replace(&places.identity().join("identity.json"), &bytes, 0o600)
            .map_err(|source| IdentityError::File { source })
    }

    /// TLS as this identity offers it: 1.3 only, the control plane's certificate
    /// required, nothing resumed, so that each connection proves itself anew.
    pub fn tls(&self) -> Result<ServerConfig, IdentityError> {
        let unusable = |reason: String| IdentityError::Unusable { reason };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(format!("certificate: {error}")))?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|error| unusable(format!("key: {error}")))?;
        let caller = ControlPlaneOnly::new(&self.ca_pem).map_err(unusable)?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .map_err(|error| unusable(error.to_string()))?
                .with_client_cert_verifier(Arc::new(caller))
                .with_single_cert(chain, key)
                .map_err(|error| unusable(error.to_string()))?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Whether this is the token of the control plane. Takes the same time either way.
    pub fn accepts_token(&self, token: &[u8]) -> bool {
        Sha256::of(token).as_bytes().ct_eq(self.bearer_token_sha256.as_bytes()).into()
    }

    /// Whether the control plane calls from this address.
    pub fn accepts_source(&self, source: IpAddr) -> bool {
        self.control_plane_addresses.iter().any(|known| known.to_canonical() == source.to_canonical())
    }
}

/// An identity ready for use by new connections.
pub struct Live {
    /// The identity.
    pub identity: Identity,
    /// Its TLS configuration.
    pub tls: Arc<ServerConfig>,
}

/// The present identity. A renewal replaces it on the disk, then for new connections;
/// those that are open keep the one they began with.
pub struct Identities {
    places: Places,
    live: RwLock<Arc<Live>>,
}

impl Identities {
    /// Begins with this identity.
    pub fn new(places: &Places, identity: Identity) -> Result<Self, IdentityError> {
        let tls = Arc::new(identity.tls()?);
        Ok(Self { places: places.clone(), live: RwLock::new(Arc::new(Live { identity, tls })) })
    }

    /// The present one.
    pub fn live(&self) -> Arc<Live> {
        // The lock guards a pointer: a panic elsewhere cannot leave it half-written.
        self.live.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Proves that an identity works, stores it, and uses it from now on.
    pub fn replace(&self, identity: Identity) -> Result<(), IdentityError> {
        let tls = Arc::new(identity.tls()?);
        identity.store(&self.places)?;
        *self.live.write().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Arc::new(Live { identity, tls });
        Ok(())
    }
}
