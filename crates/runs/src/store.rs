//! What the engine needs of a database.

use async_trait::async_trait;
use base::RunId;
use jiff::Timestamp;
use serde_json::Value;

use crate::{JournalLine, RunRecord, Signal};

/// The right to work on a run until a moment, unless renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Names one engine in one process.
    pub owner: String,
    /// When another engine may take over.
    pub until: Timestamp,
}

/// What else a commit does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closing {
    /// Give the lease back.
    pub release: bool,
    /// Remove the signals up to this number: they were obeyed.
    pub obeyed: Option<i64>,
}

/// A run to be made.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Chosen by the caller, so that asking twice with one id makes one run.
    pub id: RunId,
    /// Which program.
    pub kind: &'static str,
    /// What it is about.
    pub subject: String,
    /// The immutable, approved plan.
    pub plan: Value,
    /// Who asks for it.
    pub actor: String,
}

/// Keeps runs. Every method is one short transaction.
#[async_trait]
pub trait RunStore: Send + Sync + 'static {
    /// Stores a new run with its first journal line. Refused with
    /// [`StoreError::Busy`] while another run with the same subject is open.
    async fn create(&self, record: &RunRecord, line: JournalLine) -> Result<(), StoreError>;

    /// Leases one run that is active and due, or has a signal waiting, and is not
    /// leased, if there is one.
    async fn claim(&self, lease: &Lease, now: Timestamp) -> Result<Option<RunRecord>, StoreError>;

    /// Extends a lease. [`StoreError::LeaseLost`] when it is no longer the owner's.
    async fn renew(&self, run: RunId, lease: &Lease) -> Result<(), StoreError>;

    /// Stores where a run is and appends to its journal, if the lease is still the
    /// owner's. With the same transaction goes what `closing` says.
    async fn commit(
        &self,
        record: &RunRecord,
        lease: &Lease,
        lines: &[JournalLine],
        closing: &Closing,
    ) -> Result<(), StoreError>;

    /// The signals that wait for this run, oldest first, each with a number that grows.
    /// They wait until a commit says that they were obeyed.
    async fn signals(&self, run: RunId) -> Result<Vec<(i64, Signal)>, StoreError>;

    /// Leaves a signal. A run that has one is due, also when it rests.
    async fn signal(&self, run: RunId, signal: &Signal) -> Result<(), StoreError>;

    /// The run with this id.
    async fn find(&self, run: RunId) -> Result<Option<RunRecord>, StoreError>;

    /// When the next active run is due, if any.
    async fn next_wake(&self) -> Result<Option<Timestamp>, StoreError>;
}

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another run with the same subject is open.
    #[error("run `{open}` is still open for the same server")]
    Busy {
        /// That run.
        open: RunId,
    },
    /// Another engine works on the run.
    #[error("the lease on run `{run}` is no longer ours")]
    LeaseLost {
        /// The run.
        run: RunId,
    },
    /// No run has this id.
    #[error("there is no run `{run}`")]
    NotFound {
        /// The id.
        run: RunId,
    },
    /// The database failed.
    #[error("the run store failed")]
    Backend {
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Wraps a fault of the database.
    pub fn backend(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Backend { source: source.into() }
    }
}
