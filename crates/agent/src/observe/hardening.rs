//! What lies deeper, as it is in effect: what the kernel uses, not what a file says.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::PermissionsExt,
};

use baseline::{
    BLOCKED_MODULES, LOGIN_DEFAULTS, MOUNT_OPTIONS, PERMISSIONS, SYSCTLS, WATCHED_UNITS, listed_name,
};
use wire::{HardeningReport, Virtualization};

use super::{kernel::virtualization, posture::unit_states, text};
use crate::tool::Tool;

pub(super) async fn hardening() -> HardeningReport {
    let (on, units) = tokio::join!(
        virtualization(),
        Tool::new("/usr/bin/systemctl")
            .args(["show", "--property=Id,LoadState,UnitFileState"])
            .args(WATCHED_UNITS)
            .text(),
    );
    HardeningReport {
        shares_kernel: matches!(on, Virtualization::SharedKernel { .. }),
        sysctls: sysctls(),
        modules: loaded(&text::of("/proc/modules").unwrap_or_default()),
        mounts: mounts(&text::of("/proc/self/mounts").unwrap_or_default()),
        modes: modes(),
        login_defaults: login_defaults(&text::of("/etc/login.defs").unwrap_or_default()),
        units: units.map(|text| unit_states(&text)).unwrap_or_default(),
    }
}

fn sysctls() -> BTreeMap<String, String> {
    let read = |key: &str| text::of(format!("/proc/sys/{}", key.replace('.', "/")));
    SYSCTLS
        .iter()
        .filter_map(|setting| Some((setting.key.to_owned(), read(setting.key)?.trim().to_owned())))
        .collect()
}

/// A module a line, its name first (proc_modules(5)).
fn loaded(modules: &str) -> BTreeSet<String> {
    let unwanted: BTreeSet<String> = BLOCKED_MODULES.iter().map(|module| listed_name(module.name)).collect();
    modules
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| unwanted.contains(*name))
        .map(str::to_owned)
        .collect()
}

/// Device, place, type, options. What was mounted last lies on top.
fn mounts(mounts: &str) -> BTreeMap<String, String> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, options) = (fields.next()?, fields.nth(1)?);
            let watched = MOUNT_OPTIONS.iter().any(|wanted| wanted.place == place);
            watched.then(|| (place.to_owned(), options.to_owned()))
        })
        .collect()
}

fn modes() -> BTreeMap<String, u32> {
    PERMISSIONS
        .iter()
        .filter_map(|wanted| {
            let found = std::fs::metadata(wanted.path).ok()?.permissions().mode() & 0o7777;
            Some((wanted.path.to_owned(), found))
        })
        .collect()
}

/// `KEY value` a line, with `#` before comments; the last one counts.
fn login_defaults(file: &str) -> BTreeMap<String, String> {
    file.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (key, value) = (words.next()?, words.next()?);
            let watched = LOGIN_DEFAULTS.iter().any(|wanted| wanted.key == key);
            watched.then(|| (key.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_modules_mounts_and_defaults() {
        let modules = loaded("usb_storage 81920 0 - Live 0x0\nnf_tables 1 2 x, Live 0x0\n");
        assert_eq!(modules, BTreeSet::from(["usb_storage".to_owned()]));
        let mounts = mounts(
            "tmpfs /dev/shm tmpfs rw 0 0\n/dev/vda1 / ext4 rw,relatime 0 0\ntmpfs /dev/shm tmpfs rw,nosuid,noexec 0 0\n",
        );
        assert_eq!(mounts, BTreeMap::from([("/dev/shm".to_owned(), "rw,nosuid,noexec".to_owned())]));
        let defaults = login_defaults("# UMASK 077\nUMASK\t\t022\nUMASK 027\nMAIL_DIR /var/mail\n");
        assert_eq!(defaults, BTreeMap::from([("UMASK".to_owned(), "027".to_owned())]));
    }

    #[test]
    fn reads_the_kernel_of_this_machine() {
        let found = sysctls();
        assert!(found.contains_key("net.ipv4.ip_forward") && found.contains_key("kernel.randomize_va_space"));
        // A range is two numbers with a tab between, as the baseline writes it.
        assert!(found["net.ipv4.ip_local_port_range"].contains('\t'));
    }
}
