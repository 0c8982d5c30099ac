//! What a simulated host says of itself.

use base::Distribution;
use wire::{
    Boot, Disk as FileSystem, Inventory, Kernel, OsRelease, PackageHealth, RebootState, ServiceState,
};

use crate::{SimulatedHost, machine::Machine, work};

pub(crate) const AGENT_VERSION: &str = "0.1.0-simulated";

impl SimulatedHost {
    pub(crate) fn observe(&self, state: &Machine) -> Inventory {
        let disk = &state.disk;
        let id = match self.release().distribution() {
            Distribution::Debian => "debian",
            Distribution::Ubuntu => "ubuntu",
        };
        let package_version = disk.packages.iter().find(|p| p.name.as_str().ends_with(&state.running_kernel));
        Inventory {
            collected_at: self.clock.now(),
            agent_version: AGENT_VERSION.to_owned(),
            hostname: self.name().to_string(),
            os: OsRelease {
                id: id.to_owned(),
                version_id: self.release().version().to_owned(),
                pretty_name: format!("{id} {} ({})", self.release().version(), self.release().codename()),
            },
            architecture: "amd64".to_owned(),
            virtualization: self.virtualization.clone(),
            kernel: Kernel {
                release: state.running_kernel.clone(),
                version: package_version
                    .map_or(String::new(), |p| format!("#1 SMP PREEMPT_DYNAMIC Debian {}", p.version)),
                newest_installed: Some(disk.newest_kernel.clone()),
                livepatches: Vec::new(),
            },
            boot: Boot { id: state.boot_id.clone(), started_at: state.booted_at },
            packages: disk.packages.clone(),
            pending: work::pending(disk),
            lists_updated_at: disk.lists_updated_at,
            reboot: reboot_state(state),
            stale_services: disk.stale_units.iter().cloned().collect(),
            in_use: Vec::new(),
            failed_units: disk.broken_units.iter().cloned().collect(),
            package_health: PackageHealth { audit: disk.audit(), interrupted: disk.interrupted },
            disks: vec![FileSystem {
                mount: "/".to_owned(),
                total_bytes: 40_000_000_000,
                free_bytes: disk.free_bytes,
            }],
            services: disk
                .units
                .iter()
                .map(|unit| ServiceState {
                    unit: unit.clone(),
                    active: if disk.broken_units.contains(unit) { "failed" } else { "active" }.to_owned(),
                })
                .collect(),
        }
    }
}

/// Why it should be rebooted, as a real agent tells it: also by a kernel on the disk that
/// is not the one that runs.
fn reboot_state(state: &Machine) -> RebootState {
    let disk = &state.disk;
    let mut reasons = disk.reboot_reasons.clone();
    if reasons.is_empty() && disk.newest_kernel != state.running_kernel {
        reasons.push(format!("kernel {} is installed and does not run", disk.newest_kernel));
    }
    RebootState { required: !reasons.is_empty(), reasons }
}
