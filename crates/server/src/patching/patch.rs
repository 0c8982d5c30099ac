//! The patch run: check, keep, snapshot, stage, install, reboot, verify; and back by the
//! ladder when any of it fails.

use std::time::Duration;

use async_trait::async_trait;
use base::{InventoryId, Problem};
use providers::SnapshotName;
use runs::{Context, Next, Program, UndoNext};
use serde::{Deserialize, Serialize};
use wire::{AgentApi, Failure, FailureKind, Inventory, JobKey, Outcome as JobOutcome, Verb};

use super::{
    ladder::{self, LadderState, Probed, Way, ask_probes},
    ledger::Keepsake,
    plan::{PatchPlan, SnapshotChoice},
    receipt::{Gate, Receipt, closed_in_words, version_changes},
    remote::{self, Job, SILENCE, job_problem},
    resources::{Resources, actor},
    same,
};
use crate::{audit::Outcome, providers::provider_problem};

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
/// Seconds between two rounds of probes.
const PROBE_PAUSE: u32 = 5;
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

    /// A snapshot changes nothing on the host, so it has no undo; it is dropped when the
    /// ledger says that it has expired.
    async fn take_snapshot(&self, run: Run<'_, '_>) -> Next<Step> {
        let name = run.plan.name.as_str();
        if let SnapshotChoice::Skip { reason } = &run.plan.snapshot {
            let who = actor(run.actor());
            let recorded = self
                .0
                .audit
                .record_once(&who, "snapshot_skipped", name, Outcome::Done, run.id(), reason)
                .await;
            return match recorded {
                Ok(()) => Next::Go(Step::StagePackages),
                Err(problem) => Next::RollBack(problem),
            };
        }
        let snapshot: SnapshotName = match format!("hf-{}", run.id().to_string().replace("run_", "")).parse()
        {
            Ok(snapshot) => snapshot,
            Err(error) => return Next::RollBack(Problem::new("patch.snapshot", format!("{error}"))),
        };
        let entered = self.keep(run, &Keepsake::Snapshot(snapshot.clone())).await;
        if let Err(problem) = entered {
            return Next::RollBack(problem);
        }
        let server = match self.0.servers.get(run.plan.server).await {
            Ok(server) => server,
            Err(problem) => return Next::RollBack(problem),
        };
        let provider = match self.0.providers.get(&server.provider) {
            Ok(provider) => provider,
            Err(problem) => return Next::RollBack(problem),
        };
        match provider.take_snapshot(&server.name, &snapshot).await {
            Ok(taken) => {
                run.note(format!("Snapshot `{}` of {}", taken.name, taken.taken_at));
                run.state.snapshot = Some(snapshot);
                Next::Go(Step::StagePackages)
            }
            Err(error) if error.retryable() && run.attempt() < 8 => {
                Next::back_off(run.attempt(), error.to_string())
            }
            Err(error) => Next::RollBack(
                provider_problem(&format!("take a snapshot of `{name}`"), &error)
                    .state("Nothing was changed"),
            ),
        }
    }

    /// Enters into the ledger what this run is about to keep.
    async fn keep(&self, run: Run<'_, '_>, keepsake: &Keepsake) -> Result<(), Problem> {
        self.0.ledger.enter(run.plan.server, keepsake, run.id(), run.now() + KEPT).await
    }

    /// Downloads and keeps; what it leaves on the disk harms nothing, so it has no undo.
    async fn stage_packages(&self, run: Run<'_, '_>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::InstallPackages, STAGE);
        }
        let key = remote::key(run, &format!("stage-{}", run.state.tries));
        if run.attempt() == 0
            && let Err(problem) = self.keep(run, &Keepsake::Packages(key.clone())).await
        {
            return Next::back_off(run.attempt(), problem.to_string());
        }
        let verb = Verb::StagePackages { plan: run.plan.upgrade.clone() };
        match self.drive(run, &key, &verb).await {
            Driven::Next(next) => next,
            // Somebody else was quicker between the check and here: only the proof is left.
            Driven::Succeeded(JobOutcome::AlreadyDone) => Next::Go(Step::Verify),
            Driven::Succeeded(outcome) => {
                if let JobOutcome::Staged { former_kept, former_missing, bytes } = outcome {
                    run.state.former_kept = former_kept;
                    let missing: Vec<_> = former_missing.iter().map(ToString::to_string).collect();
                    run.note(match former_kept {
                        true => format!("{} MB downloaded and kept", bytes / 1_000_000),
                        false => format!("The former {} cannot be had any more", missing.join(", ")),
                    });
                }
                (run.state.staged, run.state.tries, run.state.line) = (Some(key), 0, 0);
                Next::Go(Step::InstallPackages)
            }
            Driven::Failed(failure)
                if failure.kind == FailureKind::Unavailable && run.state.tries + 1 < STAGE_TRIES =>
            {
                run.state.tries += 1;
                run.state.line = 0;
                Next::wait(10 << run.state.tries, format!("the package archive: {}", failure.message))
            }
            Driven::Failed(failure) => Next::RollBack(self.failed(run, "stage", &failure)),
        }
    }

    async fn install_packages(&self, run: Run<'_, '_>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::RebootIfNeeded, INSTALL);
        }
        let Some(staged) = run.state.staged.clone() else { return Next::Go(Step::StagePackages) };
        let packages_can_go_back = run.state.former_kept && !run.plan.without_package_rollback;
        let way = Way {
            server: run.plan.server,
            staged: packages_can_go_back.then(|| staged.clone()),
            snapshot: run.state.snapshot.clone(),
            probes: run.plan.probes.clone(),
        };
        if run.record_undo(&Undo::PutBack(way)).await.is_err() {
            return Next::Go(Step::InstallPackages);
        }
        let key = remote::key(run, "install");
        match self.drive(run, &key, &Verb::InstallPackages { staged }).await {
            Driven::Next(next) => next,
            Driven::Succeeded(outcome) => {
                if let JobOutcome::Installed { restarted } = outcome
                    && !restarted.is_empty()
                {
                    run.note(format!("Restarted {}", restarted.join(", ")));
                }
                run.state.line = 0;
                Next::Go(Step::RebootIfNeeded)
            }
            Driven::Failed(failure) => {
                run.state.untouched = matches!(failure.kind, FailureKind::Stale | FailureKind::Impossible);
                Next::RollBack(self.failed(run, "install", &failure))
            }
        }
    }

    async fn put_back(&self, way: &Way, run: Run<'_, '_>) -> UndoNext {
        if run.state.untouched {
            return UndoNext::unneeded("the host had refused before anything was touched");
        }
        let cause = run.problem().map(|problem| problem.code.to_string()).unwrap_or_default();
        let (who, name) = (actor(run.actor()), run.plan.name.as_str());
        let begun = self
            .0
            .audit
            .record_once(&who, "security.patch.rollback", name, Outcome::Begun, run.id(), cause)
            .await;
        if let Err(problem) = begun {
            return UndoNext::wait(5, problem.to_string());
        }
        let mut state = std::mem::take(&mut run.state.ladder);
        let next = ladder::climb(&self.0, way, &mut state, run).await;
        run.state.ladder = state;
        next
    }

    async fn reboot_if_needed(&self, run: Run<'_, '_>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::Verify, REBOOT);
        }
        let (server, agent) = match self.0.reach(run.plan.server).await {
            Ok(reached) => reached,
            Err(problem) => return Next::RollBack(problem),
        };
        let inventory = match self.0.inventories.collect(&server, &*agent).await {
            Ok((_, inventory)) => inventory,
            Err(problem) => return Next::back_off(run.attempt(), problem.to_string()),
        };
        let Some(boot_id) = run.state.boot_id.clone() else { return Next::Go(Step::Verify) };
        if inventory.boot.id != boot_id {
            run.note("The host has a new boot already");
            return Next::Go(Step::Verify);
        }
        if !inventory.reboot.required {
            run.note("No reboot is needed");
            return Next::Go(Step::Verify);
        }
        run.note(format!("A reboot is needed: {}", inventory.reboot.reasons.join("; ")));
        self.ask_for_reboot(run, boot_id).await.map_or(Next::Go(Step::AwaitHost), Next::RollBack)
    }

    /// Asks for the reboot, or looks how it stands: the same key is the same reboot. Any
    /// answer but a refusal may come from a host that is about to go down, and so may
    /// silence.
    async fn ask_for_reboot(&self, run: Run<'_, '_>, boot_id: String) -> Option<Problem> {
        let key = remote::key(run, "reboot");
        match self.drive(run, &key, &Verb::Reboot { boot_id }).await {
            Driven::Next(Next::RollBack(problem)) => Some(problem),
            Driven::Next(_) | Driven::Succeeded(_) => None,
            Driven::Failed(failure) => Some(self.failed(run, "reboot", &failure)),
        }
    }

    async fn await_host(&self, run: Run<'_, '_>) -> Next<Step> {
        match self.0.reach(run.plan.server).await {
            Ok((_, agent)) => match agent.hello().await {
                Ok(hello) if Some(&hello.boot_id) != run.state.boot_id.as_ref() => {
                    run.note(format!("The host is back with boot {}", hello.boot_id));
                    run.state.line = 0;
                    Next::Go(Step::Verify)
                }
                Ok(hello) => match self.ask_for_reboot(run, hello.boot_id).await {
                    None => Next::wait(2, "the host has not gone down yet"),
                    Some(problem) => Next::RollBack(problem),
                },
                Err(_) => Next::wait(2, "the host boots"),
            },
            Err(problem) => Next::RollBack(problem),
        }
    }

    async fn verify(&self, run: Run<'_, '_>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::LeaveMaintenance, REBOOT);
        }
        let (server, agent) = match self.0.reach(run.plan.server).await {
            Ok(reached) => reached,
            Err(problem) => return Next::RollBack(problem),
        };
        if !run.plan.probes.is_empty() {
            match ask_probes(run, &*agent, run.plan.probes.as_slice(), "verify", run.state.tries).await {
                Probed::Healthy => {}
                Probed::Wait { why } => return Next::wait(1, why),
                Probed::Unhealthy { why } if run.state.tries * PROBE_PAUSE < run.plan.probe_limit_seconds => {
                    run.state.tries += 1;
                    return Next::wait(PROBE_PAUSE.into(), why);
                }
                Probed::Unhealthy { why } => {
                    return Next::RollBack(
                        Problem::new(
                            "patch.probe_failed",
                            format!("`{}` does not work after the update", server.name),
                        )
                        .found(why)
                        .run(run.id()),
                    );
                }
            }
        }
        // After the probes, so that what they wait for is seen too, and seen once.
        let (id, inventory) = match self.0.inventories.collect(&server, &*agent).await {
            Ok(collected) => collected,
            Err(problem) => return Next::back_off(run.attempt(), problem.to_string()),
        };
        run.state.after = Some(id);
        match self.gates(run, &inventory).await {
            Ok(gates) => {
                run.state.gates = gates;
                Next::Go(Step::LeaveMaintenance)
            }
            Err(problem) => Next::RollBack(problem.run(run.id())),
        }
    }

    /// Compares a fresh observation with the plan: what was reported is not evidence.
    async fn gates(&self, run: Run<'_, '_>, after: &Inventory) -> Result<Vec<Gate>, Problem> {
        let unproven = |found: String| {
            Problem::new("patch.not_verified", format!("the update of `{}` is not in effect", run.plan.name))
                .found(found)
        };
        match self.compare(run.plan, after) {
            Compared::AlreadyDone => {}
            Compared::Ready => return Err(unproven("packages are at their former versions".to_owned())),
            Compared::Stale { found } => return Err(unproven(found)),
        }
        if !after.package_health.is_sound() {
            return Err(unproven(format!("dpkg is not in order: {}", after.package_health.audit.join(" "))));
        }
        let before = match run.state.before {
            Some(id) => self.0.inventories.load(id).await?,
            None => None,
        };
        let failures = before.as_ref().map(|before| same::new_failures(before, after)).unwrap_or_default();
        if !failures.is_empty() {
            return Err(unproven(format!("units have failed: {}", failures.join(", "))));
        }
        let gate = |name: &str, found: String| Gate { name: name.to_owned(), found };
        let changes = run.plan.upgrade.changes.len();
        let mut gates = vec![
            gate("versions", format!("all {changes} packages are at the planned versions")),
            gate("dpkg", "in order".to_owned()),
            gate("units", "no new failures".to_owned()),
        ];
        if Some(&after.boot.id) != run.state.boot_id.as_ref() {
            gates.push(gate("boot", "a new boot identity".to_owned()));
        }
        if !run.plan.probes.is_empty() {
            gates.push(gate("probes", format!("{} answered", run.plan.probes.len())));
        }
        Ok(gates)
    }

    async fn leave_maintenance(&self, run: Run<'_, '_>) -> Next<Step> {
        match self.conclude(run, "done").await {
            Ok(summary) => {
                if let UndoNext::Wait { pause, why } = self.end_maintenance(run).await {
                    return Next::Wait { pause, why };
                }
                Next::Finish { summary }
            }
            // The update is in effect and proven; only the paper is missing, which is no
            // reason to undo it.
            Err(problem) if run.attempt() < PAPER_TRIES => Next::back_off(run.attempt(), problem.to_string()),
            Err(problem) => Next::AskOperator(
                problem.state("The update is in effect, the server is still in maintenance").run(run.id()),
            ),
        }
    }

    /// Writes the audit entry and the receipt.
    async fn conclude(&self, run: Run<'_, '_>, outcome: &str) -> Result<String, Problem> {
        let load = async |id: Option<InventoryId>| match id {
            Some(id) => self.0.inventories.load(id).await,
            None => Ok(None),
        };
        let (before, after) = (load(run.state.before).await?, load(run.state.after).await?);
        let (Some(before), Some(after)) = (before, after) else {
            return Err(Problem::new("receipt.failed", "could not write the receipt")
                .found("an inventory of this run is no longer kept"));
        };
        let packages = version_changes(&before, &after);
        let closed = self.0.exposure.changes(&before, &after).await;
        let summary = match outcome {
            "done" => format!("{} packages updated, {}", packages.len(), closed_in_words(closed.as_deref())),
            _ if run.state.ladder.disk_restored => "put back by the disk snapshot, and verified".to_owned(),
            _ => "put back package by package, and verified".to_owned(),
        };
        let action = if outcome == "done" { "security.patch" } else { "security.patch.rollback" };
        let (who, name) = (actor(run.actor()), run.plan.name.as_str());
        self.0.audit.record_once(&who, action, name, Outcome::Done, run.id(), summary.clone()).await?;
        let receipt = Receipt {
            version: 1,
            run: run.id(),
            kind: Self::KIND.to_owned(),
            outcome: outcome.to_owned(),
            summary: summary.clone(),
            server: run.plan.server,
            server_name: name.to_owned(),
            actor: run.actor().to_owned(),
            started_at: run.created_at(),
            ended_at: run.now(),
            packages,
            closed,
            snapshot: run.state.snapshot.as_ref().map(ToString::to_string),
            boots: (before.boot.id, after.boot.id),
            gates: run.state.gates.clone(),
        };
        self.0.receipts.issue(&receipt).await?;
        Ok(summary)
    }

    async fn prove_undone(&self, run: Run<'_, '_>) -> UndoNext {
        run.undo_within(CHECK);
        let cause = run.problem().map(|problem| problem.code.to_string()).unwrap_or_default();
        let (who, name) = (actor(run.actor()), run.plan.name.as_str());
        let failed =
            self.0.audit.record_once(&who, "security.patch", name, Outcome::Failed, run.id(), cause).await;
        if let Err(problem) = failed {
            return UndoNext::wait(5, problem.to_string());
        }
        let Some(before) = run.state.before else { return UndoNext::done("nothing was changed") };
        let (server, agent) = match self.0.reach(run.plan.server).await {
            Ok(reached) => reached,
            Err(problem) => return UndoNext::wait(2, problem.to_string()),
        };
        let (id, after) = match self.0.inventories.collect(&server, &*agent).await {
            Ok(collected) => collected,
            Err(problem) => return UndoNext::wait(2, problem.to_string()),
        };
        run.state.after = Some(id);
        let before = match self.0.inventories.load(before).await {
            Ok(Some(before)) => before,
            Ok(None) => {
                return UndoNext::Stuck(Problem::new("patch.no_record", "the inventory of before is gone"));
            }
            Err(problem) => return UndoNext::wait(2, problem.to_string()),
        };
        let found = same::differences(&before, &after);
        if !found.is_empty() {
            return UndoNext::Stuck(
                Problem::new("patch.rollback_not_verified", format!("`{}` is not as it was", server.name))
                    .found(found.join("; "))
                    .state("What could be undone was undone")
                    .next("look at the host, then resume the run to verify again")
                    .run(run.id()),
            );
        }
        run.state.gates =
            vec![Gate { name: "as before".to_owned(), found: "packages, states, marks, units".to_owned() }];
        if run.state.staged.is_none() || run.state.untouched {
            return UndoNext::done("nothing was installed, and the host is as it was");
        }
        match self.conclude(run, "rolled_back").await {
            Ok(summary) => UndoNext::done(summary),
            Err(problem) => UndoNext::wait(5, problem.to_string()),
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
