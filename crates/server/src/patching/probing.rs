//! Asking a server's probes, with the patience that a service needs to come up.

use runs::{Context, Next, Program};
use wire::{AgentApi, Probe, Verb};

use super::remote::{self, Job};

/// Seconds between two rounds of probes.
const PAUSE: u32 = 5;

/// What the probes said.
pub enum Probed {
    /// All answered as they should.
    Healthy,
    /// No answer yet.
    Wait {
        /// What is waited for.
        why: String,
    },
    /// One did not answer as it should.
    Unhealthy {
        /// Which, and what it said.
        why: String,
    },
}

/// Asks the probes once. Each `attempt` is a job of its own, since a job is never done
/// twice.
pub async fn ask_probes<P: Program>(
    run: &Context<'_, P>,
    agent: &dyn AgentApi,
    probes: &[Probe],
    name: &str,
    attempt: u32,
) -> Probed {
    let key = remote::key(run, &format!("{name}-probe-{attempt}"));
    let verb = Verb::RunProbes { probes: probes.to_vec() };
    match remote::drive_quietly(agent, &key, &verb).await {
        Job::Succeeded(_) => Probed::Healthy,
        Job::Running { why } | Job::Silent { why } | Job::Busy { why } => Probed::Wait { why },
        Job::Refused(problem) => Probed::Unhealthy { why: problem.to_string() },
        Job::Failed(failure) => Probed::Unhealthy { why: failure.message },
    }
}

/// Probes that are asked until they answer as they should, or for too long.
pub enum Awaited<S> {
    /// All answered as they should, or there are none.
    Healthy,
    /// Not yet.
    NotYet(Next<S>),
    /// One did not in all that time.
    Failed {
        /// Which, and what it said.
        why: String,
    },
}

/// Asks the probes once, of all that may be asked within `limit` seconds of answers;
/// `tries` counts those.
pub async fn await_probes<P: Program>(
    run: &Context<'_, P>,
    agent: &dyn AgentApi,
    probes: &[Probe],
    tries: &mut u32,
    limit: u32,
) -> Awaited<P::Step> {
    if probes.is_empty() {
        return Awaited::Healthy;
    }
    match ask_probes(run, agent, probes, "verify", *tries).await {
        Probed::Healthy => Awaited::Healthy,
        Probed::Wait { why } => Awaited::NotYet(Next::wait(1, why)),
        Probed::Unhealthy { why } if *tries * PAUSE < limit => {
            *tries += 1;
            Awaited::NotYet(Next::wait(PAUSE.into(), why))
        }
        Probed::Unhealthy { why } => Awaited::Failed { why },
    }
}
