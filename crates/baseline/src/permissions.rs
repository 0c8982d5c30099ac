//! Files and folders that packages leave readable for everyone though only root has
//! business there.

/// The most a file or folder may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// The file or folder; a host without it is as good.
    pub path: &'static str,
    /// Permission bits that it may have at most.
    pub mode: u32,
    /// Why.
    pub why: &'static str,
}

const SCHEDULE: &str = "who may read root's schedule knows what runs as root, and when";

/// Path of the list of who may have jobs; with it, all others may not (crontab(1)).
pub(crate) const ALLOW_FILE: &str = "/etc/cron.allow";
/// Root.
pub(crate) const ALLOW: &str = "root\n";

/// Every one of them.
pub const PERMISSIONS: [Permission; 14] = [
    Permission { path: "/etc/crontab", mode: 0o600, why: SCHEDULE },
    Permission { path: "/etc/cron.d", mode: 0o700, why: SCHEDULE },
    Permission { path: "/etc/cron.hourly", mode: 0o700, why: SCHEDULE },
    Permission { path: "/etc/cron.daily", mode: 0o700, why: SCHEDULE },
    Permission { path: "/etc/cron.weekly", mode: 0o700, why: SCHEDULE },
    Permission { path: "/etc/cron.monthly", mode: 0o700, why: SCHEDULE },
    Permission { path: "/etc/cron.allow", mode: 0o640, why: "it says who may have jobs: root alone" },
    Permission { path: "/etc/at.allow", mode: 0o640, why: "it says who may have jobs: root alone" },
    Permission { path: "/etc/ssh/sshd_config", mode: 0o600, why: "it says who may sign in, and how" },
    Permission { path: "/etc/ssh/sshd_config.d", mode: 0o700, why: "it says who may sign in, and how" },
    Permission { path: "/etc/sudoers.d", mode: 0o750, why: "it says who may become root" },
    Permission { path: "/boot/grub/grub.cfg", mode: 0o600, why: "it says how the kernel starts" },
    Permission {
        path: "/usr/bin/x86_64-linux-gnu-as",
        mode: 0o750,
        why: "an intruder who is not root must not build programs here",
    },
    Permission { path: "/root", mode: 0o700, why: "what root leaves lying about is root's" },
];
