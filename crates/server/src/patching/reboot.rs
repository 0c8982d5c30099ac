//! The reboot run: ask for it, wait for a new boot, verify.

use std::time::Duration;

use async_trait::async_trait;
use base::{HostName, Problem, ServerId};
use runs::{Context, Next, Program, UndoNext};
use serde::{Deserialize, Serialize};
use wire::{Probe, Verb};

use super::{
    plan::PROBE_LIMIT_SECONDS,
    probing::{Awaited, await_probes},
    remote::{self, Job, SILENCE, job_problem},
    resources::{Resources, actor},
};
use crate::audit::Outcome;

runs::steps! {
    /// The steps, in running order.
    pub enum Step {
        /// Notes the present boot.
        CheckHost = "check_host" => "Check the host",
        /// Asks for the reboot.
        Reboot = "reboot" => "Reboot",
        /// Waits for the new boot.
        AwaitHost = "await_host" => "Wait for the host",
        /// Observes again.
        Verify = "verify" => "Verify",
    }
}

/// Requirement table of health gates: host back in 10 minutes.
const REBOOT: Duration = Duration::from_secs(10 * 60);

/// Which server is rebooted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RebootPlan {
    /// The server.
    pub server: ServerId,
    /// Its name.
    pub name: HostName,
    /// What must work after.
    pub probes: Vec<Probe>,
}

/// What a reboot run remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    boot_id: String,
    tries: u32,
}

/// The program. A reboot cannot be undone, so nothing is recorded; a host that does not
/// come back is a case for a person.
pub struct Reboot(pub Resources);

#[async_trait]
impl Program for Reboot {
    const KIND: &'static str = "reboot";
    const STATE_VERSION: u16 = 1;
    type Step = Step;
    type Plan = RebootPlan;
    type State = State;
    type Undo = ();

    async fn step(&self, step: Step, run: &mut Context<'_, Self>) -> Next<Step> {
        match step {
            Step::CheckHost => self.check_host(run).await,
            Step::Reboot => self.reboot(run).await,
            Step::AwaitHost => self.await_host(run).await,
            Step::Verify => self.verify(run).await,
        }
    }

    async fn undo(&self, (): &(), _: &mut Context<'_, Self>) -> UndoNext {
        UndoNext::done("nothing to undo")
    }

    async fn verify_undone(&self, _: &mut Context<'_, Self>) -> UndoNext {
        UndoNext::done("a reboot has nothing to undo")
    }
}

impl Reboot {
    async fn check_host(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        // Set anew at every look, it would never pass.
        if run.attempt() == 0 {
            run.must_reach(Step::Reboot, REBOOT);
        }
        let (server, agent) = match self.0.reach(run.plan.server).await {
            Ok(reached) => reached,
            Err(problem) => return Next::RollBack(problem),
        };
        match agent.hello().await {
            Ok(hello) => run.state.boot_id = hello.boot_id,
            Err(error) => return Next::back_off(run.attempt(), error.to_string()),
        }
        let who = actor(run.actor());
        let begun = self
            .0
            .audit
            .record_once(&who, "server.reboot", server.name.as_str(), Outcome::Begun, run.id(), "")
            .await;
        match begun {
            Ok(()) => Next::Go(Step::Reboot),
            Err(problem) => Next::RollBack(problem),
        }
    }

    async fn reboot(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::Verify, REBOOT);
        }
        let agent = match self.0.reach(run.plan.server).await {
            Ok((_, agent)) => agent,
            Err(problem) => return Next::RollBack(problem),
        };
        let (key, verb) = (remote::key(run, "reboot"), Verb::Reboot { boot_id: run.state.boot_id.clone() });
        match remote::drive(run, &*agent, &key, &verb, 0).await.0 {
            Job::Succeeded(_) => Next::Go(Step::AwaitHost),
            Job::Running { why } => Next::wait(0, why),
            // It may be down already, on its way to the new boot.
            Job::Silent { .. } | Job::Busy { .. } => Next::Go(Step::AwaitHost),
            Job::Refused(problem) => Next::RollBack(problem),
            Job::Failed(failure) => Next::RollBack(job_problem(
                "reboot.failed",
                format!("could not reboot `{}`", run.plan.name),
                &failure,
            )),
        }
    }

    async fn await_host(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        match self.0.reach(run.plan.server).await {
            Ok((_, agent)) => match agent.hello().await {
                Ok(hello) if hello.boot_id != run.state.boot_id => Next::Go(Step::Verify),
                // Asked again with the same key, the host finds its own job.
                Ok(_) => {
                    let (key, boot_id) = (remote::key(run, "reboot"), run.state.boot_id.clone());
                    remote::drive(run, &*agent, &key, &Verb::Reboot { boot_id }, 0).await;
                    Next::Wait { pause: SILENCE, why: "the host has not gone down yet".to_owned() }
                }
                Err(_) => Next::Wait { pause: SILENCE, why: "the host boots".to_owned() },
            },
            Err(problem) => Next::RollBack(problem),
        }
    }

    async fn verify(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::Verify, REBOOT);
        }
        let (server, agent) = match self.0.reach(run.plan.server).await {
            Ok(reached) => reached,
            Err(problem) => return Next::RollBack(problem),
        };
        let mut tries = run.state.tries;
        let awaited = await_probes(run, &*agent, &run.plan.probes, &mut tries, PROBE_LIMIT_SECONDS).await;
        run.state.tries = tries;
        match awaited {
            Awaited::Healthy => {}
            Awaited::NotYet(next) => return next,
            Awaited::Failed { why } => {
                return Next::AskOperator(
                    Problem::new(
                        "reboot.probe_failed",
                        format!("`{}` does not work after its reboot", server.name),
                    )
                    .found(why)
                    .state("The host is up with a new boot")
                    .next("repair its service, then resume the run")
                    .run(run.id()),
                );
            }
        }
        if let Err(problem) = self.0.inventories.collect(&server, &*agent).await {
            return Next::back_off(run.attempt(), problem.to_string());
        }
        let who = actor(run.actor());
        let done = self
            .0
            .audit
            .record_once(&who, "server.reboot", server.name.as_str(), Outcome::Done, run.id(), "")
            .await;
        match done {
            Ok(()) => Next::finish("the host is back with a new boot"),
            Err(problem) => Next::back_off(run.attempt(), problem.to_string()),
        }
    }
}
