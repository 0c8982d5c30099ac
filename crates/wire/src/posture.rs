//! What the hardening of a host looks like from inside. The claim is the host's own;
//! a port scan from outside is the truth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The settings that a baseline compares itself with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posture {
    /// UFW.
    pub firewall: FirewallReport,
    /// `sshd -T`: option in lower case → value. Empty when sshd is not installed.
    pub sshd: BTreeMap<String, String>,
    /// Unit → `UnitFileState` of the timers and services that update packages by
    /// themselves, such as `apt-daily-upgrade.timer` → `masked`.
    pub updaters: BTreeMap<String, String>,
    /// `apt-config dump` of the `APT::Periodic` branch: option → value.
    pub apt_periodic: BTreeMap<String, String>,
    /// SHA-256 of each file the baseline writes, by path; missing files are absent.
    pub files: BTreeMap<String, base::Sha256>,
    /// What lies deeper. Absent from agents that do not know of it yet.
    #[serde(default)]
    pub hardening: Option<crate::HardeningReport>,
}

/// UFW as it says it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallReport {
    /// True when UFW is installed.
    pub installed: bool,
    /// True when it says `Status: active`.
    pub active: bool,
    /// The default for incoming traffic, such as `deny`.
    pub default_incoming: String,
    /// True when `IPV6=yes` in `/etc/default/ufw`.
    pub ipv6: bool,
    /// `ufw show added`, a line each, without the leading `ufw `.
    pub rules: Vec<String>,
}
