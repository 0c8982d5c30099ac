//! The host agent: it observes its host and carries out a closed set of verbs.
//!
//! Two halves of one binary. `daemon` speaks with the network and may change
//! nothing; `helper` is root, speaks only our own typed requests, and starts each
//! job as a unit of its own, which runs `job`. The agent decides nothing: what to
//! install, when and what to do after a failure is the control plane's affair.
//!
//! Start with [`daemon`] for the network, [`verbs`] for what is done on the host,
//! and [`observe`] for what is seen, which also works in another process.

pub mod apt;
pub mod certificate;
pub mod daemon;
mod durable;
pub mod firewall;
pub mod helper;
pub mod install;
pub mod jobs;
pub mod observe;
mod places;
mod tool;
pub mod verbs;

pub use places::Places;

/// The version of this agent.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
