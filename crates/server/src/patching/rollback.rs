//! The rollback run: puts a server back to before a patch run that ended well, while
//! what that run kept is still there.

use std::time::Duration;

use async_trait::async_trait;
use base::{HostName, InventoryId, Problem, RunId, ServerId};
use runs::{Context, Next, Program, UndoNext};
use serde::{Deserialize, Serialize};

use super::{
    ladder::{self, LadderState, Way},
    receipt::{Gate, Receipt, version_changes},
    resources::{Resources, actor},
    same,
};
use crate::audit::Outcome;

runs::steps! {
    /// The steps, in running order.
    pub enum Step {
        /// Observes the host as it is now.
        CheckHost = "check_host" => "Check the host",
        /// Climbs the ladder.
        PutBack = "put_back" => "Put the former state back",
        /// Compares with what was before the patch.
        Verify = "verify" => "Verify",
    }
}

/// What is put back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RollbackPlan {
    /// The server.
    pub server: ServerId,
    /// Its name.
    pub name: HostName,
    /// The patch run that is undone.
    pub patch: RunId,
    /// The host before that run.
    pub before: InventoryId,
    /// How to go back.
    pub way: Way,
}

/// What a rollback run remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    present: Option<InventoryId>,
    /// Something may have been changed.
    #[serde(default)]
    begun: bool,
    ladder: LadderState,
}

/// The program. It is itself the way back: half-way down, the only undo is to end it, and
/// where it cannot go on it asks for a person.
pub struct Rollback(pub Resources);

/// A host must answer within this time before anything is touched.
const CHECK: Duration = Duration::from_secs(5 * 60);

#[async_trait]
impl Program for Rollback {
    const KIND: &'static str = "rollback";
    const STATE_VERSION: u16 = 1;
    type Step = Step;
    type Plan = RollbackPlan;
    type State = State;
    type Undo = ();

    async fn step(&self, step: Step, run: &mut Context<'_, Self>) -> Next<Step> {
        match step {
            Step::CheckHost => self.check_host(run).await,
            Step::PutBack => self.put_back(run).await,
            Step::Verify => self.verify(run).await,
        }
    }

    async fn undo(&self, (): &(), run: &mut Context<'_, Self>) -> UndoNext {
        self.climb(run).await
    }

    /// What was begun is not undone but ended: the host is as before the patch, or a
    /// person is asked.
    async fn verify_undone(&self, run: &mut Context<'_, Self>) -> UndoNext {
        if !run.state.begun {
            return match self.0.servers.change(run.plan.server, |server| server.in_maintenance = false).await
            {
                Ok(_) => UndoNext::done("nothing was changed"),
                Err(problem) => UndoNext::wait(2, problem.to_string()),
            };
        }
        run.undo_within(CHECK);
        match self.conclude(run).await {
            Ok(summary) => UndoNext::done(summary),
            Err(problem) if problem.code.0 == NOT_AS_BEFORE => UndoNext::Stuck(problem),
            Err(problem) => UndoNext::wait(2, problem.to_string()),
        }
    }
}

impl Rollback {
    async fn check_host(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::PutBack, CHECK);
        }
        let (server, agent) = match self.0.reach(run.plan.server).await {
            Ok(reached) => reached,
            Err(problem) => return Next::RollBack(problem),
        };
        match self.0.inventories.collect(&server, &*agent).await {
            Ok((id, _)) => run.state.present = Some(id),
            Err(problem) => return Next::back_off(run.attempt(), problem.to_string()),
        }
        let who = actor(run.actor());
        let detail = format!("undoes {}", run.plan.patch);
        let begun = self
            .0
            .audit
            .record_once(
                &who,
                "security.patch.rollback",
                server.name.as_str(),
                Outcome::Begun,
                run.id(),
                detail,
            )
            .await;
        if let Err(problem) = begun {
            return Next::RollBack(problem);
        }
        match self.0.servers.change(run.plan.server, |server| server.in_maintenance = true).await {
            Ok(_) => Next::Go(Step::PutBack),
            Err(problem) => Next::RollBack(problem),
        }
    }

    async fn put_back(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        run.state.begun = true;
        if run.record_undo(&()).await.is_err() {
            return Next::Go(Step::PutBack);
        }
        match self.climb(run).await {
            UndoNext::Done { note } | UndoNext::Unneeded { note } => {
                run.note(note);
                Next::Go(Step::Verify)
            }
            UndoNext::Wait { pause, why } => Next::Wait { pause, why },
            UndoNext::Stuck(problem) => Next::AskOperator(problem),
        }
    }

    async fn climb(&self, run: &mut Context<'_, Self>) -> UndoNext {
        let mut state = std::mem::take(&mut run.state.ladder);
        let next = ladder::climb(&self.0, &run.plan.way, &mut state, run).await;
        run.state.ladder = state;
        next
    }

    async fn verify(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::Verify, CHECK);
        }
        match self.conclude(run).await {
            Ok(summary) => Next::Finish { summary },
            Err(problem) if problem.code.0 == NOT_AS_BEFORE => Next::AskOperator(problem),
            Err(problem) => Next::back_off(run.attempt(), problem.to_string()),
        }
    }

    async fn conclude(&self, run: &mut Context<'_, Self>) -> Result<String, Problem> {
        let (server, agent) = self.0.reach(run.plan.server).await?;
        let (_, after) = self.0.inventories.collect(&server, &*agent).await?;
        let gone =
            || Problem::new(NOT_AS_BEFORE, "could not compare").found("an inventory is no longer kept");
        let before = self.0.inventories.load(run.plan.before).await?.ok_or_else(gone)?;
        let found = same::differences(&before, &after);
        if !found.is_empty() {
            return Err(Problem::new(NOT_AS_BEFORE, format!("`{}` is not as it was", server.name))
                .found(found.join("; "))
                .next("look at the host, then resume the run to verify again")
                .run(run.id()));
        }
        let present = match run.state.present {
            Some(id) => self.0.inventories.load(id).await?.ok_or_else(gone)?,
            None => before.clone(),
        };
        self.0.servers.change(run.plan.server, |server| server.in_maintenance = false).await?;
        let summary = match run.state.ladder.disk_restored {
            true => "put back by the disk snapshot, and verified",
            false => "put back package by package, and verified",
        };
        let who = actor(run.actor());
        self.0
            .audit
            .record_once(
                &who,
                "security.patch.rollback",
                server.name.as_str(),
                Outcome::Done,
                run.id(),
                summary,
            )
            .await?;
        let receipt = Receipt {
            version: 1,
            run: run.id(),
            kind: Self::KIND.to_owned(),
            outcome: "rolled_back".to_owned(),
            summary: summary.to_owned(),
            server: run.plan.server,
            server_name: run.plan.name.to_string(),
            actor: run.actor().to_owned(),
            started_at: run.created_at(),
            ended_at: run.now(),
            packages: version_changes(&present, &after),
            closed: Some(Vec::new()),
            snapshot: run.plan.way.snapshot.as_ref().map(ToString::to_string),
            boots: (present.boot.id, after.boot.id),
            gates: vec![Gate {
                name: "as before".to_owned(),
                found: "packages, states, marks, units".to_owned(),
            }],
        };
        self.0.receipts.issue(&receipt).await?;
        Ok(summary.to_owned())
    }
}

/// Code of a rollback whose result is not what it should be.
const NOT_AS_BEFORE: &str = "patch.rollback_not_verified";
