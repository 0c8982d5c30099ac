//! Whether the host should be rebooted, and why.

use std::{cmp::Ordering, path::Path};

use wire::{Kernel, RebootState, Virtualization};

use super::{
    kernel::compare_versions,
    mapped_files::{StaleProcesses, core_units},
};

pub(super) fn reboot_state(kernel: &Kernel, on: &Virtualization, stale: &StaleProcesses) -> RebootState {
    let own_kernel = matches!(on, Virtualization::OwnKernel { .. });
    let asked = Path::new("/run/reboot-required").exists()
        && (own_kernel || asked_by_more_than_kernels(&packages_that_asked()));
    decide(kernel, own_kernel, asked, stale)
}

/// The packages that have asked for a reboot, a line each (update-notifier-common and
/// unattended-upgrades write them). Empty when they are not told.
fn packages_that_asked() -> String {
    crate::durable::read_bounded(Path::new("/run/reboot-required.pkgs"), 1 << 20)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// A kernel that is installed in a container never runs there, and a reboot would not help.
fn asked_by_more_than_kernels(packages: &str) -> bool {
    packages.lines().map(str::trim).any(|name| !name.is_empty() && !name.starts_with("linux-"))
}

fn decide(kernel: &Kernel, own_kernel: bool, asked: bool, stale: &StaleProcesses) -> RebootState {
    let mut reasons = Vec::new();
    if let Some(newest) =
        kernel.newest_installed.as_ref().filter(|newest| own_kernel && is_newer(newest, &kernel.release))
    {
        reasons.push(format!("kernel {newest} is installed, {} runs", kernel.release));
    }
    if stale.system_manager {
        reasons.push("systemd runs on replaced files".to_owned());
    }
    reasons.extend(core_units(&stale.units).iter().map(|unit| format!("{unit} runs on replaced files")));
    if asked && reasons.is_empty() {
        reasons.push("a package asked for a reboot".to_owned());
    }
    RebootState { required: !reasons.is_empty(), reasons }
}

/// A newer kernel of the same flavour: the part behind the last dash, such as `amd64`.
fn is_newer(installed: &str, running: &str) -> bool {
    let flavour = |release: &str| release.rsplit('-').next().map(str::to_owned);
    flavour(installed) == flavour(running) && compare_versions(installed, running) == Ordering::Greater
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_never_reboots_for_a_kernel() {
        let kernel = Kernel {
            release: "6.1.0-9-amd64".into(),
            version: String::new(),
            newest_installed: Some("6.1.0-40-amd64".into()),
            livepatches: Vec::new(),
        };
        let nothing = StaleProcesses::default();
        assert!(decide(&kernel, true, false, &nothing).required);
        assert!(!decide(&kernel, false, false, &nothing).required);
        let bus = StaleProcesses {
            units: ["dbus.service".to_owned()].into(),
            system_manager: true,
            ..StaleProcesses::default()
        };
        assert_eq!(decide(&kernel, false, false, &bus).reasons.len(), 2);
        assert!(!is_newer("6.1.0-40-cloud-amd64x", "6.1.0-9-amd64"));
        assert!(!asked_by_more_than_kernels("linux-image-6.1.0-40-amd64\nlinux-base\n"));
        assert!(!asked_by_more_than_kernels("") && asked_by_more_than_kernels("linux-base\nlibc6\n"));
    }
}
