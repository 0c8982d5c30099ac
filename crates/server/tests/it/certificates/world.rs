//! A control plane with a name server and a CA, and hosts that ask it.

use jiff::{SignedDuration, Timestamp};
use server::{
    certificates::{AcmeConfig, Certificate, IssueOrder},
    dns::{KeyAlgorithm, ZoneOrder},
    hosts::Server,
};
use testkit::HostBuilder;
use tokio::task::AbortHandle;
use wire::{CertificateAnswer, CertificateQuestion, InstalledCertificate, ServedProof, TlsService};

use super::programs::{Bind, SECRET};
use crate::app::{Setup, TestApp, ann, in_short};

/// The control plane, its name server, and its worker.
pub struct World {
    pub app: TestApp,
    pub bind: Bind,
    worker: AbortHandle,
    _folder: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl World {
    /// With the CA that `ca` starts, given a folder and where names are asked for.
    pub async fn new(ca: impl FnOnce(&std::path::Path, std::net::SocketAddr) -> AcmeConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bind = Bind::start(folder.path());
        let acme = ca(folder.path(), bind.address);
        let app = TestApp::with(Setup { acme, ..Setup::default() }).await;
        // Name servers compare the time of a signature with their own.
        app.clock.set(Timestamp::now());
        let worker = tokio::spawn(app.app.certificates.clone().serve()).abort_handle();
        let world = Self { app, bind, worker, _folder: folder };
        world.set_zone("hosts.test", Some(("holdfast", SECRET))).await;
        world
    }

    /// Sets a zone, with a key or only to be read.
    pub async fn set_zone(&self, name: &str, key: Option<(&str, &str)>) {
        let order = ZoneOrder {
            name: name.parse().unwrap(),
            servers: vec![self.bind.address],
            authoritative: vec![self.bind.address],
            key_name: key.map(|(name, _)| name.to_owned()),
            algorithm: key.map(|_| KeyAlgorithm::HmacSha256),
            secret: key.map(|(_, secret)| secret.to_owned()),
        };
        self.app.app.zones.set(&ann(), &order).await.unwrap();
    }

    /// A server for which a certificate is ordered.
    pub async fn server(&self, name: &str, zone: &str) -> Server {
        let (server, _) = self.app.server(HostBuilder::debian12(name)).await;
        self.issue(&server, zone).await;
        server
    }

    /// Orders a certificate, or another one.
    pub async fn issue(&self, server: &Server, zone: &str) {
        let order = IssueOrder { zone: Some(zone.parse().unwrap()), service: Some(TlsService::Nginx) };
        self.app.app.certificates.issue(&ann(), server, &order).await.unwrap();
    }

    /// What the control plane answers to a question.
    pub async fn ask(
        &self,
        server: &Server,
        csr: Option<&str>,
        installed: Option<&str>,
    ) -> Result<CertificateAnswer, base::Problem> {
        let installed = installed
            .map(|serial| InstalledCertificate { serial: serial.to_owned(), proof: ServedProof::Served });
        let question = CertificateQuestion { csr_pem: csr.map(str::to_owned), installed, fault: None };
        self.app.app.certificates.answer(server, &question).await
    }

    /// The chain that a host gets for this request.
    pub async fn chain(&self, server: &Server, csr: &str, installed: Option<&str>) -> String {
        match self.ask(server, Some(csr), installed).await.unwrap() {
            CertificateAnswer::Issued { chain_pem, .. } => chain_pem,
            other => panic!("no chain but {other:?}, {:?}", self.known(server).await.fault),
        }
    }

    /// What is known of a server's certificate.
    pub async fn known(&self, server: &Server) -> Certificate {
        self.app.app.certificates.find(server).await.unwrap().expect("a certificate is on record")
    }

    /// Lets time pass, and whatever is due then be done.
    pub async fn pass(&self, seconds: i64) {
        self.app.clock.advance(SignedDuration::from_secs(seconds));
        self.app.app.certificates.run_due().await.unwrap();
    }

    /// The entries of the trail about certificates, such as `certificate.order done`.
    pub async fn trail(&self) -> Vec<String> {
        let trail = self.app.audit().await;
        trail.iter().filter(|line| line.entry.action.starts_with("certificate.")).map(in_short).collect()
    }
}

/// A request for these names.
pub fn csr(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.serialize_request(&rcgen::KeyPair::generate().unwrap()).unwrap().pem().unwrap()
}
