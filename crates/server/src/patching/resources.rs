//! What the steps of a run can reach.

use std::sync::Arc;

use base::{Problem, ServerId};
use providers::SnapshotName;
use wire::AgentApi;

use super::{ledger::Ledger, receipt::Receipts, store::RunTable};
use crate::{
    audit::{Actor, Audit},
    exposure::Exposure,
    hosts::{Agents, Enrolments, Inventories, Server, Servers},
    providers::{Providers, provider_problem},
};

/// Services that run programs act through.
#[derive(Clone)]
pub struct Resources {
    /// The servers.
    pub servers: Servers,
    /// Their agents.
    pub agents: Arc<dyn Agents>,
    /// Their inventories.
    pub inventories: Inventories,
    /// Their findings.
    pub exposure: Exposure,
    /// Their enrolment.
    pub enrolments: Enrolments,
    /// Where they live.
    pub providers: Providers,
    /// What runs have kept, there and on hosts.
    pub ledger: Ledger,
    /// The trail.
    pub audit: Audit,
    /// Receipts.
    pub receipts: Receipts,
    /// The runs themselves.
    pub runs: RunTable,
}

impl Resources {
    /// A server with its agent, both as they are now.
    pub async fn reach(&self, id: ServerId) -> Result<(Server, Arc<dyn AgentApi>), Problem> {
        let server = self.servers.get(id).await?;
        let agent = self.agents.of(&server).await?;
        Ok((server, agent))
    }

    /// Deletes a disk snapshot at the server's provider; one that is gone already is fine.
    pub async fn delete_snapshot(&self, server: &Server, name: &SnapshotName) -> Result<(), Problem> {
        let provider = self.providers.get(&server.provider)?;
        let deleted = provider.delete_snapshot(&server.name, name).await;
        deleted.map_err(|error| provider_problem(&format!("delete snapshot `{name}`"), &error))
    }
}

/// The actor behind a run's stored name of one.
pub fn actor(name: &str) -> Actor {
    Actor::from(name.to_owned())
}
