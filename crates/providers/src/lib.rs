//! Drivers for the outside services that Holdfast stands on, behind traits.
//!
//! A driver observes and obeys: it never chooses what to create or delete and
//! knows nothing of runs, tenants or findings. Start reading at [`vps`] for the
//! contract every VPS driver keeps, then at [`lab`] for the one whose hosts are
//! real Debian systems on the local machine.

mod error;
pub mod lab;
pub mod vps;

pub use error::ProviderError;
pub use vps::{Capabilities, Host, HostSpec, HostState, Opening, Snapshot, SnapshotName, VpsProvider};
