//! A host that answers as an agent: it has packages, boots, durable jobs and a disk,
//! and goes wrong when told to.
//!
//! ```text
//! up ──reboot, power cut, disk restore──► away (refuses so many calls) ──► up, new boot id
//!                                           └─ disk does not boot ──► away until restored
//! ```
//!
//! It never sleeps and never fails on its own. What a test may rely on is said at each
//! method and held by the tests below.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use base::{Clock, HostName, Redacted, Release, Sha256};
use wire::{
    AgentApi, AgentError, FirewallRule, Hello, Inventory, JobKey, JobState, JobStatus, Posture, Progress,
    Verb, Virtualization, limits,
};

use crate::{
    DiskImage, Effects, Fault, HostBuilder, Pace, Times, Update,
    fault::Faults,
    job::Job,
    machine::{Machine, boot_id},
    observe::AGENT_VERSION,
};

/// A simulated host and its agent.
pub struct SimulatedHost {
    name: HostName,
    release: Release,
    pub(crate) virtualization: Virtualization,
    pub(crate) clock: Arc<dyn Clock>,
    state: Mutex<Machine>,
}

impl SimulatedHost {
    /// How many calls a host refuses while it boots, unless told otherwise.
    pub const CALLS_TO_BOOT: u32 = 3;

    pub(crate) fn first_boot(builder: HostBuilder, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let mut disk = builder.disk;
        disk.lists = builder.archive.clone();
        disk.lists_updated_at = Some(now);
        let state = Machine {
            disk,
            archive: builder.archive,
            boot_id: boot_id(&builder.name, 1),
            booted_at: now,
            running_kernel: builder.kernel,
            powered: true,
            away: 0,
            calls_to_boot: Self::CALLS_TO_BOOT,
            pace: Pace::AtOnce,
            faults: Faults::default(),
            effects: Effects { boots: 1, ..Effects::default() },
            used_tokens: Vec::new(),
        };
        Self {
            name: builder.name,
            release: builder.release,
            virtualization: builder.virtualization,
            clock,
            state: Mutex::new(state),
        }
    }

    /// Its name.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// Its release.
    pub fn release(&self) -> Release {
        self.release
    }

    /// Has a fault strike on the next occasion it fits, once.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.set(fault, Times::Count(1));
    }

    /// Has a fault strike so many times.
    pub fn inject_times(&self, fault: Fault, times: Times) {
        self.lock().faults.set(fault, times);
    }

    /// Takes back a fault that has not struck yet. What it did stays done.
    pub fn clear(&self, fault: Fault) {
        self.lock().faults.clear(fault);
    }

    /// Whether a fault still waits for its occasion: a test that ends with one did not
    /// test what it meant to.
    pub fn waits_for(&self, fault: Fault) -> bool {
        self.lock().faults.waits(fault)
    }

    /// Refuses this many calls, as a cut network does. The host itself goes on.
    pub fn unreachable_for(&self, calls: u32) {
        self.lock().away = calls;
    }

    /// Sets how many calls a boot takes from now on.
    pub fn set_calls_to_boot(&self, calls: u32) {
        self.lock().calls_to_boot = calls;
    }

    /// Sets when jobs that start from now on end.
    pub fn set_pace(&self, pace: Pace) {
        self.lock().pace = pace;
    }

    /// Puts a version into the archive. The host sees it after a refresh of its lists.
    pub fn publish(&self, update: Update) {
        let mut state = self.lock();
        state.archive.retain(|other| other.name != update.name);
        state.archive.push(update);
    }

    /// Changes an installed package behind the agent's back, as an administrator does.
    ///
    /// # Panics
    /// If the version is not one that dpkg would take.
    pub fn set_version(&self, name: &str, version: &str) {
        let version: wire::PackageVersion = version.parse().expect("a package version");
        let now = self.clock.now();
        let mut state = self.lock();
        state.disk.packages_at = Some(now);
        for package in state.disk.packages.iter_mut().filter(|p| p.name.as_str() == name) {
            package.version = version.clone();
            package.source_version = version.clone();
        }
    }

    /// What the host reports of its hardening from now on.
    pub fn set_posture(&self, posture: Posture) {
        self.lock().disk.posture = posture;
    }

    /// The openings of its firewall, seen past the agent, and whether they are on trial.
    pub fn firewall(&self) -> (Vec<FirewallRule>, bool) {
        let state = self.lock();
        (state.disk.firewall.clone(), state.disk.firewall_trial.is_some())
    }

    /// What really happened to it.
    pub fn effects(&self) -> Effects {
        self.lock().effects.clone()
    }

    /// The installed version of a package, seen past the agent.
    pub fn version_of(&self, name: &str) -> Option<String> {
        let state = self.lock();
        let mut packages = state.disk.packages.iter();
        packages.find(|package| package.name.as_str() == name).map(|package| package.version.to_string())
    }

    /// The present boot, seen past the agent.
    pub fn boot_id(&self) -> String {
        self.lock().boot_id.clone()
    }

    /// Power off and on without an orderly shutdown: running jobs are interrupted, an
    /// installation among them half-way.
    pub fn reset(&self) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.cut_jobs(now);
        state.boot(&self.name, now);
    }

    /// Power off. Running jobs are interrupted.
    pub fn power_off(&self) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.cut_jobs(now);
        state.powered = false;
    }

    /// Power on, when it is off.
    pub fn power_on(&self) {
        let mut state = self.lock();
        if !state.powered {
            state.boot(&self.name, self.clock.now());
        }
    }

    /// Whether it has power.
    pub fn is_powered(&self) -> bool {
        self.lock().powered
    }

    /// Copies the disk while the host runs, as a provider's snapshot does.
    pub fn capture(&self) -> DiskImage {
        DiskImage(self.lock().disk.clone())
    }

    /// Puts a copy of the disk back and boots it. Jobs that were running in the copy
    /// are found interrupted, as after a power cut. Faults and effects are not on the
    /// disk and stay.
    pub fn put_back(&self, image: &DiskImage) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.disk = image.0.clone();
        state.effects.disk_restores += 1;
        state.cut_jobs(now);
        state.boot(&self.name, now);
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        // A test that panicked with the lock held has said so itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, if the host answers this call.
    fn call(&self) -> Result<MutexGuard<'_, Machine>, AgentError> {
        let mut state = self.lock();
        if !state.powered || !state.disk.boots {
            return Err(unreachable("no route to host"));
        }
        if state.away > 0 {
            state.away -= 1;
            return Err(unreachable("connection refused"));
        }
        Ok(state)
    }

    fn trusted_call(&self) -> Result<MutexGuard<'_, Machine>, AgentError> {
        let state = self.call()?;
        if state.faults.waits(Fault::NotTrusted) {
            return Err(AgentError::NotTrusted {
                reason: "the certificate is not the pinned one".to_owned(),
            });
        }
        Ok(state)
    }
}

#[async_trait]
impl AgentApi for SimulatedHost {
    async fn hello(&self) -> Result<Hello, AgentError> {
        let state = self.trusted_call()?;
        Ok(Hello {
            agent_version: AGENT_VERSION.to_owned(),
            protocol: limits::PROTOCOL,
            boot_id: state.boot_id.clone(),
            packages_at: state.disk.packages_at,
        })
    }

    async fn inventory(&self) -> Result<Inventory, AgentError> {
        Ok(self.observe(&*self.trusted_call()?))
    }

    async fn posture(&self) -> Result<Posture, AgentError> {
        Ok(self.trusted_call()?.disk.posture.clone())
    }

    async fn start_job(&self, key: &JobKey, verb: &Verb) -> Result<JobStatus, AgentError> {
        let now = self.clock.now();
        let mut state = self.trusted_call()?;
        let status = match state.disk.jobs.get(key) {
            Some(job) if job.verb != *verb => {
                let reason = format!("`{key}` is a job `{}` already", job.verb.name());
                return Err(AgentError::Conflict { reason });
            }
            Some(job) => job.status(key, 0),
            None => {
                if let Some((other, _)) = state.disk.jobs.iter().find(|(_, job)| !job.state.has_ended()) {
                    return Err(AgentError::Conflict { reason: format!("job `{other}` holds the host") });
                }
                let polls = match state.pace {
                    Pace::AtOnce => 0,
                    Pace::AfterPolls(polls) => polls,
                };
                let job = Job::new(verb.clone(), polls, now);
                let status = job.status(key, 0);
                state.disk.jobs.insert(key.clone(), job);
                if polls == 0 { state.carry_out(&self.name, key, 0, now)? } else { status }
            }
        };
        if state.faults.strikes(Fault::AnswerLost) {
            return Err(unreachable("connection reset by peer"));
        }
        Ok(status)
    }

    async fn job(&self, key: &JobKey, from: u64) -> Result<JobStatus, AgentError> {
        let now = self.clock.now();
        let mut state = self.trusted_call()?;
        if state.disk.jobs.contains_key(key) && state.faults.strikes(Fault::ForgetJob) {
            state.disk.jobs.remove(key);
        }
        let job = state.find(key)?;
        if job.state.has_ended() {
            return Ok(job.status(key, from));
        }
        job.polls_left = job.polls_left.saturating_sub(1);
        if job.polls_left == 0 {
            return state.carry_out(&self.name, key, from, now);
        }
        let message = format!("at work, {} more questions until the end", job.polls_left);
        job.say(now, message.clone());
        job.state = JobState::Running { progress: Progress { percent: 50.0, message } };
        Ok(job.status(key, from))
    }

    async fn renew_identity(&self, token: &Redacted<String>) -> Result<(), AgentError> {
        let mut state = self.call()?;
        let digest = Sha256::of(token.expose().as_bytes());
        if state.used_tokens.contains(&digest) {
            return Err(AgentError::Internal {
                reason: "the token was refused: it was used before".to_owned(),
            });
        }
        state.used_tokens.push(digest);
        state.faults.clear(Fault::NotTrusted);
        state.effects.identities += 1;
        Ok(())
    }
}

fn unreachable(what: &str) -> AgentError {
    AgentError::Unreachable { source: what.into() }
}

#[cfg(test)]
mod tests;
