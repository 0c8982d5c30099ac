//! A region for tests: a CA, certificates of any kind, an agent with canned answers,
//! and clients that speak to it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use agent::daemon::{Gate, Identities, Identity, Listener, router};
use async_trait::async_trait;
use base::{Redacted, ServerId, Sha256};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use wire::{AgentApi, AgentError, Hello, Inventory, JobKey, JobState, JobStatus, Posture, Verb};

/// The bearer token of the control plane in tests.
pub const TOKEN: &str = "the-control-plane-token";

/// A certificate authority.
pub struct Region {
    pub ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub struct Leaf {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl Region {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = params.self_signed(&key).unwrap().pem();
        Self { ca_pem, issuer: Issuer::new(params, key) }
    }

    pub fn leaf(&self, names: &[&str], usages: &[ExtendedKeyUsagePurpose]) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.extended_key_usages = usages.to_vec();
        let certificate_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf { certificate_pem, key_pem: key.serialize_pem() }
    }

    pub fn control_plane(&self) -> Leaf {
        self.leaf(&[wire::CONTROL_PLANE_DNS_NAME], &[ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// Signs a request as a control plane does at enrolment.
    pub fn sign(&self, csr_pem: &str, name: &str) -> String {
        let mut request = rcgen::CertificateSigningRequestParams::from_pem(csr_pem).unwrap();
        request.params.subject_alt_names = vec![rcgen::SanType::DnsName(name.to_owned().try_into().unwrap())];
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        request.signed_by(&self.issuer).unwrap().pem()
    }

    pub fn identity(&self, url: &str, pin: Sha256) -> Identity {
        let server = ServerId::new();
        let leaf = self.leaf(&[&wire::agent_dns_name(server)], &[ExtendedKeyUsagePurpose::ServerAuth]);
        Identity {
            server,
            key_pem: leaf.key_pem,
            certificate_pem: leaf.certificate_pem,
            ca_pem: self.ca_pem.clone(),
            bearer_token_sha256: Sha256::of(TOKEN.as_bytes()),
            control_plane_addresses: [IpAddr::from([127, 0, 0, 1])].into(),
            control_plane_url: url.to_owned(),
            public_key_sha256: pin,
        }
    }

    /// A client that presents a certificate, or none.
    pub fn client(&self, leaf: Option<&Leaf>, server: ServerId, address: SocketAddr) -> reqwest::Client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let tls = match leaf {
            Some(leaf) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .resolve(&wire::agent_dns_name(server), address)
            .build()
            .unwrap()
    }
}

/// A served agent.
pub struct Served {
    pub region: Region,
    pub server: ServerId,
    pub address: SocketAddr,
    pub identities: Arc<Identities>,
    pub started: Arc<Mutex<Vec<JobKey>>>,
    _folder: tempfile::TempDir,
}

impl Served {
    /// Serves on a port of this machine, for callers from these addresses.
    pub async fn start(sources: &[IpAddr]) -> Self {
        let region = Region::new();
        let folder = tempfile::tempdir().unwrap();
        let places = agent::Places::below(folder.path());
        std::fs::create_dir_all(places.identity()).unwrap();
        let mut identity = region.identity("https://127.0.0.1:1", Sha256::of(b""));
        identity.control_plane_addresses = sources.iter().copied().collect();
        let server = identity.server;
        let identities = Arc::new(Identities::new(&places, identity).unwrap());
        let gate = Arc::new(Gate::default());
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(here, identities.clone(), gate.clone()).await.unwrap();
        let address = listener.address().unwrap();
        let started = Arc::new(Mutex::new(Vec::new()));
        let canned = Arc::new(Canned { started: started.clone() });
        tokio::spawn(listener.serve(router(canned, identities.clone(), gate)));
        Self { region, server, address, identities, started, _folder: folder }
    }

    pub async fn here() -> Self {
        Self::start(&[IpAddr::from([127, 0, 0, 1])]).await
    }

    /// The rightful control plane.
    pub fn control_plane(&self) -> reqwest::Client {
        let leaf = self.region.control_plane();
        self.region.client(Some(&leaf), self.server, self.address)
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", wire::agent_dns_name(self.server), self.address.port())
    }
}

/// An agent that answers from memory.
struct Canned {
    started: Arc<Mutex<Vec<JobKey>>>,
}

#[async_trait]
impl AgentApi for Canned {
    async fn hello(&self) -> Result<Hello, AgentError> {
        Ok(Hello { agent_version: "test".into(), protocol: 1, boot_id: "boot".into(), packages_at: None })
    }

    async fn inventory(&self) -> Result<Inventory, AgentError> {
        Err(AgentError::Unreachable { source: "the helper is down".into() })
    }

    async fn posture(&self) -> Result<Posture, AgentError> {
        Ok(Posture::default())
    }

    async fn start_job(&self, key: &JobKey, _verb: &Verb) -> Result<JobStatus, AgentError> {
        if self.started.lock().unwrap().contains(key) {
            return Err(AgentError::Conflict { reason: "another verb".into() });
        }
        self.started.lock().unwrap().push(key.clone());
        Ok(JobStatus {
            key: key.clone(),
            state: JobState::Queued,
            accepted_at: jiff::Timestamp::UNIX_EPOCH,
            ended_at: None,
            log: Vec::new(),
            next_line: 0,
        })
    }

    async fn job(&self, key: &JobKey, _from: u64) -> Result<JobStatus, AgentError> {
        Err(AgentError::UnknownJob { key: key.clone() })
    }

    async fn renew_identity(&self, _token: &Redacted<String>) -> Result<(), AgentError> {
        Ok(())
    }
}
