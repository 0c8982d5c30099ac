//! Which processes still run on files that an update has replaced. The kernel tells:
//! a mapped file that is gone from its folder is marked `(deleted)`, proc_pid_maps(5).
//!
//! Programs in scripting languages read their modules once and map none of them; those
//! only needrestart finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use jiff::Timestamp;

use super::text;

/// Programs and libraries live here. Other deleted mappings (temporary files, shared
/// memory, logs) are no sign of an update.
const PROGRAMS: [&str; 6] = ["/usr/", "/lib", "/bin/", "/sbin/", "/opt/", "/snap/"];
/// A process with a million mappings is a database, and its libraries come early.
const MAPS_BYTES: u64 = 4 << 20;

/// The most replaced files that are told apart. After an upgrade of the whole release every service has
/// some, mostly the same.
const FILES: usize = 2_000;

/// Who runs a replaced file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// System services, by unit.
    pub units: BTreeSet<String>,
    /// When the oldest of its processes started, if that can be told.
    pub oldest: Option<Timestamp>,
}

/// What runs on replaced files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaleProcesses {
    /// System services, by unit.
    pub units: BTreeSet<String>,
    /// True when PID 1 is one of them.
    pub system_manager: bool,
    /// The replaced files, by the path that they had.
    pub files: BTreeMap<String, Users>,
}

impl StaleProcesses {
    /// Looks at all processes. Without root only those of the caller can be seen.
    pub fn find() -> Self {
        let mut found = Self::default();
        let booted = text::of("/proc/stat").as_deref().and_then(boot_time);
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) else {
                continue;
            };
            let replaced = replaced_files(&entry.path().join("maps"));
            if replaced.is_empty() {
                continue;
            }
            let unit = if pid == "1" {
                found.system_manager = true;
                None
            } else {
                text::of(entry.path().join("cgroup")).as_deref().and_then(unit_of)
            };
            found.units.extend(unit.clone());
            let stat = text::of(entry.path().join("stat")).unwrap_or_default();
            let started = booted.zip(ticks_at_start(&stat)).and_then(|(booted, ticks)| {
                Timestamp::from_second(booted.checked_add(ticks / TICKS_PER_SECOND)?).ok()
            });
            for file in replaced {
                if found.files.len() >= FILES && !found.files.contains_key(&file) {
                    continue;
                }
                let users = found.files.entry(file).or_default();
                users.units.extend(unit.clone());
                users.oldest = match (users.oldest, started) {
                    (Some(known), Some(started)) => Some(known.min(started)),
                    (known, started) => known.or(started),
                };
            }
        }
        found
    }
}

/// Of these units, the ones that cannot be restarted under a running system without
/// cutting sessions or the bus: a reboot is their restart.
pub fn core_units(units: &BTreeSet<String>) -> BTreeSet<String> {
    units
        .iter()
        .filter(|unit| {
            unit.starts_with("dbus") || matches!(unit.as_str(), "systemd-logind.service" | "systemd-manager")
        })
        .cloned()
        .collect()
}

/// The unit of the times in `/proc/PID/stat`: `USER_HZ`, which is 100 on every architecture that we
/// know (proc_pid_stat(5), time(7)).
const TICKS_PER_SECOND: i64 = 100;

/// When the machine was booted, in seconds, from `btime` of `/proc/stat`.
fn boot_time(stat: &str) -> Option<i64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// The field `starttime`, the 22nd of `/proc/PID/stat`. The second, the name, is in brackets and may
/// itself hold brackets and spaces.
fn ticks_at_start(stat: &str) -> Option<i64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn replaced_files(maps: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Ok(file) = File::open(maps) else { return found };
    let mut lines = BufReader::new(file.take(MAPS_BYTES));
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return found,
            Ok(_) => found.extend(replaced(&line).map(str::to_owned)),
        }
    }
}

/// The path in a line of `maps` that is a program file which is gone.
fn replaced(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    let rest = text.trim_end().strip_suffix(" (deleted)")?;
    let path = &rest[rest.find('/')?..];
    PROGRAMS.iter().any(|folder| path.starts_with(folder)).then_some(path)
}

/// The system service of a process, by its control groups. In a container the path
/// may begin with that of the machine below, so only what follows the last
/// `system.slice` counts. Sessions and PID 1 are no services.
fn unit_of(groups: &str) -> Option<String> {
    groups
        .lines()
        .filter(|line| line.starts_with("0::") || line.contains(":name=systemd:"))
        .filter_map(|line| line.rsplit_once("/system.slice/"))
        .find_map(|(_, path)| path.split('/').find(|part| part.ends_with(".service")))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replaced_program_files_count() {
        let library = "/usr/lib/x86_64-linux-gnu/libssl.so.3";
        let line = format!("7f00-7f01 r-xp 00000000 00:1f 42   {library} (deleted)\n");
        assert_eq!(replaced(line.as_bytes()), Some(library));
        assert_eq!(
            replaced(b"7f00-7f01 r-xp 00000000 00:1f 42   /usr/lib/x86_64-linux-gnu/libssl.so.3\n"),
            None
        );
        assert_eq!(replaced(b"7f00-7f01 rw-s 00000000 00:01 42   /dev/zero (deleted)\n"), None);
        assert_eq!(replaced(b"7f00-7f01 rw-s 00000000 00:01 42   /memfd:x (deleted)\n"), None);
    }

    #[test]
    fn tells_when_a_process_started() {
        assert_eq!(boot_time("cpu  1 2 3\nbtime 1763900000\nprocesses 9\n"), Some(1_763_900_000));
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 2 3\n";
        assert_eq!(ticks_at_start(stat), Some(12_345));
        assert_eq!(ticks_at_start("42 (a"), None);
    }

    #[test]
    fn finds_the_unit_also_in_a_container() {
        let unit = |text: &str| unit_of(text);
        assert_eq!(unit("0::/system.slice/ssh.service\n").as_deref(), Some("ssh.service"));
        assert_eq!(
            unit("1:name=systemd:/system.slice/lab.service/payload/system.slice/system-postgresql.slice/postgresql@15-main.service\n").as_deref(),
            Some("postgresql@15-main.service")
        );
        assert_eq!(unit("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        assert_eq!(unit("0::/init.scope\n"), None);
    }

    #[test]
    fn the_bus_and_logins_wait_for_a_reboot() {
        let units = ["dbus.service", "ssh.service", "systemd-logind.service"].map(str::to_owned).into();
        assert_eq!(core_units(&units).len(), 2);
    }
}
