//! What is on a simulated host's disk: everything that a snapshot keeps and a restore
//! brings back, the agent's own journal of jobs included.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use wire::{FirewallRule, JobKey, Package, PackageName, Posture, UpgradePlan};

use crate::{Update, job::Job};

/// A host's disk at one moment. It cannot be looked into, only put back.
#[derive(Debug, Clone)]
pub struct DiskImage(pub(crate) Disk);

#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub packages: Vec<Package>,
    /// When they were last changed; none for a host that cannot tell.
    pub packages_at: Option<Timestamp>,
    /// What apt's lists offer: the archive as of the last refresh.
    pub lists: Vec<Update>,
    pub lists_updated_at: Option<Timestamp>,
    /// What an interrupted dpkg leaves in `/var/lib/dpkg/updates`.
    pub interrupted: bool,
    pub newest_kernel: String,
    pub reboot_reasons: Vec<String>,
    /// Units that no longer come up.
    pub broken_units: BTreeSet<String>,
    pub units: BTreeSet<String>,
    pub stale_units: BTreeSet<String>,
    pub boots: bool,
    pub free_bytes: u64,
    pub posture: Posture,
    /// The openings of the firewall.
    pub firewall: Vec<FirewallRule>,
    /// The job that set them, and the ones before, while nobody has confirmed them.
    pub firewall_trial: Option<(JobKey, Vec<FirewallRule>)>,
    pub stagings: BTreeMap<JobKey, Staging>,
    pub jobs: BTreeMap<JobKey, Job>,
}

/// What staging keeps: the plan, and the state to go back to.
#[derive(Debug, Clone)]
pub(crate) struct Staging {
    pub plan: UpgradePlan,
    pub former: Former,
}

/// The part of a disk that a package restore brings back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Former {
    pub packages: Vec<Package>,
    pub newest_kernel: String,
    pub reboot_reasons: Vec<String>,
    pub broken_units: BTreeSet<String>,
}

impl Disk {
    pub(crate) fn package(&self, name: &PackageName) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == *name && package.status.is_present())
    }

    pub(crate) fn former(&self) -> Former {
        Former {
            packages: self.packages.clone(),
            newest_kernel: self.newest_kernel.clone(),
            reboot_reasons: self.reboot_reasons.clone(),
            broken_units: self.broken_units.clone(),
        }
    }

    pub(crate) fn go_back_to(&mut self, former: Former) {
        self.packages = former.packages;
        self.newest_kernel = former.newest_kernel;
        self.reboot_reasons = former.reboot_reasons;
        self.broken_units = former.broken_units;
        self.stale_units.clear();
        self.interrupted = false;
    }

    /// `dpkg --audit`, a line for each package that is not as it should be.
    pub(crate) fn audit(&self) -> Vec<String> {
        let broken = self.packages.iter().filter(|p| p.status.is_present() && !p.status.is_installed());
        broken.map(|p| format!("{} {} is in state `{}`", p.name, p.version, p.status.0)).collect()
    }
}
