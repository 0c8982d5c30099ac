//! What has to be installed and on for the hardening to hold: the clock, the audit
//! trail, the rules for passwords, the metadata address.

use crate::{INTEGRITY_TIMER, METADATA_UNIT};

/// A package that a host gets at its first boot when it has none of `instead`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededPackage {
    /// Its name.
    pub name: &'static str,
    /// A file that tells that it, or something as good, is there.
    pub instead: &'static [&'static str],
    /// Why.
    pub why: &'static str,
}

/// Every package.
pub const NEEDED_PACKAGES: [NeededPackage; 5] = [
    NeededPackage {
        name: "systemd-timesyncd",
        instead: &["/usr/lib/systemd/systemd-timesyncd", "/usr/sbin/chronyd", "/usr/sbin/ntpd"],
        why: "certificates, tokens and logs go by the clock",
    },
    NeededPackage {
        name: "auditd",
        instead: &["/usr/sbin/auditd", "/sbin/auditd"],
        why: "after a break-in somebody must be able to say what was done",
    },
    NeededPackage {
        name: "libpam-pwquality",
        instead: &["/usr/share/pam-configs/pwquality"],
        why: "whoever sets a password later must not set a weak one",
    },
    NeededPackage {
        name: "nftables",
        instead: &["/usr/sbin/nft"],
        why: "it shuts the metadata address to all but root",
    },
    NeededPackage {
        name: "aide",
        instead: &["/usr/bin/aide"],
        why: "changes of the settings that decide who gets in must not go unnoticed",
    },
];

/// A duty, and the units of which one at least must be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// What they do, for people.
    pub duty: &'static str,
    /// Units that do it.
    pub units: &'static [&'static str],
    /// Why.
    pub why: &'static str,
}

/// Every duty.
pub const GUARDS: [Guard; 4] = [
    Guard {
        duty: "the clock is kept right",
        units: &["systemd-timesyncd.service", "chrony.service", "ntpsec.service"],
        why: NEEDED_PACKAGES[0].why,
    },
    Guard { duty: "changes are in the audit trail", units: &["auditd.service"], why: NEEDED_PACKAGES[1].why },
    Guard {
        duty: "the metadata address is for root alone",
        units: &[METADATA_UNIT],
        why: "user-data lies there for any process to read",
    },
    Guard {
        duty: "changes of settings are noted every day",
        units: &[INTEGRITY_TIMER],
        why: NEEDED_PACKAGES[4].why,
    },
];

/// The units of [`GUARDS`]: what an agent reports the state of.
pub const WATCHED_UNITS: [&str; 6] = [
    "systemd-timesyncd.service",
    "chrony.service",
    "ntpsec.service",
    "auditd.service",
    METADATA_UNIT,
    INTEGRITY_TIMER,
];
