//! The reconciler that drops what runs have kept once it has expired: disk snapshots at
//! providers, and former packages on hosts.

use std::time::Duration;

use base::Problem;
use runs::RunStore;
use wire::Verb;

use super::{patch::State, resources::Resources};
use crate::{
    audit::{Actor, Outcome},
    providers::{LedgerEntry, provider_problem},
};

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
                tracing::warn!(%problem, "expired snapshots could not be dropped");
            }
            tokio::time::sleep(PASS).await;
        }
    }

    /// Drops everything that has expired by now. One that cannot be dropped stays in the
    /// ledger for the next pass.
    pub async fn pass(&self) -> Result<(), Problem> {
        for entry in self.0.ledger.expired().await? {
            if let Err(problem) = self.drop_one(&entry).await {
                tracing::warn!(%problem, snapshot = %entry.name, "a snapshot could not be dropped");
            }
        }
        Ok(())
    }

    async fn drop_one(&self, entry: &LedgerEntry) -> Result<(), Problem> {
        let (server, agent) = self.0.reach(entry.server).await?;
        let provider = self.0.providers.get(&server.provider)?;
        let detail = entry.name.to_string();
        self.0
            .audit
            .record(
                &Actor::System,
                "snapshot.delete",
                server.name.as_str(),
                Outcome::Begun,
                entry.run,
                detail,
            )
            .await?;
        provider
            .delete_snapshot(&server.name, &entry.name)
            .await
            .map_err(|error| provider_problem(&format!("delete snapshot `{}`", entry.name), &error))?;
        if let Some(run) = entry.run
            && let Ok(Some(record)) = self.0.runs.find(run).await
            && let Ok(State { staged: Some(staged), .. }) = serde_json::from_value(record.state)
            && let Ok(key) = format!("{run}-drop").parse()
            && let Err(error) = agent.start_job(&key, &Verb::DropStaged { staged }).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "kept packages stay on the host");
        }
        self.0.ledger.strike(entry.id).await
    }
}
