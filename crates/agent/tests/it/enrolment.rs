//! Enrolment against a control plane of our own, honest and not.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use agent::daemon::{EnrolError, Enroller};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use base::{Problem, Redacted, ServerId, Sha256};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rcgen::ExtendedKeyUsagePurpose;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;
use wire::{Bootstrap, EnrolmentRequest, EnrolmentResponse};

use crate::region::Region;

/// How a control plane answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    Busy,
    ForeignKey,
    ForeignName,
}

#[derive(Clone)]
struct ControlPlane {
    region: Arc<Region>,
    tokens: Arc<Mutex<Vec<String>>>,
    manner: Manner,
}

async fn enrol(
    State(plane): State<ControlPlane>,
    Json(request): Json<EnrolmentRequest>,
) -> axum::response::Response {
    if plane.manner == Manner::Busy {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let mut tokens = plane.tokens.lock().unwrap();
    let Some(at) = tokens.iter().position(|token| *token == request.token) else {
        let problem = Problem::new("enrolment.used", "the token was used before");
        return (StatusCode::FORBIDDEN, Json(problem)).into_response();
    };
    tokens.remove(at);
    let server = ServerId::new();
    let named = if plane.manner == Manner::ForeignName { ServerId::new() } else { server };
    let name = wire::agent_dns_name(named);
    let certificate_pem = match plane.manner {
        Manner::ForeignKey => {
            plane.region.leaf(&[&name], &[ExtendedKeyUsagePurpose::ServerAuth]).certificate_pem
        }
        _ => plane.region.sign(&request.csr_pem, &name),
    };
    Json(EnrolmentResponse {
        server,
        certificate_pem,
        ca_pem: plane.region.ca_pem.clone(),
        bearer_token_sha256: Sha256::of(b"t"),
        control_plane_addresses: vec![IpAddr::from([127, 0, 0, 1])],
    })
    .into_response()
}

/// Serves a control plane and returns how to find it.
async fn control_plane(manner: Manner) -> Bootstrap {
    let region = Arc::new(Region::new());
    let leaf = region.leaf(&["127.0.0.1"], &[ExtendedKeyUsagePurpose::ServerAuth]);
    let certificate = CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap();
    let pin = Sha256::of(
        &rustls::server::ParsedCertificate::try_from(&certificate).unwrap().subject_public_key_info(),
    );
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap())
        .unwrap();
    let ca_pem = region.ca_pem.clone();
    let plane = ControlPlane { region, tokens: Arc::new(Mutex::new(vec!["once".into()])), manner };
    let app = Router::new().route(wire::limits::ENROL_PATH, post(enrol)).with_state(plane);
    let socket = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let url = format!("https://{}/", socket.local_addr().unwrap());
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let (acceptor, app) = (acceptor.clone(), app.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = TowerToHyperService::new(app);
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Bootstrap { control_plane_url: url, ca_pem, public_key_sha256: pin, token: "once".into() }
}

async fn attempt(bootstrap: &Bootstrap) -> Result<agent::daemon::Identity, EnrolError> {
    Enroller::new(bootstrap)?.enrol(&Redacted::new(bootstrap.token.clone())).await
}

#[tokio::test]
async fn a_token_gives_an_identity_once() {
    let bootstrap = control_plane(Manner::Honest).await;
    let identity = attempt(&bootstrap).await.unwrap();
    assert!(identity.accepts_token(b"t") && !identity.accepts_token(b"T"));
    let again = attempt(&bootstrap).await.err().unwrap();
    assert!(
        matches!(&again, EnrolError::Refused { status: 403, reason } if reason == "the token was used before")
    );
    assert!(!again.retryable());
    // A renewal needs a token of its own.
    let renewal = Enroller::again(&identity).unwrap().enrol(&Redacted::new("twice".to_owned())).await;
    assert!(matches!(renewal, Err(EnrolError::Refused { .. })));
}

#[tokio::test]
async fn another_key_or_another_authority_never_sees_the_token() {
    let honest = control_plane(Manner::Honest).await;
    let other = control_plane(Manner::Honest).await;
    let pin = Bootstrap { public_key_sha256: other.public_key_sha256, ..honest.clone() };
    let authority = Bootstrap { ca_pem: other.ca_pem.clone(), ..honest.clone() };
    for wrong in [pin, authority] {
        let error = attempt(&wrong).await.err().unwrap();
        assert!(matches!(error, EnrolError::Unreachable { .. }) && error.retryable(), "{error:?}");
    }
    assert!(attempt(&honest).await.is_ok(), "the token was spent on a stranger");
    let plain = Bootstrap { control_plane_url: "http://127.0.0.1:1".into(), ..honest };
    assert!(matches!(attempt(&plain).await, Err(EnrolError::Configuration { .. })));
}

#[tokio::test]
async fn an_answer_about_another_host_is_refused() {
    for manner in [Manner::ForeignKey, Manner::ForeignName] {
        let error = attempt(&control_plane(manner).await).await.err().unwrap();
        assert!(matches!(error, EnrolError::Answer { .. }) && !error.retryable(), "{error:?}");
    }
    assert!(attempt(&control_plane(Manner::Busy).await).await.err().unwrap().retryable());
}
