//! The closed set of things a control plane can ask a host to do.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{FirewallRule, JobKey, PackageName, UpgradePlan, UpgradeScope};

/// What a job does. Every verb first looks, then acts, and may be asked for again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// `apt-get update`.
    RefreshLists,
    /// Finds, by apt's simulation, exactly what an upgrade would change.
    PlanUpgrade {
        /// Which updates to take in.
        scope: UpgradeScope,
    },
    /// Checks that the plan still holds, downloads the new packages and the former
    /// ones, saves every list that a rollback needs, and keeps a disk reserve.
    /// Installs nothing.
    StagePackages {
        /// What was approved.
        plan: UpgradePlan,
    },
    /// Installs what `staged` has downloaded, offline and in exactly the planned
    /// versions. Services are restarted by the verb, not by the packages' scripts.
    InstallPackages {
        /// The [`Verb::StagePackages`] job that prepared it.
        staged: JobKey,
    },
    /// Puts back what `staged` has kept, from any half-way state, and proves that the
    /// host is the former one.
    RestorePackages {
        /// The [`Verb::StagePackages`] job that kept the former state.
        staged: JobKey,
    },
    /// Deletes what `staged` has downloaded and kept.
    DropStaged {
        /// The [`Verb::StagePackages`] job to forget.
        staged: JobKey,
    },
    /// Reboots, if the host still runs the boot with this identity.
    Reboot {
        /// `/proc/sys/kernel/random/boot_id` before.
        boot_id: String,
    },
    /// Makes the firewall let in what these rules say and nothing else that carries a tag of ours:
    /// first adds, then removes. Unless [`Verb::KeepFirewall`] follows in time, the host puts the
    /// former rules back: whoever cannot reach it any more cannot say so.
    SetFirewall {
        /// Every opening.
        rules: Vec<FirewallRule>,
        /// After how many seconds the former rules come back: [`limits::FIREWALL_TRIAL`](crate::limits::FIREWALL_TRIAL).
        undo_after: u16,
    },
    /// Keeps what a [`Verb::SetFirewall`] job has set. To be asked over a new connection, which
    /// proves that the way is still open.
    KeepFirewall {
        /// The job that set it.
        set: JobKey,
    },
    /// Puts files and units of the baseline back as they should be.
    Repair {
        /// Files to be written, each one that every baseline has.
        files: Vec<RepairFile>,
        /// Units that must not run by themselves.
        masked_units: Vec<String>,
    },
    /// Asks the services that matter whether they work.
    RunProbes {
        /// What to ask.
        probes: Vec<Probe>,
    },
    /// Has the host ask now for the certificate it should have, as its timer does.
    CheckCertificate,
}

impl Verb {
    /// The verb's name on the wire, for logs and pages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RefreshLists => "refresh_lists",
            Self::PlanUpgrade { .. } => "plan_upgrade",
            Self::StagePackages { .. } => "stage_packages",
            Self::InstallPackages { .. } => "install_packages",
            Self::RestorePackages { .. } => "restore_packages",
            Self::DropStaged { .. } => "drop_staged",
            Self::Reboot { .. } => "reboot",
            Self::SetFirewall { .. } => "set_firewall",
            Self::KeepFirewall { .. } => "keep_firewall",
            Self::Repair { .. } => "repair",
            Self::RunProbes { .. } => "run_probes",
            Self::CheckCertificate => "check_certificate",
        }
    }
}

/// A file as it should be. Its owner is root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairFile {
    /// Where it is.
    pub path: String,
    /// Permission bits.
    pub mode: u16,
    /// All of its contents.
    pub contents: String,
}

/// One question to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
pub enum Probe {
    /// The unit is active.
    UnitActive {
        /// A unit name: characters of systemd.unit(5), at most 128.
        unit: String,
    },
    /// Something accepts a connection and, where asked for, an HTTP request answers 200.
    HttpOk {
        /// Where.
        address: IpAddr,
        /// On which port.
        port: u16,
        /// Path of the request.
        path: String,
    },
}

/// What a job found or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It did what its name says.
    Done,
    /// It looked and found that nothing was left to do.
    AlreadyDone,
    /// The plan that was asked for.
    Planned {
        /// What an upgrade would change.
        plan: UpgradePlan,
    },
    /// Packages and state are kept.
    Staged {
        /// Downloaded and kept, in bytes.
        bytes: u64,
        /// True when every former package is at hand, so that a rollback by packages
        /// can work without the network.
        former_kept: bool,
        /// Those that are not.
        former_missing: Vec<PackageName>,
    },
    /// Installed.
    Installed {
        /// Units that were restarted.
        restarted: Vec<String>,
    },
    /// The former state is back, and every list that proves it is equal.
    Restored {
        /// The lists compared, such as "packages and states".
        compared: Vec<String>,
        /// Units that were restarted.
        restarted: Vec<String>,
    },
    /// All probes answered as they should.
    Healthy,
}
