//! Looking at hosts beside their descriptions, and bringing them back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use base::{Clock, Problem, RunId};
use baseline::Baseline;
use futures::{StreamExt, stream};
use sea_orm::DatabaseConnection;
use wire::{AgentApi, AgentError, Failure, JobKey, JobState, Verb};

use super::Drift;
use crate::{
    audit::{Actor, Audit, Outcome},
    db::storage_problem,
    firewall::Firewalls,
    hosts::{Agents, Server, Servers, store::drift as store},
};

/// Between two passes.
const PASS: Duration = Duration::from_secs(600);

/// A look is due after this long (requirement H13: daily).
const AGE: Duration = Duration::from_secs(24 * 3600);

/// Hosts looked at at once.
const CONCURRENT: usize = 32;

/// For a host to be brought back: files, units and a reload.
const REPAIR: Duration = Duration::from_secs(180);

/// Looks, and repairs.
#[derive(Clone)]
pub struct Drifts {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
    servers: Servers,
    agents: Arc<dyn Agents>,
    firewalls: Firewalls,
}

impl Drifts {
    /// Looks at these servers.
    pub fn new(
        db: DatabaseConnection,
        clock: Arc<dyn Clock>,
        audit: Audit,
        servers: Servers,
        agents: Arc<dyn Agents>,
        firewalls: Firewalls,
    ) -> Self {
        Self { db, clock, audit, servers, agents, firewalls }
    }

    /// Looks daily until the task is dropped.
    pub async fn serve(self) {
        loop {
            if let Err(problem) = self.pass().await {
                tracing::error!(%problem, "servers could not be looked at for drift");
            }
            tokio::time::sleep(PASS).await;
        }
    }

    /// Looks at every server whose turn it is. One that does not answer keeps what was known.
    pub async fn pass(&self) -> Result<(), Problem> {
        let servers = self.servers.all().await?;
        stream::iter(servers.into_iter().filter(|server| server.is_managed() && !server.in_maintenance))
            .for_each_concurrent(CONCURRENT, async |server| {
                let due = match self.of(&server).await {
                    Ok(Some(drift)) => self.clock.now().duration_since(drift.looked_at).unsigned_abs() > AGE,
                    Ok(None) => server.baseline.is_some(),
                    Err(_) => false,
                };
                if due && let Err(problem) = self.look(&server).await {
                    tracing::warn!(server = %server.name, %problem, "no look for drift");
                }
            })
            .await;
        Ok(())
    }

    /// What differed when it was last looked at; none if it never was.
    pub async fn of(&self, server: &Server) -> Result<Option<Drift>, Problem> {
        let found = store::find(&self.db, server.id).await;
        found.map_err(|error| storage_problem("read the drift of a server", &error))
    }

    /// Looks at a host now. What is new or gone since the last look is audited.
    pub async fn look(&self, server: &Server) -> Result<Drift, Problem> {
        let baseline = self.described(server).await?;
        let agent = self.agents.of(server).await?;
        let posture = agent.posture().await.map_err(|error| unseen(server, &error))?;
        let drift = Drift { looked_at: self.clock.now(), deviations: baseline.deviations(&posture) };
        let before = self.of(server).await?.map(|drift| drift.deviations).unwrap_or_default();
        if before != drift.deviations {
            let outcome = if drift.deviations.is_empty() { Outcome::Done } else { Outcome::Failed };
            let mut items: Vec<String> =
                drift.deviations.iter().map(|deviation| deviation.item.to_string()).collect();
            items.dedup();
            let detail = if items.is_empty() { "as described".to_owned() } else { items.join(", ") };
            self.audit
                .record(&Actor::System, "host.drift", server.name.as_str(), outcome, None, detail)
                .await?;
        }
        let kept = store::put(&self.db, server.id, &drift).await;
        kept.map_err(|error| storage_problem("keep the drift of a server", &error))?;
        Ok(drift)
    }

    /// Brings a host back: files, units and firewall. Returns what still differs.
    pub async fn repair(&self, actor: &Actor, server: &Server) -> Result<Drift, Problem> {
        let cannot = |found: &str| {
            Problem::new("drift.not_ours", format!("could not repair `{}`", server.name))
                .found(found)
                .state("Nothing was changed")
        };
        if let Some(reason) = server.unmanaged_because() {
            return Err(cannot(reason));
        }
        let baseline = self.described(server).await?;
        let agent = self.agents.of(server).await?;
        let posture = agent.posture().await.map_err(|error| unseen(server, &error))?;
        let (files, masked_units) = (baseline.files_to_repair(&posture), baseline.units_to_mask(&posture));
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let detail = [paths.join(", "), masked_units.join(", ")].join("; ");
        let name = server.name.as_str();
        self.audit.record(actor, "host.repair", name, Outcome::Begun, None, detail.clone()).await?;
        let outcome = match files.is_empty() && masked_units.is_empty() {
            true => Ok(()),
            false => drive(&*agent, &Verb::Repair { files, masked_units }).await,
        };
        if let Err(why) = outcome {
            self.audit.record(actor, "host.repair", name, Outcome::Failed, None, why.clone()).await?;
            return Err(Problem::new("drift.repair", format!("could not repair `{name}`"))
                .found(why)
                .state("What could be repaired is; the page shows what still differs")
                .next("look again, and see the log of the job on the host"));
        }
        self.firewalls.ask(actor, name).await?;
        self.audit.record(actor, "host.repair", name, Outcome::Done, None, detail).await?;
        self.look(server).await
    }

    async fn described(&self, server: &Server) -> Result<Baseline, Problem> {
        let addresses = self.firewalls.addresses().await?.addresses;
        server.described(&addresses).ok_or_else(|| {
            Problem::new("drift.undescribed", format!("could not look at `{}`", server.name))
                .found("it has no description to be compared with")
                .state("Nothing was changed")
        })
    }
}

fn unseen(server: &Server, error: &AgentError) -> Problem {
    Problem::new("drift.unseen", format!("could not look at `{}`", server.name))
        .found(error.to_string())
        .state("What was known of it before stays")
        .next("see whether the host is up and its agent runs")
}

/// Does a job and waits for its end.
async fn drive(agent: &dyn AgentApi, verb: &Verb) -> Result<(), String> {
    let key: JobKey =
        format!("{}-repair", RunId::new()).parse().map_err(|_| "no key for the job".to_owned())?;
    let until = Instant::now() + REPAIR;
    let mut status = agent.start_job(&key, verb).await.map_err(|error| error.to_string())?;
    loop {
        match status.state {
            JobState::Succeeded { .. } => return Ok(()),
            JobState::Failed { failure: Failure { message, .. } } => return Err(message),
            JobState::Queued | JobState::Running { .. } if Instant::now() > until => {
                return Err("the host did not end the repair in time".to_owned());
            }
            JobState::Queued | JobState::Running { .. } => {}
        }
        status = agent.job(&key, u64::MAX).await.map_err(|error| error.to_string())?;
    }
}
