//! Looks at the host and changes nothing on it, not even a cache. Works without root,
//! without systemd and inside another process; what cannot be seen then is empty.
//!
//! Start with [`inventory`] and [`posture`].

mod boot;
mod disks;
mod firewall;
mod hardening;
mod in_use;
mod inventory;
mod kernel;
mod mapped_files;
mod os_release;
mod packages;
mod pending;
mod posture;
mod reboot;
mod services;
mod text;

pub use boot::boot_id;
pub use firewall::firewall;
pub use inventory::{ObserveError, inventory};
pub use mapped_files::{StaleProcesses, core_units};
pub use packages::{Recorded, packages_at, recorded};
pub use posture::posture;
pub use services::{running_services, unit_is_active};
