//! DNS zones in which Holdfast proves that a name is its operator's: where they are served,
//! the key that may change them, and the TXT records of ACME challenges (RFC 8555 §8.4).
//!
//! Only `_acme-challenge` records are ever written. Keys are sealed in the store and never
//! leave the control plane. Start with [`Zones`]; a new way to change records is one more
//! implementation of [`DnsProvider`].

pub mod api;
mod challenge;
mod error;
mod lookup;
mod name;
mod provider;
mod rfc2136;
mod service;
mod store;
mod transport;
mod zone;

pub use challenge::{ChallengePlace, CheckReport};
pub use error::DnsError;
pub use name::{DnsName, InvalidDnsName};
pub use provider::DnsProvider;
pub use rfc2136::Rfc2136;
pub use service::Zones;
pub use zone::{KeyAlgorithm, UpdateKey, Zone, ZoneOrder, ZoneView};
