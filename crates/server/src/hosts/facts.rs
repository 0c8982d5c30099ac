//! What an inventory says in short: the columns of tables.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::{Inventory, Virtualization};

/// The short form of an inventory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// When it was observed.
    pub collected_at: Timestamp,
    /// `PRETTY_NAME` of the operating system.
    pub os: String,
    /// Installed packages.
    pub packages: usize,
    /// Updates that apt offers.
    pub pending: usize,
    /// Those of security archives.
    pub pending_security: usize,
    /// `uname -r`.
    pub kernel_running: String,
    /// The newest kernel on its disk, if it differs from the running one.
    pub kernel_installed: Option<String>,
    /// The kernel belongs to the machine below.
    pub kernel_shared: bool,
    /// Why it should be rebooted; empty when it should not.
    pub reboot_reasons: Vec<String>,
    /// Units on replaced files.
    pub stale_services: usize,
    /// Units in state `failed`.
    pub failed_units: Vec<String>,
    /// dpkg is in order.
    pub packages_sound: bool,
    /// The present boot's identity.
    pub boot_id: String,
    /// When it booted.
    pub booted_at: Timestamp,
    /// When apt's lists were last refreshed.
    pub lists_updated_at: Option<Timestamp>,
    /// The least free space among its file systems, in percent.
    pub disk_free_percent: Option<u8>,
}

impl Facts {
    /// The short form of this inventory.
    pub fn of(inventory: &Inventory) -> Self {
        let kernel = &inventory.kernel;
        let free = inventory.disks.iter().filter(|disk| disk.total_bytes > 0);
        let free = free.map(|disk| (u128::from(disk.free_bytes) * 100 / u128::from(disk.total_bytes)) as u8);
        Self {
            collected_at: inventory.collected_at,
            os: inventory.os.pretty_name.clone(),
            packages: inventory.packages.iter().filter(|package| package.status.is_present()).count(),
            pending: inventory.pending.len(),
            pending_security: inventory.pending.iter().filter(|update| update.security).count(),
            kernel_running: kernel.release.clone(),
            kernel_installed: kernel.newest_installed.clone().filter(|newest| *newest != kernel.release),
            kernel_shared: matches!(inventory.virtualization, Virtualization::SharedKernel { .. }),
            reboot_reasons: if inventory.reboot.required {
                inventory.reboot.reasons.clone()
            } else {
                Vec::new()
            },
            stale_services: inventory.stale_services.len(),
            failed_units: inventory.failed_units.clone(),
            packages_sound: inventory.package_health.is_sound(),
            boot_id: inventory.boot.id.clone(),
            booted_at: inventory.boot.started_at,
            lists_updated_at: inventory.lists_updated_at,
            disk_free_percent: free.min(),
        }
    }
}
