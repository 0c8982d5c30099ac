//! Planning and starting runs, and looking at them.

use std::sync::Arc;

use base::{Problem, RunId};
use runs::{Engine, EngineError, NewRun, Program, RunRecord, RunStore, SignalKind, Status, StoreError};
use serde::Serialize;
use wire::{AgentApi, AgentError, JobKey, JobState, Outcome as JobOutcome, UpgradeScope, Verb};

use super::{
    patch::{Patch, Undo},
    plan::{PROBE_LIMIT_SECONDS, PatchPlan, SnapshotChoice},
    reboot::{Reboot, RebootPlan},
    resources::Resources,
    rollback::{Rollback, RollbackPlan},
    store::NumberedLine,
};
use crate::{
    audit::{Actor, Outcome},
    hosts::Server,
};

/// Plans, starts and shows runs.
#[derive(Clone)]
pub struct Patching {
    resources: Resources,
    engine: Arc<Engine>,
}

/// A run with all that its page shows.
#[derive(Debug, Clone, Serialize)]
pub struct RunView {
    /// The run.
    pub record: RunRecord,
    /// The name of the server it is about.
    pub server: String,
    /// Its steps in running order: stored name, title, and how each stands.
    pub steps: Vec<StepView>,
    /// It has a receipt.
    pub has_receipt: bool,
}

/// One step on a run's page.
#[derive(Debug, Clone, Serialize)]
pub struct StepView {
    /// Stored name.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// `done`, `current`, `failed` or `todo`.
    pub state: &'static str,
}

fn start_problem(name: &str, error: &EngineError) -> Problem {
    match error {
        EngineError::Store(StoreError::Busy { open }) => {
            Problem::new("run.busy", format!("could not start a run on `{name}`"))
                .found(format!("run `{open}` is still open on it"))
                .state("Nothing was changed")
                .next(format!("`holdfast run follow {open}`, or cancel it"))
        }
        error => {
            tracing::error!(error = error as &dyn std::error::Error, "a run could not be started");
            Problem::new("run.failed", format!("could not start a run on `{name}`"))
                .state("Nothing was changed")
                .next("see the log of the control plane")
        }
    }
}

impl Patching {
    /// Runs of these resources, carried by this engine.
    pub fn new(resources: Resources, engine: Arc<Engine>) -> Self {
        Self { resources, engine }
    }

    /// The engine, for those who watch its events.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Finds, with the host's own apt, exactly what a patch would change.
    pub async fn plan(&self, server: &Server, scope: UpgradeScope) -> Result<PatchPlan, Problem> {
        let failed = |found: String| {
            Problem::new("patch.no_plan", format!("could not plan a patch of `{}`", server.name))
                .found(found)
                .state("Nothing was changed")
        };
        if let Some(reason) = server.unmanaged_because() {
            return Err(failed(reason.to_owned()).next("patch it by other means, then refresh its inventory"));
        }
        let agent = self.resources.agents.of(server).await?;
        let lists = RunId::new();
        self.job(&*agent, &format!("{lists}-lists"), &Verb::RefreshLists).await.map_err(failed)?;
        let planned = self.job(&*agent, &format!("{lists}-plan"), &Verb::PlanUpgrade { scope }).await;
        let JobOutcome::Planned { plan: upgrade } = planned.map_err(failed)? else {
            return Err(failed("the agent answered with something else than a plan".to_owned()));
        };
        let provider = self.resources.providers.get(&server.provider)?;
        let capable = provider.capabilities();
        let snapshot = if capable.snapshots && capable.restore_in_place {
            SnapshotChoice::Take
        } else {
            SnapshotChoice::Skip {
                reason: format!("`{}` cannot restore a snapshot in place", provider.name()),
            }
        };
        Ok(PatchPlan {
            server: server.id,
            name: server.name.clone(),
            scope,
            upgrade,
            snapshot,
            probes: server.probes.clone(),
            probe_limit_seconds: PROBE_LIMIT_SECONDS,
            without_package_rollback: false,
        })
    }

    /// A short job that changes nothing worth undoing, waited for.
    async fn job(&self, agent: &dyn AgentApi, key: &str, verb: &Verb) -> Result<JobOutcome, String> {
        let key: JobKey = key.parse().map_err(|error: wire::InvalidJobKey| error.to_string())?;
        let in_words = |error: AgentError| error.to_string();
        let mut status = agent.start_job(&key, verb).await.map_err(in_words)?;
        while !status.state.has_ended() {
            status = agent.job(&key, status.next_line).await.map_err(in_words)?;
        }
        match status.state {
            JobState::Succeeded { outcome } => Ok(outcome),
            JobState::Failed { failure } => Err(failure.message),
            JobState::Queued | JobState::Running { .. } => Err("the job has not ended".to_owned()),
        }
    }

    /// Starts a patch run with an approved plan.
    pub async fn patch(&self, actor: &Actor, plan: &PatchPlan) -> Result<RunId, Problem> {
        if plan.upgrade.changes.is_empty() {
            return Err(Problem::new(
                "patch.nothing",
                format!("there is nothing to patch on `{}`", plan.name),
            )
            .state("Nothing was changed"));
        }
        self.start::<Patch>(actor, plan.name.as_str(), plan.server.to_string(), plan).await
    }

    /// Starts a reboot run.
    pub async fn reboot(&self, actor: &Actor, server: &Server) -> Result<RunId, Problem> {
        if let Some(reason) = server.unmanaged_because() {
            return Err(
                Problem::new("reboot.unmanaged", format!("could not reboot `{}`", server.name)).found(reason)
            );
        }
        let plan = RebootPlan { server: server.id, name: server.name.clone(), probes: server.probes.clone() };
        self.start::<Reboot>(actor, server.name.as_str(), server.id.to_string(), &plan).await
    }

    /// Starts a run that puts the server back to before a patch run.
    pub async fn roll_back(&self, actor: &Actor, patch: RunId) -> Result<RunId, Problem> {
        let record = self.record(patch).await?;
        let cannot = |found: &str| {
            Problem::new("rollback.impossible", format!("could not undo run `{patch}`"))
                .found(found)
                .state("Nothing was changed")
        };
        if record.kind != Patch::KIND || record.outcome != Some(runs::Outcome::Done) {
            return Err(cannot("it is not a patch run that ended well").next(
                "a patch run that fails rolls back by itself; one at work is undone by `holdfast run cancel`",
            ));
        }
        let plan: PatchPlan =
            serde_json::from_value(record.plan).map_err(|_| cannot("its plan cannot be read"))?;
        let newest = self.resources.runs.newest(Some(&record.subject), 1).await?;
        if newest.first().map(|run| run.id) != Some(patch) {
            return Err(cannot("another run has changed the server since").next("undo the newest run first"));
        }
        let undo = record.undo.iter().filter_map(|entry| serde_json::from_value(entry.data.clone()).ok());
        let way = undo.into_iter().find_map(|undo| match undo {
            Undo::PutBack(way) => Some(way),
            Undo::LeaveMaintenance => None,
        });
        let way = way.ok_or_else(|| cannot("it has installed nothing"))?;
        let before = record.state.get("before").and_then(|id| serde_json::from_value(id.clone()).ok());
        let before = before.ok_or_else(|| cannot("the inventory of before is not on record"))?;
        let plan = RollbackPlan { server: plan.server, name: plan.name, patch, before, way };
        self.start::<Rollback>(actor, plan.name.as_str(), plan.server.to_string(), &plan).await
    }

    /// Starts a run of any program.
    pub async fn start<P: Program>(
        &self,
        actor: &Actor,
        name: &str,
        subject: String,
        plan: &P::Plan,
    ) -> Result<RunId, Problem> {
        let plan = serde_json::to_value(plan)
            .map_err(|_| Problem::new("run.failed", "could not write the plan down"))?;
        let id = RunId::new();
        let action = format!("run.start.{}", P::KIND);
        self.resources.audit.record(actor, &action, name, Outcome::Begun, Some(id), "").await?;
        let new = NewRun { id, kind: P::KIND, subject, plan, actor: actor.to_string() };
        self.engine.start(new).await.map_err(|error| start_problem(name, &error))
    }

    /// Leaves a signal for a run.
    pub async fn signal(&self, actor: &Actor, run: RunId, kind: SignalKind) -> Result<(), Problem> {
        let record = self.record(run).await?;
        if record.status == Status::Finished {
            return Err(Problem::new("run.ended", format!("run `{run}` has ended"))
                .next("`holdfast server rollback` undoes the newest patch run of a server"));
        }
        let action = format!("run.{}", kind.name());
        self.resources.audit.record(actor, &action, &record.subject, Outcome::Begun, Some(run), "").await?;
        self.engine
            .signal(run, kind, &actor.to_string())
            .await
            .map_err(|error| start_problem(&record.subject, &error))
    }

    async fn record(&self, run: RunId) -> Result<RunRecord, Problem> {
        let found = self.resources.runs.find(run).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a run cannot be read");
            Problem::new("store.failed", format!("could not read run `{run}`"))
        })?;
        found.ok_or_else(|| {
            Problem::new("run.unknown", format!("there is no run `{run}`"))
                .next("`holdfast run list` shows the known ones")
        })
    }

    /// A run with all that its page shows.
    pub async fn view(&self, run: RunId) -> Result<RunView, Problem> {
        let record = self.record(run).await?;
        let has_receipt = self.resources.receipts.of(run).await?.is_some();
        Ok(self.viewed(record, has_receipt))
    }

    /// The newest runs first; of one server if given.
    pub async fn newest(&self, server: Option<&Server>, limit: u64) -> Result<Vec<RunView>, Problem> {
        let subject = server.map(|server| server.id.to_string());
        let records = self.resources.runs.newest(subject.as_deref(), limit).await?;
        Ok(records.into_iter().map(|record| self.viewed(record, false)).collect())
    }

    /// Journal lines with a number above `after`.
    pub async fn journal(&self, run: RunId, after: i64) -> Result<Vec<NumberedLine>, Problem> {
        /// Enough for the whole journal of an ordinary run in one page.
        const LINES: u64 = 2000;
        self.resources.runs.journal(run, after, LINES).await
    }

    /// A run's receipt, as it was signed.
    pub async fn receipt(&self, run: RunId) -> Result<String, Problem> {
        self.resources.receipts.of(run).await?.ok_or_else(|| {
            Problem::new("receipt.none", format!("run `{run}` has no receipt"))
                .next("patch and rollback runs have one when they have ended")
        })
    }

    fn viewed(&self, record: RunRecord, has_receipt: bool) -> RunView {
        let steps = self.engine.steps(&record.kind);
        let at = steps.iter().position(|(name, _)| *name == record.step).unwrap_or_default();
        let ended_well = record.outcome == Some(runs::Outcome::Done);
        let forward = record.phase == runs::Phase::Forward;
        let state = |place: usize| match (place.cmp(&at), ended_well, forward) {
            (std::cmp::Ordering::Less, _, _) => "done",
            (std::cmp::Ordering::Equal, true, _) => "done",
            (std::cmp::Ordering::Equal, false, true) => "current",
            (std::cmp::Ordering::Equal, false, false) => "failed",
            (std::cmp::Ordering::Greater, _, _) => "todo",
        };
        let steps = steps
            .iter()
            .enumerate()
            .map(|(place, (name, title))| StepView { name, title, state: state(place) })
            .collect();
        let name = record.plan.get("name").and_then(|name| name.as_str());
        let server = name.unwrap_or(&record.subject).to_owned();
        RunView { server, steps, has_receipt, record }
    }
}
