//! The machine that the control plane runs on, observed and never changed.

use async_trait::async_trait;
use base::Redacted;
use wire::{AgentApi, AgentError, Hello, Inventory, JobKey, JobStatus, Posture, Verb, limits};

/// Observes this machine in the same process.
#[derive(Debug, Default)]
pub struct LocalAgent;

fn read_only() -> AgentError {
    AgentError::Conflict { reason: "this machine is watched read-only".to_owned() }
}

#[async_trait]
impl AgentApi for LocalAgent {
    async fn hello(&self) -> Result<Hello, AgentError> {
        let boot_id = tokio::fs::read_to_string("/proc/sys/kernel/random/boot_id").await;
        let boot_id = boot_id.map_err(|source| AgentError::Unreachable { source: Box::new(source) })?;
        Ok(Hello {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: limits::PROTOCOL,
            boot_id: boot_id.trim().to_owned(),
            packages_at: agent::observe::packages_at(),
        })
    }

    async fn inventory(&self) -> Result<Inventory, AgentError> {
        agent::observe::inventory().await.map_err(|error| AgentError::Internal { reason: error.to_string() })
    }

    async fn posture(&self) -> Result<Posture, AgentError> {
        Err(read_only())
    }

    async fn start_job(&self, _: &JobKey, _: &Verb) -> Result<JobStatus, AgentError> {
        Err(read_only())
    }

    async fn job(&self, key: &JobKey, _: u64) -> Result<JobStatus, AgentError> {
        Err(AgentError::UnknownJob { key: key.clone() })
    }

    async fn renew_identity(&self, _: &Redacted<String>) -> Result<(), AgentError> {
        Err(read_only())
    }
}
