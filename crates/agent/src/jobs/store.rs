//! The files of all jobs.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::{JobKey, JobState, JobStatus, Verb};

use super::log;
use crate::{Places, durable};

/// Ended jobs that are kept: a year of weekly patch runs, with four jobs each.
const ENDED_JOBS: usize = 200;
const FILE_BYTES: u64 = wire::limits::RESPONSE_BYTES as u64;
/// Room that a job holds from its beginning, so that its end can be written down on a
/// disk that it has filled.
const SLACK_BYTES: usize = 256 << 10;

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Where it is.
    #[serde(flatten)]
    pub state: JobState,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How often a process was started for it that never began to work.
    #[serde(default)]
    pub launches: u32,
}

/// The folder of jobs.
#[derive(Debug, Clone)]
pub struct Store {
    places: Places,
}

impl Store {
    /// Opens it, and makes it where it is missing.
    pub fn open(places: &Places) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(places.jobs())?;
        Ok(Self { places: places.clone() })
    }

    /// The folder of one job.
    pub fn folder(&self, key: &JobKey) -> PathBuf {
        self.places.job(key)
    }

    /// Puts a new job on disk. The state is written last: a job without one was never
    /// accepted, and may be accepted anew.
    pub fn accept(&self, key: &JobKey, verb: &Verb) -> io::Result<Record> {
        let folder = self.folder(key);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        durable::replace(&folder.join("verb.json"), &serde_json::to_vec(verb)?, 0o600)?;
        durable::replace(&folder.join("slack"), &vec![b'.'; SLACK_BYTES], 0o600)?;
        let record =
            Record { state: JobState::Queued, accepted_at: Timestamp::now(), ended_at: None, launches: 0 };
        self.write(key, &record)?;
        Ok(record)
    }

    /// What a job was asked to do; none when there is no such job.
    pub fn verb(&self, key: &JobKey) -> io::Result<Option<Verb>> {
        self.read(key, "verb.json")
    }

    /// Where a job is; none when there is no such job.
    pub fn record(&self, key: &JobKey) -> io::Result<Option<Record>> {
        self.read(key, "state.json")
    }

    /// Notes where a job is.
    pub fn write(&self, key: &JobKey, record: &Record) -> io::Result<()> {
        durable::replace(&self.folder(key).join("state.json"), &serde_json::to_vec(record)?, 0o600)
    }

    /// Ends a job.
    pub fn end(&self, key: &JobKey, record: &Record, state: JobState) -> io::Result<Record> {
        let record = Record { state, ended_at: Some(Timestamp::now()), ..record.clone() };
        match fs::remove_file(self.folder(key).join("slack")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.write(key, &record)?;
        Ok(record)
    }

    /// A job as it is reported.
    pub fn status(&self, key: &JobKey, record: Record, from: u64) -> io::Result<JobStatus> {
        let log = log::read_from(&self.folder(key).join("log.jsonl"), from)?;
        let next_line = log.last().map_or(from, |line| line.number + 1);
        Ok(JobStatus {
            key: key.clone(),
            state: record.state,
            accepted_at: record.accepted_at,
            ended_at: record.ended_at,
            log,
            next_line,
        })
    }

    /// All jobs with a state, in no order.
    pub fn all(&self) -> io::Result<Vec<(JobKey, Record)>> {
        let mut jobs = Vec::new();
        for entry in fs::read_dir(self.places.jobs())? {
            let Some(key) = entry?.file_name().to_str().and_then(|name| name.parse::<JobKey>().ok()) else {
                continue;
            };
            match self.record(&key) {
                Ok(Some(record)) => jobs.push((key, record)),
                Ok(None) => {}
                Err(error) => tracing::error!(%key, %error, "a job's state cannot be read"),
            }
        }
        Ok(jobs)
    }

    /// Deletes the oldest ended jobs beyond [`ENDED_JOBS`].
    pub fn prune(&self) -> io::Result<()> {
        let mut ended: Vec<_> =
            self.all()?.into_iter().filter_map(|(key, record)| Some((record.ended_at?, key))).collect();
        ended.sort();
        let surplus = ended.len().saturating_sub(ENDED_JOBS);
        for (_, key) in ended.into_iter().take(surplus) {
            fs::remove_dir_all(self.folder(&key))?;
        }
        Ok(())
    }

    fn read<T: serde::de::DeserializeOwned>(&self, key: &JobKey, name: &str) -> io::Result<Option<T>> {
        match durable::read_bounded(&self.folder(key).join(name), FILE_BYTES) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prunes_the_oldest_ended_jobs_only() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Places::below(dir.path())).unwrap();
        for number in 0..ENDED_JOBS + 3 {
            let key: JobKey = format!("j{number}").parse().unwrap();
            let mut record = store.accept(&key, &Verb::RefreshLists).unwrap();
            if number != 0 {
                record.ended_at = Some(Timestamp::from_second(number as i64).unwrap());
                store.write(&key, &record).unwrap();
            }
        }
        store.prune().unwrap();
        let gone = |number: usize| store.record(&format!("j{number}").parse().unwrap()).unwrap().is_none();
        assert!(!gone(0) && gone(1) && gone(2) && !gone(3));
    }
}
