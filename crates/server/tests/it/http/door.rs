//! The door for hosts, over real TLS on a loopback port.

use std::{net::SocketAddr, sync::Arc};

use axum::http::StatusCode;
use base::Problem;
use jiff::SignedDuration;
use reqwest::Client;
use rustls::{RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use testkit::HostBuilder;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::app::{Setup, TestApp, enrolment_request, in_short};

/// The paths behind the door; kept equal to its own list by the test below.
const PATHS: [&str; 3] =
    ["wire::limits::ENROL_PATH", "wire::limits::CERTIFICATE_PATH", "baseline::AGENT_BINARY_PATH"];

struct Door {
    app: TestApp,
    client: Client,
    at: SocketAddr,
    serving: AbortHandle,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Door {
    /// A client that shows this certificate, or none.
    async fn caller(&self, shown: Option<(&str, &rcgen::KeyPair)>) -> Client {
        let region = self.app.app.regions.get("default").await.unwrap();
        let mut roots = RootCertStore::empty();
        let ca = region.authority.certificate_pem().as_bytes();
        roots.add(CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let tls = match shown {
            None => tls.with_no_client_auth(),
            Some((pem, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
                let key = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
                tls.with_client_auth_cert(chain, key.into()).unwrap()
            }
        };
        Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
    }

    async fn ask(&self, client: &Client) -> reqwest::Result<(u16, String)> {
        let question = wire::CertificateQuestion { csr_pem: None, installed: None, fault: None };
        let answer = client.post(self.url(wire::limits::CERTIFICATE_PATH)).json(&question).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn open() -> Self {
        let app = TestApp::with(Setup { address: "127.0.0.1", ..Setup::default() }).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let serving = tokio::spawn(server::http::serve_door(app.app.clone(), listener)).abort_handle();
        let region = app.app.regions.get("default").await.unwrap();
        let mut roots = RootCertStore::empty();
        let ca = region.authority.certificate_pem().as_bytes();
        roots.add(CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
        Self { app, client, at, serving }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.at)
    }

    async fn enrol(&self, body: impl Into<reqwest::Body>) -> (StatusCode, String) {
        let request = self.client.post(self.url(wire::limits::ENROL_PATH));
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn refused(&self, body: impl Into<reqwest::Body>) -> (u16, String) {
        let (status, text) = self.enrol(body).await;
        let problem: Problem = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (status.as_u16(), problem.code.0)
    }

    async fn audited(&self) -> Vec<String> {
        let trail = self.app.audit().await;
        trail.iter().filter(|line| line.entry.action == "server.enrol").map(in_short).collect()
    }
}

fn json(token: &str) -> String {
    serde_json::to_string(&enrolment_request(token)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_door_once() {
    let door = Door::open().await;
    let (server, _) = door.app.server(HostBuilder::debian12("web-3")).await;
    let token = door.app.app.enrolments.issue(server.id).await.unwrap();
    let body = json(token.reveal());
    let (status, text) = door.enrol(body.clone()).await;
    assert_eq!(status, 200, "{text}");
    let answer: wire::EnrolmentResponse = serde_json::from_str(&text).unwrap();
    assert_eq!(answer.server, server.id);
    assert!(!text.contains(token.reveal()) && !text.contains("PRIVATE KEY"));
    assert_eq!(door.refused(body).await, (403, "enrolment.refused".to_owned()));
    assert_eq!(door.audited().await.last().unwrap(), "server.enrol refused");
    let trail = door.app.audit().await;
    let who = &trail.last().unwrap().entry.actor;
    assert_eq!(who.to_string(), "host:127.0.0.1", "the caller's address is on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_is_sent_is_refused() {
    let door = Door::open().await;
    let (server, _) = door.app.server(HostBuilder::debian12("web-3")).await;
    let late = door.app.app.enrolments.issue(server.id).await.unwrap();
    door.app.clock.advance(SignedDuration::from_mins(30));
    let malformed = ["", "{", "[]", "null", r#"{"token": 7}"#, &"[".repeat(10_000), "\u{0}", "<html>"];
    for body in malformed {
        assert_eq!(door.refused(body.to_owned()).await, (422, "enrolment.request".to_owned()), "{body:.20}");
    }
    // Whether the answer still reaches who goes on sending is up to the network.
    let oversized = format!(r#"{{"token": "{}"}}"#, "A".repeat(1 << 20));
    let request =
        door.client.post(door.url(wire::limits::ENROL_PATH)).header("content-type", "application/json");
    if let Ok(answer) = request.body(oversized).send().await {
        assert!(answer.status().is_client_error(), "{answer:?}");
    }
    assert!(door.audited().await.is_empty(), "what is not even a request is not audited");
    for token in [late.reveal(), "unknown", "", "../../etc/passwd"] {
        assert_eq!(door.refused(json(token)).await, (403, "enrolment.refused".to_owned()), "{token}");
    }
    assert_eq!(door.audited().await, ["server.enrol refused"; 4]);
    assert_eq!(door.app.known(server.id).await.agent_certificate, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_certificate_of_an_enrolled_agent_asks_about_a_servers_own() {
    let door = Door::open().await;
    let (server, _) = door.app.server(HostBuilder::debian12("web-3")).await;
    let enrol = async || {
        let token = door.app.app.enrolments.issue(server.id).await.unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let request = wire::EnrolmentRequest { csr_pem: csr, ..enrolment_request(token.reveal()) };
        let from = "192.0.2.9".parse().unwrap();
        (door.app.app.enrolments.redeem(&request, from).await.unwrap().certificate_pem, key)
    };
    let (former, former_key) = enrol().await;
    let (own, own_key) = enrol().await;
    let stranger = door.caller(None).await;
    let refused = door.ask(&stranger).await.unwrap();
    assert!(refused.0 == 403 && refused.1.contains("certificate.stranger"), "{refused:?}");
    let client = door.caller(Some((&own, &own_key))).await;
    assert_eq!(door.ask(&client).await.unwrap(), (200, r#"{"answer":"nothing"}"#.to_owned()));
    let client = door.caller(Some((&former, &former_key))).await;
    let refused = door.ask(&client).await.unwrap();
    assert!(refused.0 == 403 && refused.1.contains("certificate.stranger"), "{refused:?}");
    // One of another authority does not even get a connection.
    let params = rcgen::CertificateParams::new(vec![wire::agent_dns_name(server.id)]).unwrap();
    let foreign = params.self_signed(&own_key).unwrap().pem();
    assert!(door.ask(&door.caller(Some((&foreign, &own_key))).await).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_come_at_once_one_enters() {
    let door = Door::open().await;
    let (server, _) = door.app.server(HostBuilder::debian12("web-3")).await;
    let token = door.app.app.enrolments.issue(server.id).await.unwrap();
    let (one, other) = tokio::join!(door.enrol(json(token.reveal())), door.enrol(json(token.reveal())));
    let mut found = [one.0.as_u16(), other.0.as_u16()];
    found.sort_unstable();
    assert_eq!(found, [200, 403]);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_the_door_there_is_nothing_else() {
    let door = Door::open().await;
    let source = include_str!("../../../src/http/door.rs");
    let routes = source.matches(".route(").count();
    assert_eq!(routes, PATHS.len(), "a route of the door is not tried here");
    assert!(PATHS.iter().all(|path| source.contains(&format!(".route({path},"))));
    for path in
        ["/", "/api/servers", "/api/audit", "/sign-in", "/agent/v1/enrol/", "/../etc/passwd", "/%2e%2e/x"]
    {
        let answer = door.client.get(door.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        let problem: Problem = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem.code.0, "route.unknown", "{path}");
    }
    let agent = door.client.get(door.url(baseline::AGENT_BINARY_PATH)).send().await.unwrap();
    assert_eq!((agent.status(), agent.text().await.unwrap().as_str()), (StatusCode::OK, "the agent program"));
    // Without TLS, and with TLS of another authority, nobody is spoken to.
    let plain = Client::builder().no_proxy().tls_backend_preconfigured(
        rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    );
    let plain = plain.build().unwrap();
    assert!(plain.get(format!("http://{}/", door.at)).send().await.is_err());
    assert!(plain.get(door.url("/")).send().await.is_err());
}
