//! What lies deeper beside what a host reports of it: kernel, mounts, permissions,
//! accounts, guards. All of it is amber: none of it lets anybody in by itself.

use wire::{HardeningReport, Posture};

use crate::{
    BLOCKED_MODULES, GUARDS, Item, LOGIN_DEFAULTS, MOUNT_OPTIONS, PERMISSIONS, SYSCTLS, compare::Deviations,
    listed_name,
};

/// Adds every difference.
pub(crate) fn compare(posture: &Posture, list: &mut Deviations) {
    let Some(report) = &posture.hardening else {
        let why = "what cannot be seen is not known to be good: bring a newer agent";
        list.amber(Item::Unseen, "the host reports kernel, mounts and permissions", "nothing", why);
        return;
    };
    compare_kernel(report, list);
    // A container's mounts are made by the machine, like its kernel.
    for wanted in MOUNT_OPTIONS.iter().filter(|_| !report.shares_kernel) {
        let found = report.mounts.get(wanted.place).map_or("not mounted", String::as_str);
        if !found.split(',').any(|option| option == wanted.option) {
            let expected = format!("`{}` mounted {}", wanted.place, wanted.option);
            list.amber(Item::Mount, &expected, &format!("`{}` {found}", wanted.place), wanted.why);
        }
    }
    for wanted in PERMISSIONS {
        if let Some(found) = report.modes.get(wanted.path).filter(|found| *found & !wanted.mode & 0o777 != 0)
        {
            let expected = format!("`{}` {:04o} or less", wanted.path, wanted.mode);
            list.amber(Item::Permission, &expected, &format!("`{}` {found:04o}", wanted.path), wanted.why);
        }
    }
    for wanted in LOGIN_DEFAULTS {
        let found = report.login_defaults.get(wanted.key).map_or("not set", String::as_str);
        if found != wanted.value {
            let expected = format!("{} {}", wanted.key, wanted.value);
            list.amber(Item::Account, &expected, &format!("{} {found}", wanted.key), wanted.why);
        }
    }
    for guard in GUARDS {
        let on = |unit: &&str| report.units.get(*unit).is_some_and(|state| state == "enabled");
        if !guard.units.iter().any(on) {
            let state = |unit: &&str| {
                let state = report.units.get(*unit).map_or("not installed", String::as_str);
                format!("{unit} {state}")
            };
            let found = guard.units.iter().map(state).collect::<Vec<_>>().join(", ");
            list.amber(Item::Guard, guard.duty, &found, guard.why);
        }
    }
}

/// A container's kernel is the machine's: what the host cannot set is not held against it.
fn compare_kernel(report: &HardeningReport, list: &mut Deviations) {
    for wanted in SYSCTLS.iter().filter(|setting| !report.shares_kernel || setting.is_per_network()) {
        // An older kernel, or one built without the feature, is as good.
        let Some(found) = report.sysctls.get(wanted.key) else { continue };
        if found != wanted.value {
            let expected = format!("{} = {}", wanted.key, wanted.value);
            list.amber(Item::Sysctl, &expected, &format!("{} = {found}", wanted.key), wanted.why);
        }
    }
    if report.shares_kernel {
        return;
    }
    for module in BLOCKED_MODULES {
        if report.modules.contains(&listed_name(module.name)) {
            let expected = format!("the kernel module {} is not loaded", module.name);
            list.amber(Item::KernelModule, &expected, "it is loaded", module.why);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Service, description::tests::baseline};

    /// What a host reports that is as it should be.
    pub(crate) fn as_described() -> HardeningReport {
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        HardeningReport {
            shares_kernel: false,
            sysctls: text(&SYSCTLS.map(|setting| (setting.key, setting.value))),
            modules: Default::default(),
            mounts: text(&[("/dev/shm", "rw,nosuid,nodev,noexec,inode64")]),
            modes: PERMISSIONS.iter().map(|wanted| (wanted.path.to_owned(), wanted.mode)).collect(),
            login_defaults: text(&LOGIN_DEFAULTS.map(|setting| (setting.key, setting.value))),
            units: text(&GUARDS.map(|guard| (guard.units[0], "enabled"))),
        }
    }

    fn seen(change: impl FnOnce(&mut HardeningReport)) -> Vec<(Item, String)> {
        let mut report = as_described();
        change(&mut report);
        let posture = Posture { hardening: Some(report), ..Posture::default() };
        let deep = |item| {
            !matches!(
                item,
                Item::FirewallOff
                    | Item::FirewallDefault
                    | Item::FirewallIpv6
                    | Item::FirewallRuleMissing
                    | Item::SshdOption
                    | Item::Updater
                    | Item::AptPeriodic
                    | Item::File
            )
        };
        let deviations = baseline(Service::Bare).deviations(&posture);
        deviations.into_iter().filter(|d| deep(d.item)).map(|d| (d.item, d.found)).collect()
    }

    fn set(map: &mut BTreeMap<String, String>, key: &str, value: &str) {
        map.insert(key.to_owned(), value.to_owned());
    }

    #[test]
    fn every_change_is_seen_and_named() {
        assert_eq!(seen(|_| {}), []);
        type Change = fn(&mut HardeningReport);
        let cases: [(Change, Item, &str); 8] = [
            (|r| set(&mut r.sysctls, "kernel.sysrq", "1"), Item::Sysctl, "kernel.sysrq = 1"),
            (|r| r.modules.extend(["usb_storage".to_owned()]), Item::KernelModule, "it is loaded"),
            (
                |r| set(&mut r.mounts, "/dev/shm", "rw,nosuid,nodev"),
                Item::Mount,
                "`/dev/shm` rw,nosuid,nodev",
            ),
            (|r| r.modes.extend([("/etc/cron.d".to_owned(), 0o755)]), Item::Permission, "`/etc/cron.d` 0755"),
            (|r| set(&mut r.login_defaults, "UMASK", "022"), Item::Account, "UMASK 022"),
            (|r| drop(r.login_defaults.remove("UMASK")), Item::Account, "UMASK not set"),
            (|r| set(&mut r.units, "auditd.service", "disabled"), Item::Guard, "auditd.service disabled"),
            (
                |r| drop(r.units.remove("systemd-timesyncd.service")),
                Item::Guard,
                "systemd-timesyncd.service not installed, chrony.service not installed, ntpsec.service not installed",
            ),
        ];
        for (change, item, found) in cases {
            assert_eq!(seen(change), [(item, found.to_owned())]);
        }
    }

    #[test]
    fn another_clock_and_narrower_permissions_are_as_good() {
        assert_eq!(
            seen(|report| {
                report.units.remove("systemd-timesyncd.service");
                set(&mut report.units, "chrony.service", "enabled");
                report.modes.insert("/etc/sudoers.d".into(), 0o700);
                report.modes.remove("/etc/crontab");
                report.sysctls.remove("vm.unprivileged_userfaultfd");
            }),
            []
        );
    }

    #[test]
    fn a_container_answers_for_its_network_only() {
        let found = seen(|report| {
            report.shares_kernel = true;
            report.modules.insert("bluetooth".into());
            report.mounts.clear();
            set(&mut report.sysctls, "kernel.sysrq", "1");
            set(&mut report.sysctls, "net.ipv4.conf.all.rp_filter", "0");
        });
        assert_eq!(found, [(Item::Sysctl, "net.ipv4.conf.all.rp_filter = 0".to_owned())]);
    }
}
