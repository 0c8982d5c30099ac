//! The reconciler that brings every host's firewall in line with what is described.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::{Clock, Problem, RunId, ServerId};
use futures::{StreamExt, stream};
use providers::ProviderError;
use wire::{AgentApi, AgentError, FailureKind, JobKey, JobState, Outcome as Done, Verb};

use super::{
    Firewalls, Proof, Standing, State,
    front::{FrontFirewall, union},
    service::Rules,
};
use crate::{
    audit::{Actor, Audit, Outcome},
    hosts::{Agents, Server},
    providers::{Providers, provider_problem},
};

/// Between two passes when nothing wakes it.
const PASS: Duration = Duration::from_secs(5);

/// Hosts changed at once. Each change is mostly waiting for one host's `ufw`.
const CONCURRENT: usize = 256;

/// How long new rules stand on trial. A host that cannot be reached has its former ones
/// back after this.
const TRIAL: Duration = Duration::from_secs(40);

/// For the proof that the way is still open. Well below the trial: a proof that comes late is none.
const PROOF: Duration = Duration::from_secs(25);

/// Between two tries to reach a host whose rules have changed.
const AGAIN: Duration = Duration::from_secs(1);

/// For a host's `ufw` to carry out an order: half a second for each rule.
const ORDER: Duration = Duration::from_secs(300);

/// Brings hosts in line.
#[derive(Clone)]
pub struct FirewallSync {
    /// What is wanted and how it stands.
    pub firewalls: Firewalls,
    /// The hosts.
    pub agents: Arc<dyn Agents>,
    /// Who has firewalls in front of them.
    pub providers: Providers,
    /// The trail.
    pub audit: Audit,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// How a try has ended.
type Ended = (State, Option<String>);

impl FirewallSync {
    /// Works until the task is dropped.
    pub async fn serve(self) {
        loop {
            if let Err(problem) = self.pass().await {
                tracing::error!(%problem, "firewalls could not be brought in line");
            }
            tokio::select! {
                () = self.firewalls.wake.notified() => {}
                () = tokio::time::sleep(PASS) => {}
            }
        }
    }

    /// Brings every server in line whose turn it is.
    pub async fn pass(&self) -> Result<(), Problem> {
        let managed = self.firewalls.managed().await?;
        let mut standings = self.firewalls.standings().await?;
        if standings.len() > managed.len() {
            let ids: Vec<ServerId> = managed.iter().map(|server| server.id).collect();
            self.firewalls.forget_others(&ids).await?;
        }
        let addresses = self.firewalls.addresses().await?;
        let due = self.due(&managed, &mut standings, &addresses.addresses);
        match &addresses.proof {
            // Until somebody sets others, or asks for one host, nobody else is to be shut out.
            Proof::ShutOut { .. } => Ok(()),
            Proof::Untried => self.try_one(due).await,
            Proof::Good => {
                let ended: Vec<Result<State, Problem>> = stream::iter(due)
                    .map(|task| self.bring(task))
                    .buffer_unordered(CONCURRENT)
                    .collect()
                    .await;
                ended.into_iter().find_map(Result::err).map_or(Ok(()), Err)
            }
        }
    }

    fn due(
        &self,
        managed: &[Server],
        standings: &mut BTreeMap<ServerId, Standing>,
        addresses: &[std::net::IpAddr],
    ) -> Vec<Task> {
        let now = self.clock.now();
        let task = |server: &Server| {
            let rules = Rules::of(server, addresses)?;
            let standing = standings.remove(&server.id).unwrap_or_else(|| Standing::untried(server.id));
            let due = standing.is_due(rules.digest, now);
            due.then(|| Task { server: server.clone(), rules, standing })
        };
        let mut due: Vec<Task> = managed.iter().filter_map(task).collect();
        // Whoever was asked for, and who answered last, tells soonest whether addresses are good.
        due.sort_by_key(|task| {
            (!task.standing.asked, task.server.last_fault.is_some(), task.server.name.to_string())
        });
        due
    }

    /// Tries new addresses on one host. Only when it lets us in the others follow, in the
    /// next pass.
    async fn try_one(&self, due: Vec<Task>) -> Result<(), Problem> {
        let nobody_left = due.is_empty();
        for task in due {
            let name = task.server.name.to_string();
            let proof = match self.bring(task).await? {
                State::InLine => Proof::Good,
                State::ShutOut => Proof::ShutOut { server: name },
                State::Waiting | State::Unreachable | State::Busy | State::Failed => continue,
            };
            let good = proof == Proof::Good;
            self.prove(proof).await?;
            if good {
                self.firewalls.wake.notify_one();
            }
            return Ok(());
        }
        // Every host is in line already, as after going back to former addresses.
        let all_in_line = nobody_left
            && self.firewalls.all().await?.iter().all(|view| view.standing.state == State::InLine);
        if all_in_line { self.prove(Proof::Good).await } else { Ok(()) }
    }

    async fn prove(&self, proof: Proof) -> Result<(), Problem> {
        let mut addresses = self.firewalls.addresses().await?;
        if let Proof::ShutOut { server } = &proof {
            let detail = format!(
                "`{server}` could not be reached under the new addresses and put its former rules back; \
                 no other host was touched"
            );
            self.audit
                .record(&Actor::System, "firewall.addresses", "all", Outcome::Failed, None, detail)
                .await?;
        }
        addresses.proof = proof;
        self.firewalls.keep_addresses(&addresses).await
    }

    async fn bring(&self, task: Task) -> Result<State, Problem> {
        let Task { server, rules, mut standing } = task;
        let name = server.name.as_str();
        let mark = format!("firewall {} {}", server.id, rules.digest);
        let (record, system) = (&self.audit, Actor::System);
        let detail = format!("{} rules", rules.rules.len());
        record
            .record_marked(&system, "firewall.sync", name, Outcome::Begun, format!("{mark} begun"), detail)
            .await?;
        let (state, detail) = match FrontFirewall::of(&self.providers, &server) {
            None => self.try_rules(&server, &rules).await,
            Some(front) => self.try_both(&front, &server, &rules).await,
        };
        let was = (standing.state, standing.applied);
        standing.note(rules.digest, state, detail.clone(), self.clock.now());
        self.firewalls.note(&standing).await?;
        let outcome = match state {
            _ if was == (state, standing.applied) => None,
            State::InLine => Some(Outcome::Done),
            State::ShutOut | State::Failed => Some(Outcome::Failed),
            State::Waiting | State::Unreachable | State::Busy => None,
        };
        if let Some(outcome) = outcome {
            let detail = detail.unwrap_or_default();
            record.record(&system, "firewall.sync", name, outcome, None, detail).await?;
        }
        Ok(state)
    }

    /// With a firewall in front: what is open before or after is open meanwhile, so that neither
    /// of the two shuts out who is already let in by the other.
    async fn try_both(&self, front: &FrontFirewall, server: &Server, rules: &Rules) -> Ended {
        let failed = |error: ProviderError| {
            let detail = provider_problem("set the firewall in front of it", &error).to_string();
            (if error.retryable() { State::Busy } else { State::Failed }, Some(detail))
        };
        let wanted = match front.wanted(&rules.rules) {
            Ok(wanted) => wanted,
            Err(detail) => return (State::Failed, Some(detail)),
        };
        let before = match front.present().await {
            Ok(before) => before,
            Err(error) => return failed(error),
        };
        if before.as_ref() != Some(&wanted)
            && let Some(before) = &before
            && let Err(error) = front.set(&union(before, &wanted)).await
        {
            return failed(error);
        }
        let (state, detail) = self.try_rules(server, rules).await;
        let end = match state {
            State::InLine => Some(&wanted),
            // Also what was open before, or a host that returns could not be reached.
            State::ShutOut | State::Failed | State::Waiting | State::Unreachable | State::Busy => {
                before.as_ref()
            }
        };
        match end {
            Some(end) if before.as_ref() == Some(end) && state == State::InLine => (state, detail),
            Some(end) => match front.set(end).await {
                // Accepted is not in force: what is there is looked at.
                Ok(()) => match front.present().await {
                    Ok(present) if present.as_ref() == Some(end) => (state, detail),
                    Ok(_) => {
                        let words = "the firewall in front of it took the rules and has others";
                        (State::Failed, Some(words.to_owned()))
                    }
                    Err(error) => failed(error),
                },
                Err(error) => failed(error),
            },
            None => (state, detail),
        }
    }

    async fn try_rules(&self, server: &Server, rules: &Rules) -> Ended {
        let agent = match self.agents.of(server).await {
            Ok(agent) => agent,
            Err(problem) => return (State::Failed, Some(problem.to_string())),
        };
        let undo_after = u16::try_from(TRIAL.as_secs()).unwrap_or(u16::MAX);
        let verb = Verb::SetFirewall { rules: rules.rules.clone(), undo_after };
        let Ok(set) = new_key() else { return (State::Failed, Some("no key for the job".to_owned())) };
        match tokio::time::timeout(ORDER, drive(&*agent, &set, &verb)).await {
            Ok(Ok(Done::AlreadyDone)) => (State::InLine, None),
            Ok(Ok(_)) => self.confirm(server, &set).await,
            Ok(Err(ended)) => ended,
            Err(_) => (State::Failed, Some("the host did not carry the order out in time".to_owned())),
        }
    }

    /// Proves over new connections that the way is still open. An open connection lives on
    /// under rules that would refuse it.
    async fn confirm(&self, server: &Server, set: &JobKey) -> Ended {
        let shut_out = |why: String| {
            let words = format!(
                "the host could not be reached under the new rules and puts the former ones back ({why})"
            );
            (State::ShutOut, Some(words))
        };
        let Ok(keep) = new_key() else { return (State::Failed, Some("no key for the job".to_owned())) };
        let verb = Verb::KeepFirewall { set: set.clone() };
        let proof = async {
            let mut why = String::new();
            loop {
                let ended = match self.agents.of(server).await {
                    Ok(agent) => drive(&*agent, &keep, &verb).await,
                    Err(problem) => Err((State::Failed, Some(problem.to_string()))),
                };
                match ended {
                    Ok(_) => return (State::InLine, None),
                    Err((State::Unreachable | State::Busy, detail)) => why = detail.unwrap_or(why),
                    // The trial is over, or the answer to our confirmation was lost.
                    Err((_, detail)) => return shut_out(detail.unwrap_or(why)),
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::time::timeout(PROOF, proof).await.unwrap_or_else(|_| shut_out("it did not answer".to_owned()))
    }
}

/// One server's turn.
struct Task {
    server: Server,
    rules: Rules,
    standing: Standing,
}

fn new_key() -> Result<JobKey, wire::InvalidJobKey> {
    // An id of a run has the form of a key and never comes twice.
    format!("{}-firewall", RunId::new()).parse()
}

/// Starts a job and waits for its end.
async fn drive(agent: &dyn AgentApi, key: &JobKey, verb: &Verb) -> Result<Done, Ended> {
    let mut status = agent.start_job(key, verb).await.map_err(|error| ended(&error))?;
    loop {
        match status.state {
            JobState::Succeeded { outcome } => return Ok(outcome),
            JobState::Failed { failure } => {
                let state = match failure.kind {
                    FailureKind::Stale => State::ShutOut,
                    _ => State::Failed,
                };
                return Err((state, Some(failure.message)));
            }
            JobState::Queued | JobState::Running { .. } => {}
        }
        status = agent.job(key, u64::MAX).await.map_err(|error| ended(&error))?;
    }
}

fn ended(error: &AgentError) -> Ended {
    let state = match error {
        AgentError::Unreachable { .. } => State::Unreachable,
        AgentError::Conflict { .. } | AgentError::UnknownJob { .. } => State::Busy,
        AgentError::NotTrusted { .. } | AgentError::Protocol { .. } | AgentError::Internal { .. } => {
            State::Failed
        }
    };
    (state, Some(error.to_string()))
}
