//! The job's own process: takes the job's lock, carries out its verb, and writes down
//! how it ended.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use nix::fcntl::{Flock, FlockArg};
use tokio::time::Instant;
use wire::{JobKey, JobState, Progress};

use super::{JobLog, Record, Store};
use crate::{Places, verbs};

/// How often progress is written down. People look once a second.
const PROGRESS: Duration = Duration::from_millis(500);

/// Why a job could not be worked on. How a verb ended is in the job's state instead.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// Its files cannot be used.
    #[error("the files of job `{key}` cannot be used")]
    Files {
        /// Which job.
        key: JobKey,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no such job.
    #[error("there is no job `{key}`")]
    Unknown {
        /// Which job.
        key: JobKey,
    },
    /// Another process is at it.
    #[error("another process works on job `{key}` already")]
    Taken {
        /// Which job.
        key: JobKey,
    },
}

/// What a verb has at hand: its places, its log, its progress.
pub struct Job {
    /// Its key.
    pub key: JobKey,
    /// Where everything is.
    pub places: Places,
    log: JobLog,
    store: Store,
    progress: Mutex<(Record, Option<Instant>)>,
}

impl Job {
    /// Writes a line to the job's log.
    pub fn log(&self, text: &str) {
        self.log.line(text);
    }

    /// Tells how far the verb is. Written at most twice a second.
    pub fn progress(&self, percent: f32, message: &str) {
        let mut guard = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (record, written) = &mut *guard;
        record.state = JobState::Running {
            progress: Progress {
                percent: percent.clamp(0.0, 100.0),
                message: message.chars().take(200).collect(),
            },
        };
        if written.is_none_or(|at| at.elapsed() >= PROGRESS) {
            *written = Some(Instant::now());
            // A full disk must not stop the work; the next write may succeed.
            let _ = self.store.write(&self.key, record);
        }
    }

    fn record(&self) -> Record {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// Works on a job until it has ended. A job that has ended already is left alone.
pub async fn work(places: &Places, key: &JobKey) -> Result<(), WorkError> {
    let files = |source: io::Error| WorkError::Files { key: key.clone(), source };
    let store = Store::open(places).map_err(files)?;
    let unknown = || WorkError::Unknown { key: key.clone() };
    let mut record = store.record(key).map_err(files)?.ok_or_else(unknown)?;
    let verb = store.verb(key).map_err(files)?.ok_or_else(unknown)?;
    let folder: PathBuf = store.folder(key);
    let lock = File::create(folder.join("lock")).map_err(files)?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
        .map_err(|_| WorkError::Taken { key: key.clone() })?;
    if record.state.has_ended() {
        return Ok(());
    }
    record.state = JobState::Running { progress: Progress::default() };
    store.write(key, &record).map_err(files)?;
    let job = Job {
        key: key.clone(),
        places: places.clone(),
        log: JobLog::open(&folder.join("log.jsonl")).map_err(files)?,
        store: store.clone(),
        progress: Mutex::new((record, None)),
    };
    job.log(&format!("{} by agent {}", verb.name(), crate::VERSION));
    let (state, then) = match verbs::perform(&job, &verb).await {
        Ok(done) => (JobState::Succeeded { outcome: done.outcome }, done.then),
        Err(failure) => {
            job.log(&failure.message);
            (JobState::Failed { failure }, verbs::Then::Rest)
        }
    };
    let record = store.end(key, &job.record(), state).map_err(files)?;
    if let Err(failure) = verbs::afterwards(&job, then).await {
        store.end(key, &record, JobState::Failed { failure }).map_err(files)?;
    }
    Ok(())
}
