//! The tables `feed` and `finding_change`.

pub mod feed;
pub mod finding_change;
