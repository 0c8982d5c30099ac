//! The daemon's side of the helper's socket.

use std::{io, path::PathBuf, time::Duration};

use tokio::{net::UnixStream, time::timeout};
use wire::{AgentError, Inventory, JobKey, JobStatus, Posture, Verb, limits};

use super::protocol::{self, Request, Response};
use crate::Places;

/// For requests that look at the host: apt's simulation takes a second or two, on a
/// small and busy host twenty times that.
const LOOK_LIMIT: Duration = Duration::from_secs(90);

/// Speaks with the helper.
#[derive(Debug, Clone)]
pub struct HelperClient {
    socket: PathBuf,
}

impl HelperClient {
    /// The helper of this host.
    pub fn new(places: &Places) -> Self {
        Self { socket: places.helper_socket() }
    }

    /// See [`wire::AgentApi::inventory`].
    pub async fn inventory(&self) -> Result<Inventory, AgentError> {
        match self.ask(&Request::Inventory, LOOK_LIMIT).await? {
            Response::Inventory { inventory } => Ok(*inventory),
            other => Err(refused(other)),
        }
    }

    /// See [`wire::AgentApi::posture`].
    pub async fn posture(&self) -> Result<Posture, AgentError> {
        match self.ask(&Request::Posture, LOOK_LIMIT).await? {
            Response::Posture { posture } => Ok(*posture),
            other => Err(refused(other)),
        }
    }

    /// See [`wire::AgentApi::start_job`].
    pub async fn start_job(&self, key: &JobKey, verb: &Verb) -> Result<JobStatus, AgentError> {
        let request = Request::StartJob { key: key.clone(), verb: verb.clone() };
        match self.ask(&request, LOOK_LIMIT).await? {
            Response::Job { job } => Ok(*job),
            other => Err(refused(other)),
        }
    }

    /// See [`wire::AgentApi::job`].
    pub async fn job(&self, key: &JobKey, from: u64) -> Result<JobStatus, AgentError> {
        match self.ask(&Request::Job { key: key.clone(), from }, limits::LONG_POLL + LOOK_LIMIT).await? {
            Response::Job { job } => Ok(*job),
            other => Err(refused(other)),
        }
    }

    /// Blanks the used token in the bootstrap file.
    pub async fn forget_token(&self) -> Result<(), AgentError> {
        match self.ask(&Request::ForgetToken, LOOK_LIMIT).await? {
            Response::Done => Ok(()),
            other => Err(refused(other)),
        }
    }

    async fn ask(&self, request: &Request, limit: Duration) -> Result<Response, AgentError> {
        let exchange = async {
            let mut stream = UnixStream::connect(&self.socket).await?;
            protocol::write(&mut stream, request).await?;
            protocol::read(&mut stream, protocol::RESPONSE_BYTES).await
        };
        let answer = timeout(limit, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        answer.map_err(|source| AgentError::Unreachable { source: source.into() })
    }
}

fn refused(response: Response) -> AgentError {
    match response {
        Response::UnknownJob { key } => AgentError::UnknownJob { key },
        Response::Conflict { reason } => AgentError::Conflict { reason },
        Response::NotUnderstood { reason } => AgentError::Protocol { reason },
        Response::Failed { reason } => AgentError::Internal { reason },
        Response::Inventory { .. } | Response::Posture { .. } | Response::Job { .. } | Response::Done => {
            AgentError::Internal { reason: "the helper answered another question".to_owned() }
        }
    }
}
