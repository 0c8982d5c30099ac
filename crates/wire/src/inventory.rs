//! What a host reports about itself: the facts that findings are made from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Package, PackageName, PackageVersion, PendingUpdate};

/// Everything observed on a host at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// When it was observed, by the host's clock.
    pub collected_at: Timestamp,
    /// The agent's version.
    pub agent_version: String,
    /// The host's own name.
    pub hostname: String,
    /// `/etc/os-release`.
    pub os: OsRelease,
    /// `dpkg --print-architecture`, such as `amd64`.
    pub architecture: String,
    /// Whether the kernel is the host's own.
    pub virtualization: Virtualization,
    /// The kernel that runs and the ones that are installed.
    pub kernel: Kernel,
    /// The present boot.
    pub boot: Boot,
    /// Every package that dpkg has on record, also half-installed ones.
    pub packages: Vec<Package>,
    /// What `apt-get -s dist-upgrade` would install now.
    pub pending: Vec<PendingUpdate>,
    /// When apt's package lists were last brought up to date, if ever.
    pub lists_updated_at: Option<Timestamp>,
    /// Whether a reboot is needed, and why.
    pub reboot: RebootState,
    /// Units that still run on files which an update has replaced.
    pub stale_services: Vec<String>,
    /// Packages of which an earlier version still runs, as far as it can be told which.
    #[serde(default)]
    pub in_use: Vec<FormerInUse>,
    /// Units in state `failed`.
    pub failed_units: Vec<String>,
    /// Whether dpkg is in order.
    pub package_health: PackageHealth,
    /// Space on the file systems that updates need.
    pub disks: Vec<Disk>,
    /// State of the services that the control plane asked to watch.
    #[serde(default)]
    pub services: Vec<ServiceState>,
}

/// Fields of `/etc/os-release`, os-release(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsRelease {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12`.
    pub version_id: String,
    /// `PRETTY_NAME`.
    pub pretty_name: String,
}

/// What the operating system runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Virtualization {
    /// A machine or a virtual machine: its kernel is its own.
    OwnKernel {
        /// What `systemd-detect-virt` says, such as `kvm` or `none`.
        kind: String,
    },
    /// A container: the kernel belongs to the machine below, and so do its updates.
    SharedKernel {
        /// What `systemd-detect-virt --container` says, such as `systemd-nspawn`.
        kind: String,
    },
}

/// The kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// `uname -v`: on Debian it carries the version of the kernel's package.
    pub version: String,
    /// The newest `vmlinuz-*` in `/boot`, by version, without the prefix.
    pub newest_installed: Option<String>,
    /// The live-patch modules that are in effect.
    #[serde(default)]
    pub livepatches: Vec<LivepatchModule>,
}

/// A module that patches the kernel while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivepatchModule {
    /// Its name in `/sys/kernel/livepatch`.
    pub name: String,
    /// What it says of itself in `/sys/module/NAME/version`; empty where it says nothing.
    pub version: String,
}

/// A package of which an earlier version still runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerInUse {
    /// Binary package.
    pub name: PackageName,
    /// Such as `amd64` or `all`.
    pub architecture: String,
    /// The oldest version that may still run.
    pub version: PackageVersion,
    /// The system services that run it, by unit; none when only other programs do.
    pub units: Vec<String>,
}

/// The present boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// `/proc/sys/kernel/random/boot_id`.
    pub id: String,
    /// When PID 1 started.
    pub started_at: Timestamp,
}

/// Whether a reboot is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebootState {
    /// True when the host should be rebooted.
    pub required: bool,
    /// One sentence a reason.
    pub reasons: Vec<String>,
}

/// Whether dpkg is in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageHealth {
    /// What `dpkg --audit` prints, a line each; empty is good.
    pub audit: Vec<String>,
    /// True when files in `/var/lib/dpkg/updates` tell of an interrupted dpkg.
    pub interrupted: bool,
}

impl PackageHealth {
    /// True when dpkg has nothing to complain of.
    pub fn is_sound(&self) -> bool {
        self.audit.is_empty() && !self.interrupted
    }
}

/// One file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// Size, in bytes.
    pub total_bytes: u64,
    /// Free for an unprivileged process, in bytes.
    pub free_bytes: u64,
}

/// One watched unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// The unit's name.
    pub unit: String,
    /// `ActiveState` of systemctl(1).
    pub active: String,
}
