//! Snapshot, staging, installation and reboot: the steps that change the host, and what
//! puts it back.

use base::Problem;
use providers::SnapshotName;
use runs::{Next, UndoNext};
use wire::{FailureKind, Outcome as JobOutcome, Verb};

use super::{
    super::{
        ladder::{self, Way},
        ledger::Keepsake,
        plan::SnapshotChoice,
        remote,
        resources::actor,
    },
    Driven, INSTALL, KEPT, Patch, REBOOT, Run, STAGE, STAGE_TRIES, Step, Undo,
};
use crate::{audit::Outcome, providers::provider_problem};

impl Patch {
    /// A snapshot changes nothing on the host, so it has no undo; it is dropped when the
    /// ledger says that it has expired.
    pub(super) async fn take_snapshot(&self, run: Run<'_, '_>) -> Next<Step> {
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
    pub(super) async fn stage_packages(&self, run: Run<'_, '_>) -> Next<Step> {
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

    pub(super) async fn install_packages(&self, run: Run<'_, '_>) -> Next<Step> {
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

    pub(super) async fn put_back(&self, way: &Way, run: Run<'_, '_>) -> UndoNext {
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

    pub(super) async fn reboot_if_needed(&self, run: Run<'_, '_>) -> Next<Step> {
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

    pub(super) async fn await_host(&self, run: Run<'_, '_>) -> Next<Step> {
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
}
