//! The machine under a simulated host: power, boots, and the jobs that run on it.

use base::{HostName, Sha256};
use jiff::Timestamp;
use wire::{AgentError, Failure, FailureKind, JobKey, JobState, JobStatus, Outcome, Progress, Verb};

use crate::{Effects, Fault, Pace, Update, disk::Disk, fault::Faults, job::Job, work::Work};

pub(crate) struct Machine {
    pub disk: Disk,
    /// What mirrors carry. Not on the disk, so no restore turns it back.
    pub archive: Vec<Update>,
    pub boot_id: String,
    pub booted_at: Timestamp,
    pub running_kernel: String,
    pub powered: bool,
    /// Calls that are refused before the host answers again.
    pub away: u32,
    /// How many calls a boot takes.
    pub calls_to_boot: u32,
    pub pace: Pace,
    pub faults: Faults,
    pub effects: Effects,
    pub used_tokens: Vec<Sha256>,
}

impl Machine {
    pub(crate) fn boot(&mut self, name: &HostName, now: Timestamp) {
        self.powered = true;
        if !self.disk.boots {
            return;
        }
        self.effects.boots += 1;
        self.boot_id = boot_id(name, self.effects.boots);
        self.booted_at = now;
        self.running_kernel = self.disk.newest_kernel.clone();
        self.disk.reboot_reasons.clear();
        self.disk.stale_units.clear();
        self.away = self.calls_to_boot;
    }

    /// What a power cut does to the jobs that run.
    pub(crate) fn cut_jobs(&mut self, now: Timestamp) {
        let cut: Vec<_> = self
            .disk
            .jobs
            .iter()
            .filter(|(_, job)| !job.state.has_ended())
            .map(|(key, _)| key.clone())
            .collect();
        for key in cut {
            let Some(mut job) = self.disk.jobs.remove(&key) else { continue };
            let mut failure = Failure {
                kind: FailureKind::Interrupted,
                message: "the host went down while the job ran".to_owned(),
            };
            if let (Verb::InstallPackages { staged }, JobState::Running { .. }) = (&job.verb, &job.state)
                && let Some(staging) = self.disk.stagings.get(staged).cloned()
            {
                self.effects.installs += 1;
                if let Err(half) = self.work(now).interrupt(&staging.plan) {
                    failure = half;
                }
            }
            job.end(now, JobState::Failed { failure });
            self.disk.jobs.insert(key, job);
        }
    }

    fn work(&mut self, now: Timestamp) -> Work<'_> {
        Work {
            disk: &mut self.disk,
            archive: &self.archive,
            faults: &mut self.faults,
            effects: &mut self.effects,
            now,
        }
    }

    /// Carries a job out, and answers for it. A host that goes down says so; that the
    /// job succeeded it can say only afterwards.
    pub(crate) fn carry_out(
        &mut self,
        name: &HostName,
        key: &JobKey,
        from: u64,
        now: Timestamp,
    ) -> Result<JobStatus, AgentError> {
        let verb = self.find(key)?.verb.clone();
        let done = match &verb {
            Verb::RefreshLists => self.work(now).refresh_lists(),
            Verb::PlanUpgrade { scope } => self.work(now).plan_upgrade(*scope),
            Verb::StagePackages { plan } => self.work(now).stage(key, plan),
            Verb::InstallPackages { staged } => self.work(now).install(staged),
            Verb::RestorePackages { staged } => self.work(now).restore(staged),
            Verb::DropStaged { staged } => self.work(now).drop_staged(staged),
            Verb::SetFirewall { rules, .. } => {
                let shut_out = self.faults.strikes(Fault::FirewallShutsOut);
                let done = self.work(now).set_firewall(key, rules);
                if shut_out {
                    // The trial runs out while nobody gets through.
                    self.away = self.calls_to_boot;
                    if let Some((_, former)) = self.disk.firewall_trial.take() {
                        self.disk.firewall = former;
                    }
                }
                done
            }
            Verb::Repair { files, masked_units } => Ok(self.work(now).repair(files, masked_units)),
            Verb::KeepFirewall { set } => self.work(now).keep_firewall(set),
            Verb::RunProbes { probes } => self.work(now).run_probes(probes),
            // A simulated host shows nothing over TLS.
            Verb::CheckCertificate => Ok(Outcome::Done),
            Verb::Reboot { boot_id } => Ok(self.reboot(name, boot_id, now)),
        };
        let job = self.find(key)?;
        if let (Verb::Reboot { .. }, Ok(Outcome::Done)) = (&verb, &done) {
            let progress = Progress { percent: 0.0, message: "going down".to_owned() };
            job.state = JobState::Running { progress };
            let last_words = job.status(key, from);
            job.end(now, JobState::Succeeded { outcome: Outcome::Done });
            return Ok(last_words);
        }
        let state = match done {
            Ok(outcome) => JobState::Succeeded { outcome },
            Err(failure) => JobState::Failed { failure },
        };
        job.end(now, state);
        Ok(job.status(key, from))
    }

    fn reboot(&mut self, name: &HostName, boot_id: &str, now: Timestamp) -> Outcome {
        if self.boot_id != boot_id {
            return Outcome::AlreadyDone;
        }
        if self.faults.strikes(Fault::SameBootIdAfterReboot) {
            self.away = self.calls_to_boot;
            return Outcome::Done;
        }
        self.effects.reboots += 1;
        if self.faults.strikes(Fault::RebootNeverReturns) {
            self.disk.boots = false;
        }
        self.boot(name, now);
        Outcome::Done
    }

    pub(crate) fn find(&mut self, key: &JobKey) -> Result<&mut Job, AgentError> {
        self.disk.jobs.get_mut(key).ok_or_else(|| AgentError::UnknownJob { key: key.clone() })
    }
}

/// The id of a host's nth boot: never the same twice, and the same in every run.
pub(crate) fn boot_id(name: &HostName, boots: u32) -> String {
    let hex = Sha256::of(format!("{name} boot {boots}").as_bytes()).to_string();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}
