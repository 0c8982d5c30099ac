//! Feeds, findings, and the acceptance of risks.

mod acceptances;
mod feeds;
mod findings;
mod publishers;

pub use feeds::Folder;
