//! Says what this machine lacks for a lab, and what an earlier lab left behind.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    cgroup::Group,
    image::KEYRING,
    layout::{self, LabId, Layout},
    network, probe,
    record::HostRecord,
    storage::{self, Storage},
};
use crate::ProviderError;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No lab can run.
    Blocks,
    /// A lab runs slower or with fewer hosts.
    Degrades,
    /// Something is left of a lab that does not run any more.
    Leftover,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// Every program the lab runs, with the Debian and Ubuntu package that has it.
const PROGRAMS: [(&str, &str); 16] = [
    ("apt-ftparchive", "apt-utils"),
    ("btrfs", "btrfs-progs"),
    ("dpkg", "dpkg"),
    ("dpkg-deb", "dpkg"),
    ("gpg", "gpg"),
    ("gpgconf", "gpgconf"),
    ("ip", "iproute2"),
    ("losetup", "mount"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("mmdebstrap", "mmdebstrap"),
    ("mount", "mount"),
    ("nsenter", "util-linux"),
    ("systemd-nspawn", "systemd-container"),
    ("tar", "tar"),
    ("umount", "mount"),
    ("zstd", "zstd"),
];

/// Each host takes eight or more inotify instances, and the kernel's default is 128 for all of root.
const INOTIFY_INSTANCES: u32 = 8192;
const INOTIFY_FILE: &str = "/proc/sys/fs/inotify/max_user_instances";

/// How to install a program.
pub(crate) fn install_hint(program: &str) -> String {
    match PROGRAMS.iter().find(|(name, _)| *name == program) {
        Some((_, package)) => format!("install it with `apt-get install {package}`"),
        None => format!("install the package that has `{program}`"),
    }
}

/// Where a program is, by `PATH` and the system folders that a user's `PATH` may lack.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Raises the machine's limit on inotify instances if it is too low for many hosts.
/// The only setting of the machine itself that a lab changes; it lasts until the machine restarts.
pub(crate) fn raise_inotify_limit() -> Result<(), ProviderError> {
    let now = inotify_limit();
    if now < INOTIFY_INSTANCES {
        fs::write(INOTIFY_FILE, INOTIFY_INSTANCES.to_string())
            .map_err(ProviderError::file("write", INOTIFY_FILE))?;
        tracing::info!(
            from = now,
            to = INOTIFY_INSTANCES,
            "raised fs.inotify.max_user_instances until the next boot"
        );
    }
    Ok(())
}

fn inotify_limit() -> u32 {
    fs::read_to_string(INOTIFY_FILE).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Looks at this machine and at the lab in this folder, changing nothing. Worst first.
pub fn doctor(state_dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |severity, what: String, hint: String| findings.push(Finding { severity, what, hint });
    if !nix::unistd::Uid::effective().is_root() {
        add(Severity::Blocks, "this process is not root".into(), "run it with `sudo`".into());
    }
    for (program, package) in PROGRAMS {
        if find_program(program).is_none() {
            let severity = if package == "btrfs-progs" { Severity::Degrades } else { Severity::Blocks };
            add(severity, format!("the program `{program}` is missing"), install_hint(program));
        }
    }
    if !Path::new(KEYRING).exists() {
        let hint = "install it with `apt-get install debian-archive-keyring`".into();
        add(Severity::Blocks, format!("Debian's keys are not at `{KEYRING}`"), hint);
    }
    if let Err(error) = super::Archives::of_machine(Path::new("/etc/apt")) {
        add(
            Severity::Blocks,
            error.to_string(),
            "a lab needs a Debian archive to build its images from".into(),
        );
    }
    if !Path::new("/dev/loop-control").exists() {
        let hint = "disks are copied as plain files: creating a host takes seconds, snapshots stop it".into();
        add(Severity::Degrades, "this machine has no loop devices".into(), hint);
    }
    if inotify_limit() < INOTIFY_INSTANCES {
        let what = format!("fs.inotify.max_user_instances is {}", inotify_limit());
        add(Severity::Degrades, what, format!("opening a lab raises it to {INOTIFY_INSTANCES}"));
    }
    if fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables").is_ok_and(|text| text.trim() == "1")
    {
        let hint = "if hosts cannot reach each other, accept what is forwarded from and to `labbr-*`".into();
        add(Severity::Degrades, "this machine's firewall also filters what stays on a bridge".into(), hint);
    }
    leftovers(state_dir, &mut add);
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn leftovers(state_dir: &Path, add: &mut impl FnMut(Severity, String, String)) {
    let state_dir = state_dir.canonicalize().unwrap_or_else(|_| state_dir.to_owned());
    let (layout, own) = (Layout::new(&state_dir), LabId::of(&state_dir));
    let clean = || "clean the lab".to_owned();
    let settings = layout::read_json::<super::Settings>(&layout.settings());
    if let Err(error) = &settings {
        add(Severity::Leftover, error.to_string(), clean());
    }
    let alive = matches!(&settings, Ok(Some(_)));
    for id in super::clean::known_labs().into_iter().filter(|id| *id != own || !alive) {
        if id != own
            && super::clean::state_dir_of(&id).is_some_and(|dir| Layout::new(&dir).settings().exists())
        {
            // A lab of someone else, in good order as far as can be seen from here.
            continue;
        }
        let hint = || match id == own {
            true => clean(),
            false => format!("nothing uses lab `{}` any more; clean all labs", id.as_str()),
        };
        let processes = Group::of_lab(&id).processes().len();
        if processes > 0 {
            add(Severity::Leftover, format!("{processes} processes of a lab without a folder"), hint());
        } else if Group::of_lab(&id).exists() {
            add(Severity::Leftover, "control groups of a lab without a folder".into(), hint());
        }
        if network::exists(&id.bridge()) {
            add(Severity::Leftover, format!("the bridge `{}`", id.bridge()), hint());
        }
        for device in storage::loop_devices(&id) {
            add(Severity::Leftover, format!("the loop device `{device}`"), hint());
        }
        for name in probe::names_of(&id.probe_prefix()) {
            add(Severity::Leftover, format!("the network namespace `{name}`"), hint());
        }
    }
    let Ok(Some(settings)) = settings else { return };
    if settings.storage == Storage::Btrfs && !storage::mounted(&layout.pool()).unwrap_or(false) {
        add(Severity::Degrades, "the lab's disk is not mounted".into(), "open the lab".into());
    }
    let records = HostRecord::all(&layout).unwrap_or_default();
    for name in Group::of_lab(&own).children() {
        let known = name.starts_with('@') || records.iter().any(|record| record.name.as_str() == name);
        let group = Group::of_lab(&own).child(&name);
        if !known {
            add(Severity::Leftover, format!("control groups of `{name}`, which is no host"), clean());
        } else if !group.child("box").processes().is_empty() && group.child("watch").processes().is_empty() {
            let hint = "reboot it: without a supervisor it stays off when it reboots itself".into();
            add(Severity::Degrades, format!("the host `{name}` runs without its supervisor"), hint);
        }
    }
    for record in &records {
        if layout.intent(&record.name).exists() {
            let what = format!("a restore of `{}` was interrupted or is under way", record.name);
            add(Severity::Degrades, what, "open the lab, which finishes it".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        assert_eq!(install_hint("systemd-nspawn"), "install it with `apt-get install systemd-container`");
        assert!(find_program("sh").is_some());
        assert!(find_program("no-such-program").is_none());
    }

    #[test]
    fn the_worst_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let findings = doctor(dir.path());
        assert!(findings.is_sorted_by_key(|finding| finding.severity));
    }
}
