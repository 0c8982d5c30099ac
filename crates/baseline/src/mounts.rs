//! Mount options of what every host has as a file system of its own.
//!
//! A VPS has one disk with one partition, so /home, /var and the like cannot have
//! options of their own. /tmp keeps its options: apt and debconf run what packages put
//! there. /proc stays readable, since systemd's own parts look at each other there.

/// A mount and an option it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MountOption {
    /// Where it is mounted.
    pub place: &'static str,
    /// The option.
    pub option: &'static str,
    /// Why.
    pub why: &'static str,
}

const SHARED_MEMORY: &str = "everyone may write to shared memory, and an intruder would run programs from it";

/// Every option looked for.
pub const MOUNT_OPTIONS: [MountOption; 3] = [
    MountOption { place: "/dev/shm", option: "nodev", why: SHARED_MEMORY },
    MountOption { place: "/dev/shm", option: "noexec", why: SHARED_MEMORY },
    MountOption { place: "/dev/shm", option: "nosuid", why: SHARED_MEMORY },
];

/// The line of fstab(5) that systemd-remount-fs takes the options of /dev/shm from. No
/// drop-in exists for this: systemd mounts it before it reads its units.
pub(crate) const FSTAB_LINE: &str = "tmpfs /dev/shm tmpfs rw,nosuid,nodev,noexec 0 0";
