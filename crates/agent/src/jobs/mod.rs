//! Durable jobs: what was asked for, how far it is and what came of it are files, so
//! that a restart of the agent, of the helper or of the host loses no answer.
//!
//! ```text
//! jobs/KEY/verb.json   what was asked for; never changes
//!          state.json  where it is; replaced as a whole
//!          log.jsonl   what it said; grows
//!          slack       room for the last word, given back at the end
//!          lock        held by the process that works on it
//! ```
//!
//! Start with [`Jobs`] for the helper's side and [`work`] for the job's own.

mod desk;
mod launcher;
mod log;
mod store;
mod worker;

pub use desk::Jobs;
pub use launcher::{Launcher, SystemdUnits};
pub use log::JobLog;
pub use store::{Record, Store};
pub use worker::{Job, work};
