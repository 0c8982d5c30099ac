//! The reconciler that drops what runs have kept once it has expired: disk snapshots at
//! providers, and former packages on hosts.

use std::time::Duration;

use base::Problem;
use wire::Verb;

use super::{
    ledger::{Keepsake, LedgerEntry},
    resources::Resources,
};
use crate::audit::{Actor, Outcome};

/// Between two passes. What is kept a week is not in a hurry.
const PASS: Duration = Duration::from_secs(3600);

/// Drops what has expired.
#[derive(Clone)]
pub struct Keepsakes(pub Resources);

impl Keepsakes {
    /// Drops until the task is dropped.
    pub async fn serve(self) {
        loop {
            if let Err(problem) = self.pass().await {
                tracing::warn!(%problem, "what has expired could not be dropped");
            }
            tokio::time::sleep(PASS).await;
        }
    }

    /// Drops everything that has expired by now. What cannot be dropped stays in the
    /// ledger for the next pass.
    pub async fn pass(&self) -> Result<(), Problem> {
        for entry in self.0.ledger.expired().await? {
            if let Err(problem) = self.drop_one(&entry).await {
                tracing::warn!(%problem, keepsake = %entry.keepsake, "it could not be dropped");
            }
        }
        Ok(())
    }

    async fn drop_one(&self, entry: &LedgerEntry) -> Result<(), Problem> {
        let server = self.0.servers.get(entry.server).await?;
        let action = match &entry.keepsake {
            Keepsake::Snapshot(_) => "snapshot.delete",
            Keepsake::Packages(_) => "packages.drop",
        };
        let (target, detail) = (server.name.as_str(), entry.keepsake.to_string());
        self.0.audit.record(&Actor::System, action, target, Outcome::Begun, entry.run, detail).await?;
        match &entry.keepsake {
            Keepsake::Snapshot(name) => self.0.delete_snapshot(&server, name).await?,
            Keepsake::Packages(staged) => self.drop_packages(entry, staged).await?,
        }
        self.0.ledger.strike(entry.id).await
    }

    /// Jobs are durable: one that the agent has accepted is carried out.
    async fn drop_packages(&self, entry: &LedgerEntry, staged: &wire::JobKey) -> Result<(), Problem> {
        let (server, agent) = self.0.reach(entry.server).await?;
        let failed = |found: String| {
            Problem::new("packages.kept", format!("could not drop the kept packages of `{}`", server.name))
                .found(found)
                .state("They stay on its disk")
                .next("nothing: it is tried again within the hour")
        };
        let key = format!("drop-{staged}")
            .parse()
            .map_err(|error: wire::InvalidJobKey| failed(error.to_string()))?;
        let verb = Verb::DropStaged { staged: staged.clone() };
        agent.start_job(&key, &verb).await.map(drop).map_err(|error| failed(error.to_string()))
    }
}
