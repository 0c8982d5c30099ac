//! What daemon and helper say to each other: one request and one response a
//! connection, each a length (32 bits, big-endian) and that many bytes of JSON.

use std::io;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::{AgentError, Inventory, JobKey, JobStatus, Posture, Verb, limits};

/// The largest request: a verb and what is around it.
pub(super) const REQUEST_BYTES: usize = limits::REQUEST_BYTES + 4096;
/// The largest response: that of the wire.
pub(super) const RESPONSE_BYTES: usize = limits::RESPONSE_BYTES;

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(super) enum Request {
    Inventory,
    Posture,
    StartJob {
        key: JobKey,
        verb: Verb,
    },
    Job {
        key: JobKey,
        from: u64,
    },
    /// Blanks the used token in the bootstrap file.
    ForgetToken,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
pub(super) enum Response {
    Inventory { inventory: Box<Inventory> },
    Posture { posture: Box<Posture> },
    Job { job: Box<JobStatus> },
    Done,
    UnknownJob { key: JobKey },
    Conflict { reason: String },
    NotUnderstood { reason: String },
    Failed { reason: String },
}

impl From<AgentError> for Response {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::UnknownJob { key } => Self::UnknownJob { key },
            AgentError::Conflict { reason } => Self::Conflict { reason },
            AgentError::Protocol { reason } => Self::NotUnderstood { reason },
            AgentError::Internal { reason } => Self::Failed { reason },
            AgentError::Unreachable { .. } | AgentError::NotTrusted { .. } => {
                Self::Failed { reason: error.to_string() }
            }
        }
    }
}

/// Writes one message.
pub(super) async fn write<T: Serialize>(
    to: &mut (impl AsyncWriteExt + Unpin),
    message: &T,
) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    to.write_all(&length.to_be_bytes()).await?;
    to.write_all(&bytes).await?;
    to.flush().await
}

/// Reads one message of at most `limit` bytes.
pub(super) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncReadExt + Unpin),
    limit: usize,
) -> io::Result<T> {
    let length = usize::try_from(from.read_u32().await?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    if length > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{length} bytes announced")));
    }
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&bytes).map_err(io::Error::from)
}
