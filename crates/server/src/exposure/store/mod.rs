//! The tables `acceptance`, `feed` and `finding_change`.

pub mod acceptance;
pub mod feed;
pub mod finding_change;
