//! Firewalls: who may reach which port of which server, and bringing every host in line
//! after a change.
//!
//! ```text
//! addresses of the control plane ─┐
//! description of a server ────────┴► rules ──sync──► set, on trial ──► kept | put back
//! ```
//!
//! A change of addresses goes to one host first. If that one can no longer be reached
//! under them, it puts its former rules back by itself, and no other host is touched.

mod addresses;
pub mod api;
mod front;
pub mod pages;
mod service;
mod standing;
mod store;
mod sync;

pub use addresses::{ControlPlaneAddresses, Proof};
pub use service::{FirewallView, Firewalls, Openings};
pub use standing::{Standing, State};
pub use sync::FirewallSync;
