//! A CA that does as it is told: it signs everything, and says "not now" when asked to. It
//! checks no signature; what it is for are answers that a real one gives rarely.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rcgen::{CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use super::programs::https_identity;

/// What it is told and what it was asked.
#[derive(Default)]
struct Book {
    /// Answers orders with this status and this `Retry-After`.
    turned_away: Option<(u16, Option<String>)>,
    /// Start and end of the window in which certificates shall be replaced.
    window: Option<(String, String)>,
    /// Method and path of every request.
    asked: Vec<String>,
    /// What orders said that they replace.
    replaced: Vec<String>,
    /// The name of the newest order, and its certificate.
    name: String,
    chain: String,
}

/// The CA.
#[derive(Clone)]
pub struct Stub {
    at: SocketAddr,
    root: PathBuf,
    book: Arc<Mutex<Book>>,
    issuer: Arc<Issuer<'static, KeyPair>>,
}

impl Stub {
    /// Serves it, with its files below this folder. Needs a runtime.
    pub fn start(folder: &Path) -> Self {
        let (root_pem, certificate, key) = https_identity();
        let root = folder.join("stub-root.pem");
        std::fs::write(&root, root_pem).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let at = socket.local_addr().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = Arc::new(Issuer::new(ca, KeyPair::generate().unwrap()));
        let stub = Self { at, root, book: Arc::default(), issuer };
        let routes = Router::new().fallback(answer).with_state(stub.clone());
        let (socket, acceptor) =
            (tokio::net::TcpListener::from_std(socket).unwrap(), TlsAcceptor::from(Arc::new(tls)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (acceptor, routes) = (acceptor.clone(), routes.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let mut server =
                        hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                    server = server.http1_only();
                    let _ =
                        server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)).await;
                });
            }
        });
        stub
    }

    /// Its directory.
    pub fn directory(&self) -> String {
        self.url("/dir")
    }

    /// The root that its address is checked by.
    pub fn root(&self) -> PathBuf {
        self.root.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.at)
    }

    /// From now on orders are answered with this status; none for honest answers.
    pub fn turn_away(&self, with: Option<(u16, Option<&str>)>) {
        let with = with.map(|(status, after)| (status, after.map(str::to_owned)));
        self.book.lock().unwrap().turned_away = with;
    }

    /// From now on this is the window for every certificate.
    pub fn suggest(&self, start: jiff::Timestamp, end: jiff::Timestamp) {
        self.book.lock().unwrap().window = Some((start.to_string(), end.to_string()));
    }

    /// How many requests had this path.
    pub fn requests(&self, path: &str) -> usize {
        self.book.lock().unwrap().asked.iter().filter(|asked| asked.starts_with(path)).count()
    }

    /// What orders said that they replace.
    pub fn replaced(&self) -> Vec<String> {
        self.book.lock().unwrap().replaced.clone()
    }

    fn order(&self, book: &Book, status: &str, replaces: Option<&Value>) -> Value {
        let mut order = json!({
            "status": status,
            "identifiers": [{"type": "dns", "value": book.name}],
            "authorizations": [self.url("/authorization")],
            "finalize": self.url("/finalize"),
        });
        if status == "valid" {
            order["certificate"] = json!(self.url("/certificate"));
        }
        if let Some(replaces) = replaces {
            order["replaces"] = replaces.clone();
        }
        order
    }
}

/// The payload of a signed request.
fn payload(body: &[u8]) -> Value {
    let envelope: Value = serde_json::from_slice(body).unwrap_or_default();
    let payload =
        URL_SAFE_NO_PAD.decode(envelope["payload"].as_str().unwrap_or_default()).unwrap_or_default();
    serde_json::from_slice(&payload).unwrap_or_default()
}

async fn answer(State(stub): State<Stub>, uri: Uri, body: Bytes) -> Response {
    let mut book = stub.book.lock().unwrap();
    book.asked.push(uri.path().to_owned());
    let mut headers = HeaderMap::new();
    headers.insert("replay-nonce", "bm9uY2U".parse().unwrap());
    let sent = payload(&body);
    let (status, said) = match uri.path() {
        "/dir" => {
            let mut directory = json!({
                "newNonce": stub.url("/nonce"),
                "newAccount": stub.url("/account"),
                "newOrder": stub.url("/order"),
                "revokeCert": stub.url("/revoke"),
                "keyChange": stub.url("/key"),
            });
            if book.window.is_some() {
                directory["renewalInfo"] = json!(stub.url("/renewal"));
            }
            (StatusCode::OK, directory)
        }
        "/nonce" => (StatusCode::OK, Value::Null),
        "/account" => {
            headers.insert("location", stub.url("/account/1").parse().unwrap());
            (StatusCode::CREATED, json!({"status": "valid"}))
        }
        "/order" => match book.turned_away.clone() {
            Some((status, after)) => {
                if let Some(after) = after {
                    headers.insert("retry-after", after.parse().unwrap());
                }
                let kind = "urn:ietf:params:acme:error:rateLimited";
                let said = json!({"type": kind, "detail": "too many certificates already issued"});
                (StatusCode::from_u16(status).unwrap(), said)
            }
            None => {
                headers.insert("location", stub.url("/order/1").parse().unwrap());
                book.name = sent["identifiers"][0]["value"].as_str().unwrap_or_default().to_owned();
                book.chain.clear();
                if let Some(replaces) = sent["replaces"].as_str() {
                    book.replaced.push(replaces.to_owned());
                }
                (StatusCode::CREATED, stub.order(&book, "ready", sent.get("replaces")))
            }
        },
        "/order/1" => {
            let status = if book.chain.is_empty() { "ready" } else { "valid" };
            (StatusCode::OK, stub.order(&book, status, None))
        }
        "/authorization" => {
            let identifier = json!({"type": "dns", "value": book.name});
            (StatusCode::OK, json!({"identifier": identifier, "status": "valid", "challenges": []}))
        }
        "/finalize" => {
            let der = URL_SAFE_NO_PAD.decode(sent["csr"].as_str().unwrap_or_default()).unwrap();
            let mut request = CertificateSigningRequestParams::from_der(&der.into()).unwrap();
            request.params.use_authority_key_identifier_extension = true;
            let now = std::time::SystemTime::now();
            request.params.not_before = now.into();
            request.params.not_after = (now + std::time::Duration::from_secs(90 * 86_400)).into();
            book.chain = request.signed_by(&*stub.issuer).unwrap().pem();
            (StatusCode::OK, stub.order(&book, "valid", None))
        }
        "/certificate" => return (headers, book.chain.clone()).into_response(),
        path if path.starts_with("/renewal/") => {
            headers.insert("retry-after", "21600".parse().unwrap());
            let (start, end) = book.window.clone().unwrap_or_default();
            (StatusCode::OK, json!({"suggestedWindow": {"start": start, "end": end}}))
        }
        _ => (StatusCode::NOT_FOUND, json!({"detail": "nothing here"})),
    };
    (status, headers, Json(said)).into_response()
}
