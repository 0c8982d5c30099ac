//! Feeds and findings.

mod feeds;
mod findings;
mod publishers;
