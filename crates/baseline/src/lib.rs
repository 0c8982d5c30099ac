//! What a hardened host looks like. One typed description, [`Baseline`], and several
//! uses of it: the firewall's rules, the files of the hardening, the user-data of the
//! first boot, and the comparison with what a host reports.
//!
//! No I/O and no decision when anything is applied. Start with [`Baseline`].

mod accounts;
mod auditing;
mod banner;
mod cloud_init;
mod compare;
mod core_dumps;
mod description;
mod files;
mod firewall;
mod first_boot;
mod guards;
mod hardening;
mod integrity;
mod journal;
mod metadata;
mod modules;
mod mounts;
mod network;
mod permissions;
mod ssh_key;
mod sshd;
mod sudo;
mod sysctl;
mod updaters;

pub use accounts::{LOGIN_DEFAULTS, LoginDefault};
pub use auditing::{AUDIT_RULES, AuditRule};
pub use cloud_init::{MAX_USER_DATA, UserDataError};
pub use compare::{Deviation, Item, Severity};
pub use description::{Baseline, Description, InvalidDescription, Service, Tenancy};
pub use files::{BaselineFile, WATCHED_FILES};
pub use firewall::{AddedRule, Rule, Source, TAG_PREFIX, UfwCommand, firewall_changes, tagged_rules};
pub use first_boot::{AGENT_BINARY, AGENT_BINARY_PATH, CA_FILE, SCRIPT_FILE};
pub use guards::{GUARDS, Guard, NEEDED_PACKAGES, NeededPackage, WATCHED_UNITS};
pub use integrity::INTEGRITY_TIMER;
pub use metadata::METADATA_UNIT;
pub use modules::{BLOCKED_MODULES, BlockedModule, listed_name};
pub use mounts::{MOUNT_OPTIONS, MountOption};
pub use network::{Family, InvalidNetwork, Network};
pub use permissions::{PERMISSIONS, Permission};
pub use ssh_key::{InvalidSshPublicKey, SshPublicKey};
pub use sshd::{SSHD_ALGORITHMS, SSHD_OPTIONS};
pub use sysctl::{SYSCTLS, Sysctl};
pub use updaters::{APT_PERIODIC, UPDATER_UNITS};
pub use wire::{Action, Purpose};
