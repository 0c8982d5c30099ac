//! The store of runs.

mod store;
