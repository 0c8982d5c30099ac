//! Secrets at rest, the region's certificate authority, and tokens.
//!
//! The master key lies in a file beside the database and never in it, so that a dump
//! of the database alone reveals nothing.

mod authority;
mod token;
mod vault;

pub use authority::{Authority, AuthorityError, ControlPlaneIdentity};
pub use token::{Token, same_digest};
pub use vault::{Vault, VaultError};
