//! Who may use the control plane: sign-in links that work once, sessions, and API tokens.
//!
//! Of every token only a digest is stored. Sessions carry a second token for forms, so
//! that another site cannot post in an operator's name.

pub mod api;
pub(crate) mod failures;
pub mod pages;
mod service;
mod store;

pub use service::{Access, SignedIn};
