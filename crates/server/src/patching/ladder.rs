//! The rollback ladder: the exact former packages first, the disk snapshot last.
//!
//! ```text
//! packages ─► settle (reboot if needed, probe) ─► back
//!    └──────────────┴─► disk ─► return ─► rekey ─► probe ─► back
//! ```
//!
//! A rung that fails leads to the next; only where there is none left does it ask for a
//! person. After a disk restore the keys on the disk are those of an older state, so the
//! agent makes new ones before it counts as trusted again.

use std::time::Duration;

use base::{Problem, ServerId};
use providers::SnapshotName;
use runs::{Context, Program, UndoNext};
use serde::{Deserialize, Serialize};
use wire::{AgentError, Failure, FailureKind, JobKey, Outcome, Probe, Verb};

use super::{
    probing::{Probed, ask_probes},
    remote::{self, Job, SILENCE},
    resources::Resources,
};
use crate::providers::provider_problem;

/// Everything together, from the first rung to the last, including two boots of a slow
/// host (10 minutes each, requirement table of health gates) and the disk restore.
const WHOLE_LADDER: Duration = Duration::from_secs(45 * 60);

/// Looks at an agent that does not answer before the ladder goes on without it: with
/// two seconds between looks and four for each connection, about five minutes.
const SILENT_LOOKS: u32 = 60;

/// Times that putting packages back is begun anew after it was cut short.
const RESTORE_TRIES: u32 = 3;

/// Times that the probes are asked after a rollback, five seconds apart, so that a
/// service has time to come up.
const PROBE_TRIES: u32 = 12;

/// What the ladder works with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Way {
    /// The server.
    pub server: ServerId,
    /// The job that kept the former packages; none when they were not kept.
    pub staged: Option<JobKey>,
    /// The disk snapshot; none when there is none.
    pub snapshot: Option<SnapshotName>,
    /// What must work at the end.
    pub probes: Vec<Probe>,
}

/// Where on the ladder a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LadderState {
    rung: Rung,
    silent: u32,
    tries: u32,
    line: u64,
    /// Restore jobs that were cut short; each try is a job of its own.
    #[serde(default)]
    restores: u32,
    /// Why each rung before this one was left.
    left: Vec<String>,
    /// The disk was put back.
    pub disk_restored: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rung {
    #[default]
    Packages,
    Settle {
        boot_id: Option<String>,
    },
    Probe,
    Disk,
    Return,
    Rekey,
}

/// One look up or down the ladder; called until it says `Done` or `Stuck`.
pub async fn climb<P: Program>(
    resources: &Resources,
    way: &Way,
    state: &mut LadderState,
    run: &mut Context<'_, P>,
) -> UndoNext {
    run.undo_within(WHOLE_LADDER);
    loop {
        let step = match state.rung.clone() {
            Rung::Packages => packages(resources, way, state, run).await,
            Rung::Settle { boot_id } => settle(resources, way, state, run, boot_id).await,
            Rung::Probe => probe(resources, way, state, run).await,
            Rung::Disk => disk(resources, way, state, run).await,
            Rung::Return => back(resources, way, state).await,
            Rung::Rekey => rekey(resources, way, state, run).await,
        };
        match step {
            Climb::To(rung) => {
                (state.silent, state.tries, state.line) = (0, 0, 0);
                state.rung = rung;
            }
            Climb::Leave { why } => {
                run.note(format!("This way back is left: {why}"));
                state.left.push(why);
                (state.silent, state.tries, state.line) = (0, 0, 0);
                if state.disk_restored || way.snapshot.is_none() {
                    // A person who resumes wants it tried again, not told again.
                    state.restores += 1;
                    return UndoNext::Stuck(no_way_left(state, run));
                }
                state.rung = Rung::Disk;
            }
            Climb::Rest(next) => return next,
        }
    }
}

/// Whether a restore that failed may go through when it is tried again: it was cut short
/// by a power cut, or something else held dpkg's lock.
fn may_pass(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Interrupted | FailureKind::Unavailable)
}

/// What a rung says.
enum Climb {
    To(Rung),
    Leave { why: String },
    Rest(UndoNext),
}

impl Climb {
    fn wait(pause: Duration, why: impl Into<String>) -> Self {
        Self::Rest(UndoNext::Wait { pause, why: why.into() })
    }
}

fn no_way_left<P: Program>(state: &LadderState, run: &Context<'_, P>) -> Problem {
    Problem::new("patch.rollback_stuck", "could not put the server back")
        .found(state.left.join("; "))
        .state("The server is out of rotation and may be half changed")
        .next("look at it on its console, then resume the run")
        .run(run.id())
}

fn silent(state: &mut LadderState, why: String) -> Climb {
    state.silent += 1;
    if state.silent > SILENT_LOOKS {
        return Climb::Leave { why: format!("its agent stayed silent: {why}") };
    }
    Climb::wait(SILENCE, "the agent does not answer")
}

async fn packages<P: Program>(
    resources: &Resources,
    way: &Way,
    state: &mut LadderState,
    run: &mut Context<'_, P>,
) -> Climb {
    let Some(staged) = &way.staged else {
        return Climb::Leave { why: "the former packages were not kept".to_owned() };
    };
    let agent = match resources.reach(way.server).await {
        Ok((_, agent)) => agent,
        Err(problem) => return silent(state, problem.to_string()),
    };
    let key = remote::key(run, &format!("restore-{}", state.restores));
    let verb = Verb::RestorePackages { staged: staged.clone() };
    let (job, line) = remote::drive(run, &*agent, &key, &verb, state.line).await;
    state.line = line;
    match job {
        Job::Running { why } => {
            state.silent = 0;
            Climb::wait(Duration::ZERO, why)
        }
        // The install that is undone may still be at work; killing it would only add a mess.
        Job::Busy { why } => Climb::wait(SILENCE, why),
        Job::Silent { why } => silent(state, why),
        // A wrong clock after a boot looks like this too, and passes.
        Job::Refused(problem) => silent(state, problem.to_string()),
        Job::Failed(failure) if may_pass(&failure) && state.restores < RESTORE_TRIES => {
            state.restores += 1;
            state.line = 0;
            run.note(format!("Putting the former packages back was cut short: {}", failure.message));
            Climb::wait(Duration::from_secs(5), "the former packages are put back again")
        }
        Job::Failed(failure) => Climb::Leave { why: failure.message },
        Job::Succeeded(outcome) => {
            if let Outcome::Restored { compared, .. } = outcome {
                run.note(format!("The host compared and found equal: {}", compared.join(", ")));
            }
            Climb::To(Rung::Settle { boot_id: None })
        }
    }
}

/// The former packages are on the disk; what runs may still be the new ones.
async fn settle<P: Program>(
    resources: &Resources,
    way: &Way,
    state: &mut LadderState,
    run: &mut Context<'_, P>,
    boot_id: Option<String>,
) -> Climb {
    let (server, agent) = match resources.reach(way.server).await {
        Ok(reached) => reached,
        Err(problem) => return silent(state, problem.to_string()),
    };
    let Some(boot_id) = boot_id else {
        let inventory = match resources.inventories.collect(&server, &*agent).await {
            Ok((_, inventory)) => inventory,
            Err(problem) => return silent(state, problem.to_string()),
        };
        if !inventory.reboot.required {
            return Climb::To(Rung::Probe);
        }
        return Climb::To(Rung::Settle { boot_id: Some(inventory.boot.id) });
    };
    match agent.hello().await {
        Ok(hello) if hello.boot_id != boot_id => return Climb::To(Rung::Probe),
        Ok(_) => {}
        Err(error) => return silent(state, error.to_string()),
    }
    let key = remote::key(run, "restore-reboot");
    let (job, line) = remote::drive(run, &*agent, &key, &Verb::Reboot { boot_id }, state.line).await;
    state.line = line;
    match job {
        Job::Failed(failure) => Climb::Leave { why: failure.message },
        Job::Refused(problem) => Climb::Leave { why: problem.to_string() },
        Job::Running { .. } | Job::Succeeded(_) | Job::Silent { .. } | Job::Busy { .. } => {
            silent(state, "it has not rebooted".to_owned())
        }
    }
}

async fn probe<P: Program>(
    resources: &Resources,
    way: &Way,
    state: &mut LadderState,
    run: &mut Context<'_, P>,
) -> Climb {
    let how = if state.disk_restored { "the disk snapshot" } else { "the former packages" };
    if way.probes.is_empty() {
        return Climb::Rest(UndoNext::done(format!("{how} are back")));
    }
    let agent = match resources.reach(way.server).await {
        Ok((_, agent)) => agent,
        Err(problem) => return silent(state, problem.to_string()),
    };
    match ask_probes(run, &*agent, &way.probes, "restored", state.tries).await {
        Probed::Healthy => Climb::Rest(UndoNext::done(format!("{how}: back, and the services answer"))),
        Probed::Wait { why } => silent(state, why),
        Probed::Unhealthy { why } if state.tries < PROBE_TRIES => {
            state.tries += 1;
            Climb::wait(Duration::from_secs(5), why)
        }
        Probed::Unhealthy { why } => Climb::Leave { why: format!("its services do not work: {why}") },
    }
}

async fn disk<P: Program>(
    resources: &Resources,
    way: &Way,
    state: &mut LadderState,
    run: &mut Context<'_, P>,
) -> Climb {
    let Some(snapshot) = &way.snapshot else {
        return Climb::Rest(UndoNext::Stuck(no_way_left(state, run)));
    };
    let server = match resources.servers.get(way.server).await {
        Ok(server) => server,
        Err(problem) => return Climb::Rest(UndoNext::Stuck(problem)),
    };
    let provider = match resources.providers.get(&server.provider) {
        Ok(provider) => provider,
        Err(problem) => return Climb::Rest(UndoNext::Stuck(problem)),
    };
    run.progress(0.0, "Putting the disk snapshot back");
    match provider.restore(&server.name, snapshot).await {
        Ok(_) => {
            state.disk_restored = true;
            run.note(format!("The disk snapshot `{snapshot}` is back; the host starts from it"));
            Climb::To(Rung::Return)
        }
        Err(error) if error.retryable() => Climb::wait(Duration::from_secs(5), error.to_string()),
        Err(error) => {
            let problem = provider_problem("put the disk snapshot back", &error);
            state.left.push(problem.to_string());
            Climb::Rest(UndoNext::Stuck(no_way_left(state, run)))
        }
    }
}

/// Waits for the restored host: its agent has the keys that the snapshot holds.
async fn back(resources: &Resources, way: &Way, state: &mut LadderState) -> Climb {
    let agent = match resources.reach(way.server).await {
        Ok((_, agent)) => agent,
        Err(problem) => return silent(state, problem.to_string()),
    };
    match agent.hello().await {
        // The keys of an older state need not be those that were trusted last.
        Ok(_) | Err(AgentError::NotTrusted { .. }) => Climb::To(Rung::Rekey),
        Err(error) => {
            state.silent += 1;
            if state.silent > 2 * SILENT_LOOKS {
                return Climb::Leave { why: format!("the restored host stayed silent: {error}") };
            }
            Climb::wait(SILENCE, "the restored host starts")
        }
    }
}

async fn rekey<P: Program>(
    resources: &Resources,
    way: &Way,
    state: &mut LadderState,
    run: &mut Context<'_, P>,
) -> Climb {
    let agent = match resources.reach(way.server).await {
        Ok((_, agent)) => agent,
        Err(problem) => return silent(state, problem.to_string()),
    };
    let token = match resources.enrolments.issue(way.server).await {
        Ok(token) => token,
        Err(problem) => return silent(state, problem.to_string()),
    };
    match agent.renew_identity(&base::Redacted::new(token.reveal().to_owned())).await {
        Ok(()) => {
            run.note("The agent has made new keys and is trusted with them");
            Climb::To(Rung::Probe)
        }
        Err(error) => silent(state, error.to_string()),
    }
}
