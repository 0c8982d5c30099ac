//! The reconciler that keeps what is known of servers fresh. It takes no input: each
//! pass looks at every server and does what is due.

use std::{sync::Arc, time::Duration};

use base::{Clock, Problem};
use futures::{StreamExt, stream};
use wire::{AgentApi, Hello};

use super::{Agents, Inventories, Outside, Server, ServerState, Servers};

/// Between two passes. A host that went silent is shown as such within a minute.
const PASS: Duration = Duration::from_secs(30);

/// An inventory is due after this long (requirement V3: daily).
const INVENTORY_AGE: Duration = Duration::from_secs(24 * 3600);

/// Agents asked at once. A silent one holds its place for the connect time-out.
const CONCURRENT: usize = 32;

/// Watches all servers.
#[derive(Clone)]
pub struct Watch {
    /// The servers.
    pub servers: Servers,
    /// Their agents.
    pub agents: Arc<dyn Agents>,
    /// Where inventories go.
    pub inventories: Inventories,
    /// Notices what no run explains.
    pub outside: Outside,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Watch {
    /// Watches until the task is dropped.
    pub async fn serve(self) {
        loop {
            self.pass().await;
            tokio::time::sleep(PASS).await;
        }
    }

    /// Looks at every server once.
    pub async fn pass(&self) {
        match self.servers.all().await {
            Ok(servers) => {
                let due = servers.into_iter().filter(|server| server.state == ServerState::Enrolled);
                stream::iter(due).for_each_concurrent(CONCURRENT, |server| self.look(server)).await;
            }
            Err(problem) => tracing::error!(%problem, "cannot watch the servers"),
        }
    }

    async fn look(&self, server: Server) {
        let agent = match self.agents.of(&server).await {
            Ok(agent) => agent,
            Err(problem) => {
                tracing::warn!(server = %server.name, %problem, "cannot watch a server");
                return;
            }
        };
        let outcome = match agent.hello().await {
            Ok(hello) if self.is_due(&server, &hello) => self.collect(&server, &*agent).await,
            Ok(_) => self.servers.seen(server.id, None).await,
            Err(error) => self.servers.seen(server.id, Some(error.to_string())).await,
        };
        if let Err(problem) = outcome {
            tracing::warn!(server = %server.name, %problem, "a look at a server failed");
        }
    }

    async fn collect(&self, server: &Server, agent: &dyn AgentApi) -> Result<(), Problem> {
        let before = self.inventories.newest(server.id).await?;
        let (_, after) = self.inventories.collect(server, agent).await?;
        match before.filter(|_| server.is_managed()) {
            Some(before) => self.outside.compare(server, &before, &after).await.map(drop),
            None => Ok(()),
        }
    }

    fn is_due(&self, server: &Server, hello: &Hello) -> bool {
        // A run collects for itself, at the moments that matter to it.
        !server.in_maintenance
            && server.facts.as_ref().is_none_or(|facts| {
                facts.boot_id != hello.boot_id
                    || hello.packages_at.is_some_and(|at| at > facts.collected_at)
                    || self.clock.now().duration_since(facts.collected_at).unsigned_abs() > INVENTORY_AGE
            })
    }
}
