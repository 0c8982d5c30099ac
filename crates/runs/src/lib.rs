//! The durable run engine: typed steps, an append-only journal, undo recorded
//! before its effect, leases, deadlines and signals. It knows no domain.
//!
//! ```text
//! ready ──step──► ready … ──► finished (done)
//!   │  └─► waiting ─┘
//!   ├─ roll_back ─► undo, newest first ─► verify ─► finished (rolled back)
//!   └─ ask_operator ─► needs_operator ──resume──► ready
//! ```
//!
//! A step runs at least once and perhaps twice, so it first looks and then acts.
//! No transaction is held while a step works: the engine claims a run by lease,
//! works, and commits only while the lease is still its own.
//!
//! Start with [`Program`], then [`Next`], then [`Engine`].

mod context;
mod engine;
mod erased;
mod hooks;
mod memory;
mod next;
mod program;
mod record;
mod step;
mod store;
pub mod trial;

pub use context::{Abandoned, Context};
pub use engine::{Engine, EngineError, RunEvent};
pub use erased::AnyProgram;
pub use hooks::{Hooks, Moment, NoHooks, Verdict};
pub use memory::MemoryStore;
pub use next::{Next, UndoNext};
pub use program::Program;
pub use record::{
    Deadline, Event, JournalLine, Outcome, Phase, RunRecord, Signal, SignalKind, Status, UndoEntry,
};
pub use step::Step;
pub use store::{Closing, Lease, NewRun, RunStore, StoreError};
