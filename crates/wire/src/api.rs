//! The operations of an agent, as a trait: the real agent is spoken to over
//! HTTPS, the simulated one in the same process, and neither caller nor test can
//! tell which it is.

use async_trait::async_trait;
use base::Redacted;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Inventory, JobKey, JobStatus, Posture, Verb};

/// Who answers, and since which boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The agent's own version.
    pub agent_version: String,
    /// The highest version of this protocol the agent speaks.
    pub protocol: u16,
    /// `/proc/sys/kernel/random/boot_id`: new at every boot, also in a container.
    pub boot_id: String,
    /// When dpkg last changed its status, if that can be told: tells a change of packages without
    /// an inventory.
    #[serde(default)]
    pub packages_at: Option<Timestamp>,
}

/// What an agent does for the control plane.
#[async_trait]
pub trait AgentApi: Send + Sync {
    /// A quick sign of life.
    async fn hello(&self) -> Result<Hello, AgentError>;

    /// Observes the host now. Nothing is cached.
    async fn inventory(&self) -> Result<Inventory, AgentError>;

    /// Observes what the hardening of the host is based on.
    async fn posture(&self) -> Result<Posture, AgentError>;

    /// Starts a job, or finds the one that was started with this key before. The
    /// same key with another verb is [`AgentError::Conflict`].
    async fn start_job(&self, key: &JobKey, verb: &Verb) -> Result<JobStatus, AgentError>;

    /// The state of a job and its log from line `from` on. Answers at once when
    /// there is something new or the job has ended, else when something happens,
    /// at the latest after [`limits::LONG_POLL`].
    async fn job(&self, key: &JobKey, from: u64) -> Result<JobStatus, AgentError>;

    /// Has the agent make a new key and enrol with this one-time token, in place of
    /// the identity it has. Used after a disk restore, when the keys on the disk are
    /// those of an older state. Answers when the new identity is in place.
    async fn renew_identity(&self, token: &Redacted<String>) -> Result<(), AgentError>;
}

/// Body of [`paths::IDENTITY`].
#[derive(Clone, Serialize, Deserialize)]
pub struct RenewIdentity {
    /// A fresh one-time token for this server.
    pub token: String,
}

/// Why an agent did not do what it was asked. Grouped by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No answer: host down, network cut, agent restarting. Ask again later.
    #[error("the agent does not answer")]
    Unreachable {
        /// What the connection said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something answered that is not the agent we pinned, or it refused our token.
    #[error("the agent and the control plane do not trust each other: {reason}")]
    NotTrusted {
        /// Which check failed, without secrets.
        reason: String,
    },
    /// There is no job with this key.
    #[error("the agent knows no job `{key}`")]
    UnknownJob {
        /// The key asked for.
        key: JobKey,
    },
    /// The key belongs to another verb already, or another job holds the host.
    #[error("the agent refuses the job: {reason}")]
    Conflict {
        /// In the agent's words.
        reason: String,
    },
    /// The request or the answer is not of the agreed form.
    #[error("the agent and the control plane do not understand each other: {reason}")]
    Protocol {
        /// What was expected and found.
        reason: String,
    },
    /// The agent reports a fault of its own.
    #[error("the agent failed: {reason}")]
    Internal {
        /// In the agent's words, without secrets.
        reason: String,
    },
}

impl AgentError {
    /// Whether asking again, later and unchanged, can help.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Internal { .. } => true,
            Self::NotTrusted { .. }
            | Self::UnknownJob { .. }
            | Self::Conflict { .. }
            | Self::Protocol { .. } => false,
        }
    }
}

/// The routes of the agent's HTTPS interface.
pub mod paths {
    /// `GET` → [`super::Hello`].
    pub const HELLO: &str = "/v1/hello";
    /// `GET` → [`crate::Inventory`].
    pub const INVENTORY: &str = "/v1/inventory";
    /// `GET` → [`crate::Posture`].
    pub const POSTURE: &str = "/v1/posture";
    /// `POST` [`super::RenewIdentity`] → 204.
    pub const IDENTITY: &str = "/v1/identity";
    /// `PUT` [`crate::Verb`], `GET ?from=N` → [`crate::JobStatus`].
    pub const JOB: &str = "/v1/jobs/{key}";
}

/// The numbers both ends hold each other to.
pub mod limits {
    use std::time::Duration;

    /// The agent's TCP port.
    pub const PORT: u16 = 9099;
    /// Where an agent enrols at the control plane: `POST` [`crate::EnrolmentRequest`].
    pub const ENROL_PATH: &str = "/agent/v1/enrol";
    /// Where an agent asks for its host's certificate: `POST` [`crate::CertificateQuestion`].
    pub const CERTIFICATE_PATH: &str = "/agent/v1/certificate";
    /// The protocol version of this build.
    pub const PROTOCOL: u16 = 1;
    /// The largest request body an agent reads. A patch plan of 5 000 packages is
    /// about 1 MB.
    pub const REQUEST_BYTES: usize = 4 << 20;
    /// The largest answer a control plane reads. An inventory of 5 000 packages is
    /// about 2 MB; ten times that is not a host of ours.
    pub const RESPONSE_BYTES: usize = 24 << 20;
    /// How long an agent holds a question about a job open before it says "nothing
    /// new". Below the idle time-out of common middleboxes (60 s).
    pub const LONG_POLL: Duration = Duration::from_secs(10);
    /// The most packages an inventory may name. The largest real host among our
    /// samples has 745; a desktop with everything has about 60 000 to choose from.
    pub const PACKAGES: usize = 20_000;
    /// For how long a new firewall may be on trial, in seconds.
    pub const FIREWALL_TRIAL: std::ops::RangeInclusive<u16> = 5..=600;
    /// The most openings of a host: every tenant of a full shared host with a dozen networks.
    pub const FIREWALL_RULES: usize = 2_000;
    /// The most log lines that one answer carries.
    pub const LOG_LINES: usize = 2_000;
}
