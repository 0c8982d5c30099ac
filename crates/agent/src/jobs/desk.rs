//! The helper's side of jobs: accepts them, starts them one at a time, notices those
//! whose process died, and answers questions.

use std::{io, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};
use wire::{AgentError, Failure, FailureKind, JobKey, JobState, JobStatus, Verb};

use super::{Launcher, Record, Store, SystemdUnits};
use crate::{
    Places,
    verbs::{self, policy_rcd},
};

/// How often a waiting question looks at the files. Only while somebody waits.
const LOOK: Duration = Duration::from_millis(200);
/// How often it also asks systemd, which costs a process.
const ASK_SYSTEMD: Duration = Duration::from_secs(2);
/// Processes that may die before their first act until a job is given up.
const LAUNCHES: u32 = 3;

/// All jobs of this host.
#[derive(Clone)]
pub struct Jobs {
    places: Places,
    store: Store,
    launcher: Arc<dyn Launcher>,
    // Held while a job is accepted, started or given up: each is read-then-write.
    turn: Arc<Mutex<()>>,
}

impl Jobs {
    /// Jobs as units of systemd.
    pub fn on_this_host(places: &Places) -> io::Result<Self> {
        Self::with_launcher(places, Arc::new(SystemdUnits))
    }

    /// Jobs started in another way.
    pub fn with_launcher(places: &Places, launcher: Arc<dyn Launcher>) -> io::Result<Self> {
        Ok(Self {
            places: places.clone(),
            store: Store::open(places)?,
            launcher,
            turn: Arc::new(Mutex::new(())),
        })
    }

    /// Brings every job's record in line with what runs. For the start of the helper.
    pub async fn settle_all(&self) {
        let _turn = self.turn.lock().await;
        match self.store.all() {
            Ok(jobs) => {
                let mut running = false;
                for (key, record) in jobs {
                    match self.settle(&key, record).await {
                        Ok(record) => running |= !record.state.has_ended(),
                        Err(error) => tracing::error!(%key, %error, "cannot settle a job"),
                    }
                }
                if !running {
                    lift_policy();
                }
            }
            Err(error) => tracing::error!(%error, "cannot list the jobs"),
        }
        if let Err(error) = self.store.prune() {
            tracing::warn!(%error, "cannot delete old jobs");
        }
    }

    /// See [`wire::AgentApi::start_job`].
    pub async fn start(&self, key: &JobKey, verb: &Verb) -> Result<JobStatus, AgentError> {
        let _turn = self.turn.lock().await;
        if let Some(record) = self.store.record(key).map_err(internal)? {
            if self.store.verb(key).map_err(internal)?.as_ref() != Some(verb) {
                return Err(AgentError::Conflict { reason: format!("job `{key}` is another one already") });
            }
            let record = self.settle(key, record).await.map_err(internal)?;
            return self.store.status(key, record, 0).map_err(internal);
        }
        if changes_the_host(verb) {
            for (other, record) in self.store.all().map_err(internal)? {
                let changing =
                    self.store.verb(&other).map_err(internal)?.is_none_or(|verb| changes_the_host(&verb));
                if !record.state.has_ended()
                    && changing
                    && !self.settle(&other, record).await.map_err(internal)?.state.has_ended()
                {
                    return Err(AgentError::Conflict {
                        reason: format!("job `{other}` is at work on this host"),
                    });
                }
            }
        }
        self.store.prune().map_err(internal)?;
        let accepted = match self.store.accept(key, verb) {
            // On a full disk the way back begins with the space that was set aside for it.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => match verb {
                Verb::RestorePackages { staged } => {
                    verbs::release_reserve(&self.places, staged).and_then(|()| self.store.accept(key, verb))
                }
                _ => Err(error),
            },
            accepted => accepted,
        };
        let record = accepted.map_err(internal)?;
        let record = self.launch(key, record).await.map_err(internal)?;
        self.store.status(key, record, 0).map_err(internal)
    }

    /// See [`wire::AgentApi::job`]. Waits at most `limit`.
    pub async fn wait(&self, key: &JobKey, from: u64, limit: Duration) -> Result<JobStatus, AgentError> {
        let unknown = || AgentError::UnknownJob { key: key.clone() };
        let until = Instant::now() + limit;
        let mut asked: Option<Instant> = None;
        let mut first: Option<JobState> = None;
        loop {
            let mut record = self.store.record(key).map_err(internal)?.ok_or_else(unknown)?;
            if !record.state.has_ended() && asked.is_none_or(|asked| asked.elapsed() >= ASK_SYSTEMD) {
                let _turn = self.turn.lock().await;
                record = self.settle(key, record).await.map_err(internal)?;
                asked = Some(Instant::now());
            }
            let status = self.store.status(key, record, from).map_err(internal)?;
            let moved = first.as_ref().is_some_and(|first| *first != status.state);
            if status.state.has_ended() || !status.log.is_empty() || moved || Instant::now() >= until {
                return Ok(status);
            }
            first.get_or_insert(status.state);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What a job really is, given its record: a job without a process was either never
    /// begun, and is started, or cut short, and has failed.
    async fn settle(&self, key: &JobKey, record: Record) -> io::Result<Record> {
        if record.state.has_ended() || self.launcher.is_alive(key).await {
            return Ok(record);
        }
        // The process may have ended, and said how, since the record was read.
        let Some(record) = self.store.record(key)? else { return Ok(record) };
        match &record.state {
            JobState::Succeeded { .. } | JobState::Failed { .. } => Ok(record),
            JobState::Queued if record.launches < LAUNCHES => self.launch(key, record).await,
            JobState::Queued | JobState::Running { .. } => {
                let message =
                    "the job's process ended without an answer; look at the host before the next step";
                lift_policy();
                self.store.end(key, &record, failed(FailureKind::Interrupted, message))
            }
        }
    }

    async fn launch(&self, key: &JobKey, mut record: Record) -> io::Result<Record> {
        record.launches += 1;
        self.store.write(key, &record)?;
        match self.launcher.launch(key).await {
            // The process writes the record from now on.
            Ok(()) => Ok(self.store.record(key)?.unwrap_or(record)),
            Err(reason) => {
                let message = format!("the job's process could not be started: {reason}");
                self.store.end(key, &record, failed(FailureKind::Internal, &message))
            }
        }
    }
}

/// Whether two such jobs at once would get in each other's way.
fn changes_the_host(verb: &Verb) -> bool {
    match verb {
        // A trial of the firewall has to end in time, whatever else is at work; a certificate is
        // the work of a unit of its own.
        Verb::RunProbes { .. } | Verb::KeepFirewall { .. } | Verb::CheckCertificate => false,
        // A plan reads the lists that a refresh replaces.
        Verb::RefreshLists
        | Verb::PlanUpgrade { .. }
        | Verb::StagePackages { .. }
        | Verb::InstallPackages { .. }
        | Verb::RestorePackages { .. }
        | Verb::DropStaged { .. }
        | Verb::SetFirewall { .. }
        | Verb::Repair { .. }
        | Verb::Reboot { .. } => true,
    }
}

fn lift_policy() {
    if let Err(error) = policy_rcd::lift() {
        tracing::error!(%error, "the ban on service starts could not be lifted");
    }
}

fn failed(kind: FailureKind, message: &str) -> JobState {
    JobState::Failed { failure: Failure { kind, message: message.to_owned() } }
}

fn internal(error: io::Error) -> AgentError {
    AgentError::Internal { reason: format!("the job's files: {error}") }
}
