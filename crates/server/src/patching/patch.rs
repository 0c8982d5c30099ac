//! The patch run: check, keep, snapshot, stage, install, reboot, verify; and back by the
//! ladder when any of it fails. What changes the host is in [`install`], what proves the
//! change in [`proof`].

mod install;
mod proof;

use std::time::Duration;

use async_trait::async_trait;
use base::{InventoryId, Problem};
use providers::SnapshotName;
use runs::{Context, Next, Program, UndoNext};
use serde::{Deserialize, Serialize};
use wire::{AgentApi, Failure, FailureKind, Inventory, JobKey, Outcome as JobOutcome, Verb};

use super::{
    ladder::{LadderState, Way},
    plan::PatchPlan,
    receipt::Gate,
    remote::{self, Job, SILENCE, job_problem},
    resources::{Resources, actor},
};
use crate::audit::Outcome;

runs::steps! {
    /// The steps, in running order.
    pub enum Step {
        /// Observes and compares: ready, already done, or the plan is stale.
        CheckHost = "check_host" => "Check the host",
        /// Silences alarms.
        EnterMaintenance = "enter_maintenance" => "Enter maintenance",
        /// Takes a disk snapshot, if the plan says so.
        TakeSnapshot = "take_snapshot" => "Take a snapshot",
        /// Downloads, and keeps the former packages; installs nothing.
        StagePackages = "stage_packages" => "Stage packages",
        /// Installs.
        InstallPackages = "install_packages" => "Install packages",
        /// Reboots, if the host says that it is needed.
        RebootIfNeeded = "reboot_if_needed" => "Reboot if needed",
        /// Waits for the host's new boot.
        AwaitHost = "await_host" => "Wait for the host",
        /// Observes again and compares with the plan.
        Verify = "verify" => "Verify",
        /// Ends the silence and writes the receipt.
        LeaveMaintenance = "leave_maintenance" => "Leave maintenance",
    }
}

/// A host must answer within this time before anything is touched.
const CHECK: Duration = Duration::from_secs(5 * 60);
/// Downloading and keeping: a slow mirror and a full set of updates.
const STAGE: Duration = Duration::from_secs(45 * 60);
/// Installing: a kernel with its initramfs takes minutes on a small host.
const INSTALL: Duration = Duration::from_secs(60 * 60);
/// Requirement table of health gates: host back in 10 minutes.
const REBOOT: Duration = Duration::from_secs(10 * 60);
/// Tries to download, ten seconds and more apart, before the run gives up.
const STAGE_TRIES: u32 = 4;
/// Tries to write the receipt, mostly half a minute apart: about a quarter of an hour.
const PAPER_TRIES: u32 = 32;
/// How long the snapshot and the former packages are kept after the run.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a patch run remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    before: Option<InventoryId>,
    after: Option<InventoryId>,
    snapshot: Option<SnapshotName>,
    /// The staging job that succeeded.
    staged: Option<JobKey>,
    former_kept: bool,
    /// The host has refused the install before it touched anything.
    #[serde(default)]
    untouched: bool,
    boot_id: Option<String>,
    tries: u32,
    /// The next line of the present job's log.
    line: u64,
    gates: Vec<Gate>,
    ladder: LadderState,
}

/// How the effects are undone.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Ends the silence.
    LeaveMaintenance,
    /// Puts packages, or else the disk, back.
    PutBack(Way),
}

/// The program.
pub struct Patch(pub Resources);

type Run<'a, 'b> = &'a mut Context<'b, Patch>;

#[async_trait]
impl Program for Patch {
    const KIND: &'static str = "patch";
    const STATE_VERSION: u16 = 1;
    type Step = Step;
    type Plan = PatchPlan;
    type State = State;
    type Undo = Undo;

    async fn step(&self, step: Step, run: &mut Context<'_, Self>) -> Next<Step> {
        match step {
            Step::CheckHost => self.check_host(run).await,
            Step::EnterMaintenance => self.enter_maintenance(run).await,
            Step::TakeSnapshot => self.take_snapshot(run).await,
            Step::StagePackages => self.stage_packages(run).await,
            Step::InstallPackages => self.install_packages(run).await,
            Step::RebootIfNeeded => self.reboot_if_needed(run).await,
            Step::AwaitHost => self.await_host(run).await,
            Step::Verify => self.verify(run).await,
            Step::LeaveMaintenance => self.leave_maintenance(run).await,
        }
    }

    async fn undo(&self, undo: &Undo, run: &mut Context<'_, Self>) -> UndoNext {
        match undo {
            Undo::LeaveMaintenance => self.end_maintenance(run).await,
            Undo::PutBack(way) => self.put_back(way, run).await,
        }
    }

    async fn verify_undone(&self, run: &mut Context<'_, Self>) -> UndoNext {
        self.prove_undone(run).await
    }
}

impl Patch {
    async fn check_host(&self, run: Run<'_, '_>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::EnterMaintenance, CHECK);
        }
        let (server, agent) = match self.0.reach(run.plan.server).await {
            Ok(reached) => reached,
            Err(problem) => return Next::RollBack(problem),
        };
        let (id, inventory) = match self.0.inventories.collect(&server, &*agent).await {
            Ok(collected) => collected,
            Err(problem) => return Next::back_off(run.attempt(), problem.to_string()),
        };
        run.state.before = Some(id);
        run.state.boot_id = Some(inventory.boot.id.clone());
        if !inventory.package_health.is_sound() {
            return Next::RollBack(
                Problem::new("patch.packages_unsound", format!("could not patch `{}`", run.plan.name))
                    .found(format!("dpkg is not in order: {}", inventory.package_health.audit.join(" ")))
                    .state("Nothing was changed")
                    .next("put dpkg in order on the host, then patch again"),
            );
        }
        match self.compare(run.plan, &inventory) {
            Compared::Ready => Next::Go(Step::EnterMaintenance),
            Compared::AlreadyDone => Next::finish("every planned version is installed already"),
            Compared::Stale { found } => Next::RollBack(
                Problem::new("patch.plan_stale", format!("could not patch `{}`", run.plan.name))
                    .found(found)
                    .state("Nothing was changed")
                    .next("patch again: a new plan is made of what is there now"),
            ),
        }
    }

    fn compare(&self, plan: &PatchPlan, inventory: &Inventory) -> Compared {
        let installed = |name: &str| {
            let package = inventory.packages.iter().find(|package| package.name.as_str() == name)?;
            package.status.is_present().then_some(&package.version)
        };
        let mut done = 0;
        for change in &plan.upgrade.changes {
            let found = installed(change.name.as_str());
            if found == Some(&change.to) {
                done += 1;
            } else if found != change.from.as_ref() {
                let word = |version: Option<&wire::PackageVersion>| {
                    version.map_or("not installed".to_owned(), |version| format!("at `{version}`"))
                };
                let (found, expected) = (word(found), word(change.from.as_ref()));
                return Compared::Stale {
                    found: format!("`{}` is {found}, the plan expected it {expected}", change.name),
                };
            }
        }
        if done == plan.upgrade.changes.len() { Compared::AlreadyDone } else { Compared::Ready }
    }

    async fn enter_maintenance(&self, run: Run<'_, '_>) -> Next<Step> {
        if run.record_undo(&Undo::LeaveMaintenance).await.is_err() {
            return Next::Go(Step::EnterMaintenance);
        }
        let detail = format!("{} packages", run.plan.upgrade.changes.len());
        let who = actor(run.actor());
        let name = run.plan.name.as_str();
        if let Err(problem) =
            self.0.audit.record_once(&who, "security.patch", name, Outcome::Begun, run.id(), detail).await
        {
            return Next::RollBack(problem);
        }
        match self.0.servers.change(run.plan.server, |server| server.in_maintenance = true).await {
            Ok(_) => Next::Go(Step::TakeSnapshot),
            Err(problem) => Next::RollBack(problem),
        }
    }

    async fn end_maintenance(&self, run: Run<'_, '_>) -> UndoNext {
        match self.0.servers.change(run.plan.server, |server| server.in_maintenance = false).await {
            Ok(_) => UndoNext::unneeded("alarms are on again"),
            Err(problem) => UndoNext::wait(2, problem.to_string()),
        }
    }

    /// Looks at a job once; what is not its end becomes the step's answer.
    async fn drive(&self, run: Run<'_, '_>, key: &JobKey, verb: &Verb) -> Driven {
        let agent: std::sync::Arc<dyn AgentApi> = match self.0.reach(run.plan.server).await {
            Ok((_, agent)) => agent,
            Err(problem) => return Driven::Next(Next::RollBack(problem)),
        };
        let (job, line) = remote::drive(run, &*agent, key, verb, run.state.line).await;
        run.state.line = line;
        match job {
            Job::Running { why } => Driven::Next(Next::wait(0, why)),
            Job::Silent { why } | Job::Busy { why } => Driven::Next(Next::Wait { pause: SILENCE, why }),
            Job::Refused(problem) => Driven::Next(Next::RollBack(problem)),
            Job::Succeeded(outcome) => Driven::Succeeded(outcome),
            Job::Failed(failure) => Driven::Failed(failure),
        }
    }

    fn failed(&self, run: Run<'_, '_>, what: &str, failure: &Failure) -> Problem {
        let code = match failure.kind {
            FailureKind::Stale => "patch.plan_stale",
            FailureKind::NoSpace => "patch.no_space",
            FailureKind::Unavailable => "patch.archive_unavailable",
            FailureKind::Packages => "patch.packages_failed",
            FailureKind::Interrupted => "patch.interrupted",
            FailureKind::NotVerified => "patch.not_verified",
            FailureKind::Impossible => "patch.impossible",
            FailureKind::Internal => "patch.agent_failed",
        };
        job_problem(code, format!("could not {what} the update of `{}`", run.plan.name), failure)
            .run(run.id())
    }
}

enum Compared {
    Ready,
    AlreadyDone,
    Stale { found: String },
}

enum Driven {
    Next(Next<Step>),
    Succeeded(JobOutcome),
    Failed(Failure),
}
