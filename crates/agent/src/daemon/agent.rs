//! The operations as the daemon offers them: its own identity is renewed here, all
//! else is the helper's.

use std::sync::Arc;

use async_trait::async_trait;
use base::Redacted;
use wire::{AgentApi, AgentError, Hello, Inventory, JobKey, JobStatus, Posture, Verb, limits};

use super::{EnrolError, Enroller, Identities};
use crate::{helper::HelperClient, observe};

/// This host's agent.
pub struct LocalAgent {
    helper: HelperClient,
    identities: Arc<Identities>,
    // Two renewals at once would spend two tokens for one identity.
    renewal: tokio::sync::Mutex<()>,
}

impl LocalAgent {
    /// The agent in front of this helper.
    pub fn new(helper: HelperClient, identities: Arc<Identities>) -> Self {
        Self { helper, identities, renewal: tokio::sync::Mutex::new(()) }
    }
}

#[async_trait]
impl AgentApi for LocalAgent {
    async fn hello(&self) -> Result<Hello, AgentError> {
        Ok(Hello {
            agent_version: crate::VERSION.to_owned(),
            protocol: limits::PROTOCOL,
            boot_id: observe::boot_id(),
            packages_at: observe::packages_at(),
        })
    }

    async fn inventory(&self) -> Result<Inventory, AgentError> {
        self.helper.inventory().await
    }

    async fn posture(&self) -> Result<Posture, AgentError> {
        self.helper.posture().await
    }

    async fn start_job(&self, key: &JobKey, verb: &Verb) -> Result<JobStatus, AgentError> {
        self.helper.start_job(key, verb).await
    }

    async fn job(&self, key: &JobKey, from: u64) -> Result<JobStatus, AgentError> {
        self.helper.job(key, from).await
    }

    async fn renew_identity(&self, token: &Redacted<String>) -> Result<(), AgentError> {
        let _alone = self.renewal.lock().await;
        let internal = |reason: String| AgentError::Internal { reason };
        let enroller =
            Enroller::again(&self.identities.live().identity).map_err(|e| internal(e.to_string()))?;
        let identity = enroller.enrol(token).await.map_err(|error| match error {
            EnrolError::Refused { .. } => AgentError::NotTrusted { reason: error.to_string() },
            _ => internal(super::chain(&error)),
        })?;
        self.identities.replace(identity).map_err(|error| internal(super::chain(&error)))?;
        tracing::info!("the identity was renewed");
        Ok(())
    }
}
