//! The root half: it speaks only our own typed requests, on a Unix socket, with the
//! daemon's user and root. It runs no verb itself; each job is a unit of its own that
//! outlives a restart of the helper.

mod client;
mod protocol;
mod server;
mod token;

pub use client::HelperClient;
pub use server::{HelperError, run};

/// The user of the daemon, the only one but root whom the helper answers.
pub const DAEMON_USER: &str = "holdfast-agent";
