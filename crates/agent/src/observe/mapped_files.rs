//! Which processes still run on files that an update has replaced. The kernel tells:
//! a mapped file that is gone from its folder is marked `(deleted)`, proc_pid_maps(5).
//!
//! Programs in scripting languages read their modules once and map none of them; those
//! only needrestart finds.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// Programs and libraries live here. Other deleted mappings (temporary files, shared
/// memory, logs) are no sign of an update.
const PROGRAMS: [&str; 6] = ["/usr/", "/lib", "/bin/", "/sbin/", "/opt/", "/snap/"];
/// A process with a million mappings is a database, and its libraries come early.
const MAPS_BYTES: u64 = 4 << 20;

/// What runs on replaced files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaleProcesses {
    /// System services, by unit.
    pub units: BTreeSet<String>,
    /// True when PID 1 is one of them.
    pub system_manager: bool,
}

impl StaleProcesses {
    /// Looks at all processes. Without root only those of the caller can be seen.
    pub fn find() -> Self {
        let mut found = Self::default();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) else {
                continue;
            };
            if !uses_replaced_files(&entry.path().join("maps")) {
                continue;
            }
            if pid == "1" {
                found.system_manager = true;
            } else if let Ok(groups) = std::fs::read_to_string(entry.path().join("cgroup")) {
                found.units.extend(unit_of(&groups));
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

fn uses_replaced_files(maps: &Path) -> bool {
    let Ok(file) = File::open(maps) else { return false };
    let mut lines = BufReader::new(file.take(MAPS_BYTES));
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) if is_replaced(&line) => return true,
            Ok(_) => {}
        }
    }
}

/// Whether a line of `maps` is a program file that is gone.
fn is_replaced(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let Some(path) =
        text.trim_end().strip_suffix(" (deleted)").and_then(|rest| rest.find('/').map(|at| &rest[at..]))
    else {
        return false;
    };
    PROGRAMS.iter().any(|folder| path.starts_with(folder))
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
        assert!(is_replaced(
            b"7f00-7f01 r-xp 00000000 00:1f 42   /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)\n"
        ));
        assert!(!is_replaced(b"7f00-7f01 r-xp 00000000 00:1f 42   /usr/lib/x86_64-linux-gnu/libssl.so.3\n"));
        assert!(!is_replaced(b"7f00-7f01 rw-s 00000000 00:01 42   /dev/zero (deleted)\n"));
        assert!(!is_replaced(b"7f00-7f01 rw-s 00000000 00:01 42   /memfd:x (deleted)\n"));
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
