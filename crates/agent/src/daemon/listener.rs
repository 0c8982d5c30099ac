//! The port: accepts, judges the source, shakes hands, and serves one connection
//! after the other within fixed bounds of number and time.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{Gate, Identities};

/// Connections at once. A control plane holds a few: one long poll, one inventory.
const CONNECTIONS: usize = 32;
/// Three packets each way; ten seconds cover a bad line.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// For the head of a request, and between two requests of one connection.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// Pause after the system refused to accept, such as with no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The source address of a connection, for routes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source(pub IpAddr);

/// Why the port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on `{address}`")]
pub struct ListenError {
    /// Which.
    address: SocketAddr,
    /// What the system said.
    #[source]
    source: io::Error,
}

/// The bound port.
pub struct Listener {
    socket: TcpListener,
    identities: Arc<Identities>,
    gate: Arc<Gate>,
}

impl Listener {
    /// Binds. `[::]` also takes IPv4; on a host without IPv6 it falls back to IPv4.
    pub async fn bind(
        address: SocketAddr,
        identities: Arc<Identities>,
        gate: Arc<Gate>,
    ) -> Result<Self, ListenError> {
        let socket = match TcpListener::bind(address).await {
            Err(error) if address.is_ipv6() && error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => {
                TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, address.port())).await
            }
            other => other,
        };
        let socket = socket.map_err(|source| ListenError { address, source })?;
        Ok(Self { socket, identities, gate })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until dropped.
    pub async fn serve(self, router: Router) {
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // Waiting here leaves further connections in the kernel's queue.
            let Ok(place) = free.clone().acquire_owned().await else { return };
            let (stream, source) = match self.socket.accept().await {
                Ok((stream, source)) => (stream, source.ip().to_canonical()),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if !self.gate.is_open(source) {
                continue;
            }
            let live = self.identities.live();
            if !live.identity.accepts_source(source) {
                self.note(source, "not an address of the control plane");
                continue;
            }
            let connection = serve_one(stream, source, live.tls.clone(), self.gate.clone(), router.clone());
            tokio::spawn(async move {
                connection.await;
                drop(place);
            });
        }
    }

    fn note(&self, source: IpAddr, reason: &str) {
        note(&self.gate, source, reason);
    }
}

/// Counts a failure and logs it; the gate bounds how often that can be.
pub(super) fn note(gate: &Gate, source: IpAddr, reason: &str) {
    let failures = gate.failed(source);
    tracing::warn!(%source, failures, reason, "turned a caller away");
}

async fn serve_one(
    stream: TcpStream,
    source: IpAddr,
    tls: Arc<rustls::ServerConfig>,
    gate: Arc<Gate>,
    router: Router,
) {
    let stream = match timeout(HANDSHAKE_LIMIT, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return note(&gate, source, &format!("TLS: {error}")),
        Err(_) => return note(&gate, source, "TLS: no handshake in time"),
    };
    let service = TowerToHyperService::new(router.layer(axum::Extension(Source(source))));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_headers(64)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        // A caller that goes away in the middle is nothing to act on.
        tracing::debug!(%source, %error, "connection ended early");
    }
}
