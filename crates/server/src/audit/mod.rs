//! The audit trail: append-only, hash-chained, and fail-closed. What cannot be audited
//! is not carried out.
//!
//! Each entry's hash is an HMAC, under a key outside the database, of the hash before
//! it and its own text. Whoever can write the database but does not have the master key
//! can neither change an entry nor add one; dropping the newest ones is seen by the
//! head that is kept in a file beside the database.

pub mod api;
mod entry;
pub mod pages;
mod service;
mod store;

pub use entry::{Actor, AuditLine, Entry, Outcome};
pub use service::{Audit, Verification};
