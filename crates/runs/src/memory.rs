//! A run store in memory: the reference for the real ones, and what trials use.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use base::RunId;
use jiff::Timestamp;

use crate::{Closing, JournalLine, Lease, Next, RunRecord, RunStore, Signal, Status, StoreError};

#[derive(Default)]
struct Held {
    record: Option<RunRecord>,
    lease: Option<Lease>,
    journal: Vec<JournalLine>,
    signals: Vec<(i64, Signal)>,
    signalled: i64,
}

/// Keeps runs in memory; they are gone with it.
#[derive(Default)]
pub struct MemoryStore(Mutex<BTreeMap<RunId, Held>>);

impl MemoryStore {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<RunId, Held>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The journal of a run, oldest line first.
    pub fn journal(&self, run: RunId) -> Vec<JournalLine> {
        self.with(|runs| runs.get(&run).map(|held| held.journal.clone()).unwrap_or_default())
    }

    /// Lets go of every lease, as when the process that held them has died.
    pub fn release_all(&self) {
        self.with(|runs| runs.values_mut().for_each(|held| held.lease = None));
    }
}

/// Whether an active run is to be worked on now. A wake-up time further away than any
/// wait can be means that the clock was set back.
pub(crate) fn is_due(wake_at: Timestamp, now: Timestamp) -> bool {
    wake_at <= now || wake_at > now + Next::<()>::LONGEST_WAIT
}

#[async_trait]
impl RunStore for MemoryStore {
    async fn create(&self, record: &RunRecord, line: JournalLine) -> Result<(), StoreError> {
        self.with(|runs| {
            let open = runs.values().filter_map(|held| held.record.as_ref()).find(|other| {
                other.subject == record.subject && other.status != Status::Finished && other.id != record.id
            });
            if let Some(open) = open {
                return Err(StoreError::Busy { open: open.id });
            }
            runs.entry(record.id).or_insert_with(|| Held {
                record: Some(record.clone()),
                journal: vec![line],
                ..Held::default()
            });
            Ok(())
        })
    }

    async fn claim(&self, lease: &Lease, now: Timestamp) -> Result<Option<RunRecord>, StoreError> {
        Ok(self.with(|runs| {
            let held = runs.values_mut().find(|held| {
                let wanted = |run: &RunRecord| {
                    run.status != Status::Finished && !held.signals.is_empty()
                        || run.status == Status::Active && is_due(run.wake_at, now)
                };
                held.record.as_ref().is_some_and(wanted)
                    && held.lease.as_ref().is_none_or(|lease| lease.until <= now)
            })?;
            held.lease = Some(lease.clone());
            held.record.clone()
        }))
    }

    async fn renew(&self, run: RunId, lease: &Lease) -> Result<(), StoreError> {
        self.with(|runs| match runs.get_mut(&run).and_then(|held| held.lease.as_mut()) {
            Some(held) if held.owner == lease.owner => {
                held.until = lease.until;
                Ok(())
            }
            _ => Err(StoreError::LeaseLost { run }),
        })
    }

    async fn commit(
        &self,
        record: &RunRecord,
        lease: &Lease,
        lines: &[JournalLine],
        closing: &Closing,
    ) -> Result<(), StoreError> {
        self.with(|runs| {
            let held = runs.get_mut(&record.id).ok_or(StoreError::NotFound { run: record.id })?;
            if held.lease.as_ref().is_none_or(|held| held.owner != lease.owner) {
                return Err(StoreError::LeaseLost { run: record.id });
            }
            held.record = Some(record.clone());
            held.journal.extend_from_slice(lines);
            if let Some(obeyed) = closing.obeyed {
                held.signals.retain(|(number, _)| *number > obeyed);
            }
            if closing.release {
                held.lease = None;
            }
            Ok(())
        })
    }

    async fn signals(&self, run: RunId) -> Result<Vec<(i64, Signal)>, StoreError> {
        Ok(self.with(|runs| runs.get(&run).map(|held| held.signals.clone()).unwrap_or_default()))
    }

    async fn signal(&self, run: RunId, signal: &Signal) -> Result<(), StoreError> {
        self.with(|runs| {
            let held = runs.get_mut(&run).ok_or(StoreError::NotFound { run })?;
            held.signalled += 1;
            held.signals.push((held.signalled, signal.clone()));
            Ok(())
        })
    }

    async fn find(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        Ok(self.with(|runs| runs.get(&run).and_then(|held| held.record.clone())))
    }

    async fn next_wake(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.with(|runs| {
            runs.values()
                .filter_map(|held| held.record.as_ref())
                .filter(|run| run.status == Status::Active)
                .map(|run| run.wake_at)
                .min()
        }))
    }
}
