//! The door for hosts: enrolment, the agent program, and the certificates of enrolled hosts,
//! over TLS whose certificate hosts know from their user-data. Nothing else is served here.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit, State, rejection::JsonRejection},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base::{Problem, Sha256};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_rustls::TlsAcceptor;
use wire::{CertificateAnswer, CertificateQuestion, EnrolmentRequest, EnrolmentResponse};

use super::{ApiProblem, ApiResult, Caller};
use crate::{access::failures::Failures, app::App, hosts::DEFAULT_REGION};

/// A certificate request and a token are below 4 KiB.
const BODY: usize = 64 * 1024;

/// Connections at once. A fleet that boots together queues; each is short.
const CONNECTIONS: usize = 256;

/// TLS handshake and request headers must be here within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The agent program over a slow line: 10 MB at 50 kB a second is three minutes.
const WHOLE_CONNECTION: Duration = Duration::from_secs(6 * 60);

/// Serves the door on this listener until the task is dropped.
pub async fn serve_door(app: App, listener: TcpListener) -> Result<(), Problem> {
    let region = app.regions.get(DEFAULT_REGION).await?;
    let broken = |error: &dyn std::error::Error| {
        Problem::new("door.tls", "could not set up TLS for hosts").found(error.to_string())
    };
    let identity = region
        .authority
        .listener_identity(&app.welcome.addresses, region.key()?)
        .map_err(|error| broken(&error))?;
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(region.authority.certificate_pem().as_bytes());
    roots.add(ca.map_err(|error| broken(&error))?).map_err(|error| broken(&error))?;
    // A host that enrols has no certificate yet; what needs one asks for it.
    let callers = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| broken(&error))?;
    let tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| broken(&error))?
        .with_client_cert_verifier(callers)
        .with_single_cert(vec![identity.certificate.clone()], identity.private_key())
        .map_err(|error| broken(&error))?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let routes = Router::new()
        .route(wire::limits::ENROL_PATH, post(enrol))
        .route(wire::limits::CERTIFICATE_PATH, post(certificate))
        .route(baseline::AGENT_BINARY_PATH, get(agent_binary))
        .fallback(async |uri: Uri| {
            ApiProblem(Problem::new("route.unknown", format!("there is nothing at `{}`", uri.path())))
        })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(Extension(Arc::new(Failures::default())))
        .with_state(app);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others must end first.
                tracing::warn!(%error, "a host could not be let in");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (acceptor, routes) = (acceptor.clone(), routes.clone());
        tokio::spawn(async move {
            let _place = place;
            let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await else {
                return;
            };
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let shown = Shown(shown.map(|certificate| Sha256::of(certificate)));
            let service = routes.layer(Extension(ConnectInfo::<SocketAddr>(from))).layer(Extension(shown));
            let mut server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new()).http1_only();
            server.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            match tokio::time::timeout(WHOLE_CONNECTION, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%from, %error, "a host's connection ended early"),
                Err(_) => tracing::debug!(%from, "a host's connection took too long"),
            }
        });
    }
}

async fn enrol(
    State(app): State<App>,
    Extension(failures): Extension<Arc<Failures>>,
    Caller(from): Caller,
    request: Result<Json<EnrolmentRequest>, JsonRejection>,
) -> ApiResult<EnrolmentResponse> {
    let Json(request) = request.map_err(|error| {
        Problem::new("enrolment.request", "could not enrol the host").found(error.body_text())
    })?;
    // Each refusal is written into the audit trail, so a stranger could fill the disk.
    if failures.too_many(from, app.clock.now()) {
        return Err(Problem::new("access.slow_down", "too many failed attempts from your address")
            .next("wait a minute")
            .into());
    }
    let redeemed = app.enrolments.redeem(&request, from).await;
    if redeemed.is_err() {
        failures.note(from, app.clock.now());
    }
    Ok(Json(redeemed?))
}

/// SHA-256 of the certificate that a host has proven to hold the key of, if any.
#[derive(Clone, Copy)]
struct Shown(Option<Sha256>);

/// Tells an enrolled host about its certificate. Who asks is known by the very certificate
/// that was signed at its newest enrolment; a former one is no good any more.
async fn certificate(
    State(app): State<App>,
    Extension(failures): Extension<Arc<Failures>>,
    Extension(Shown(shown)): Extension<Shown>,
    Caller(from): Caller,
    question: Result<Json<CertificateQuestion>, JsonRejection>,
) -> ApiResult<CertificateAnswer> {
    if failures.too_many(from, app.clock.now()) {
        return Err(Problem::new("access.slow_down", "too many failed attempts from your address")
            .next("wait a minute")
            .into());
    }
    let asked = async {
        let server = match shown {
            Some(shown) => app.servers.of_agent(shown).await?,
            None => None,
        };
        let stranger = || {
            Problem::new("certificate.stranger", "could not tell which server this host is")
                .found("the connection shows no certificate of an enrolled agent")
                .state("Nothing was changed")
                .next("enrol the host")
        };
        let server = server.ok_or_else(stranger)?;
        let Json(question) = question.map_err(|error| {
            Problem::new("request.malformed", "could not read the question").found(error.body_text())
        })?;
        app.certificates.answer(&server, &question).await
    };
    let answer = asked.await;
    // Refusals are written into the trail; whoever earns many of them is not heard for a while.
    if answer.as_ref().is_err_and(|problem: &Problem| super::status_of(problem).is_client_error()) {
        failures.note(from, app.clock.now());
    }
    Ok(Json(answer?))
}

/// The agent program is public: a host checks it against the digest in its user-data.
async fn agent_binary(State(app): State<App>) -> Response {
    let program = app.welcome.agent_program.clone();
    if program.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from(program)).into_response()
}
