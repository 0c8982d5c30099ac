//! The helper's socket: who may speak, and what is done about each request.

use std::{fs, io, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use nix::unistd::{Gid, Uid, User};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};
use wire::{AgentError, limits};

use super::{
    DAEMON_USER,
    protocol::{self, Request, Response},
    token,
};
use crate::{Places, daemon::chain, firewall, jobs::Jobs, observe};

/// Connections at once: what the daemon's own connections can cause.
const CONNECTIONS: usize = 64;
/// For a request to arrive over a local socket.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Why the helper cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// Its socket cannot be made.
    #[error("the socket `{path}` cannot be served")]
    Socket {
        /// Where.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The daemon's user does not exist.
    #[error("there is no user `{DAEMON_USER}`: run `holdfast-agent install`")]
    NoUser,
    /// The folder of jobs cannot be used.
    #[error("the folder of jobs cannot be used")]
    Jobs {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Serves for ever.
pub async fn run(places: &Places) -> Result<(), HelperError> {
    let user = User::from_name(DAEMON_USER).ok().flatten().ok_or(HelperError::NoUser)?;
    let jobs = Jobs::on_this_host(places).map_err(|source| HelperError::Jobs { source })?;
    jobs.settle_all().await;
    if let Err(error) = firewall::settle(places).await {
        tracing::error!(error = &error as &dyn std::error::Error, "a firewall on trial could not be undone");
    }
    let path = places.helper_socket();
    let socket = bind(&path, user.gid)
        .map_err(|source| HelperError::Socket { path: path.display().to_string(), source })?;
    let service = Arc::new(Service { places: places.clone(), jobs, daemon: user.uid });
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = free.clone().acquire_owned().await else { return Ok(()) };
        match socket.accept().await {
            Ok((stream, _)) => {
                let service = service.clone();
                tokio::spawn(async move {
                    service.serve(stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn bind(path: &std::path::Path, group: Gid) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixListener::bind(path)?;
    std::os::unix::fs::chown(path, None, Some(group.as_raw()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(socket)
}

struct Service {
    places: Places,
    jobs: Jobs,
    daemon: Uid,
}

impl Service {
    async fn serve(&self, mut stream: UnixStream) {
        let caller = stream.peer_cred().map(|peer| Uid::from_raw(peer.uid()));
        if !matches!(caller, Ok(uid) if uid == self.daemon || uid.is_root()) {
            tracing::warn!(?caller, "turned a caller away that is neither the daemon nor root");
            return;
        }
        let request = timeout(REQUEST_LIMIT, protocol::read(&mut stream, protocol::REQUEST_BYTES)).await;
        let response = match request {
            Ok(Ok(request)) => self.answer(request).await.unwrap_or_else(Response::from),
            Ok(Err(error)) => Response::NotUnderstood { reason: error.to_string() },
            Err(_) => return,
        };
        if let Err(error) = protocol::write(&mut stream, &response).await {
            tracing::debug!(%error, "the daemon went away before its answer");
        }
    }

    async fn answer(&self, request: Request) -> Result<Response, AgentError> {
        Ok(match request {
            Request::Inventory => {
                let inventory = observe::inventory().await.map_err(internal)?;
                Response::Inventory { inventory: Box::new(inventory) }
            }
            Request::Posture => Response::Posture { posture: Box::new(observe::posture().await) },
            Request::StartJob { key, verb } => {
                Response::Job { job: Box::new(self.jobs.start(&key, &verb).await?) }
            }
            Request::Job { key, from } => {
                Response::Job { job: Box::new(self.jobs.wait(&key, from, limits::LONG_POLL).await?) }
            }
            Request::ForgetToken => {
                token::forget(&self.places).map_err(internal)?;
                Response::Done
            }
        })
    }
}

fn internal(error: impl std::error::Error) -> AgentError {
    AgentError::Internal { reason: chain(&error) }
}
