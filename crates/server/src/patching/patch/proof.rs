//! Proof by fresh observation: that the update is in effect, or that the host is the
//! former one; and what is written down of either.

use base::{InventoryId, Problem};
use runs::{Next, Program, UndoNext};
use wire::Inventory;

use super::{
    super::{
        probing::{Awaited, await_probes},
        receipt::{Gate, Receipt, closed_in_words, version_changes},
        resources::actor,
        same,
    },
    CHECK, Compared, PAPER_TRIES, Patch, REBOOT, Run, Step,
};
use crate::audit::Outcome;

impl Patch {
    pub(super) async fn verify(&self, run: Run<'_, '_>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::LeaveMaintenance, REBOOT);
        }
        let (server, agent) = match self.0.reach(run.plan.server).await {
            Ok(reached) => reached,
            Err(problem) => return Next::RollBack(problem),
        };
        let (mut tries, limit) = (run.state.tries, run.plan.probe_limit_seconds);
        let awaited = await_probes(run, &*agent, &run.plan.probes, &mut tries, limit).await;
        run.state.tries = tries;
        match awaited {
            Awaited::Healthy => {}
            Awaited::NotYet(next) => return next,
            Awaited::Failed { why } => {
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

    pub(super) async fn leave_maintenance(&self, run: Run<'_, '_>) -> Next<Step> {
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

    pub(super) async fn prove_undone(&self, run: Run<'_, '_>) -> UndoNext {
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
}
