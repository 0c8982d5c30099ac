//! The files a baseline writes, each with its reason. They hold no secret and are the
//! same on every host, so that a digest proves them.

use wire::{Posture, RepairFile};

use crate::{
    Baseline, accounts, auditing, banner, core_dumps, integrity, journal, metadata, modules, permissions,
    sshd, sudo, sysctl, updaters,
};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaselineFile {
    /// Where it is written.
    pub path: &'static str,
    /// Permission bits. The owner is root.
    pub mode: u16,
    /// All of its contents.
    pub contents: String,
    /// Why it is there, for people.
    pub why: &'static str,
}

impl BaselineFile {
    /// The digest that a host reports for it.
    pub fn sha256(&self) -> base::Sha256 {
        base::Sha256::of(self.contents.as_bytes())
    }
}

/// The paths of [`Baseline::files`]: what an agent reports digests of.
pub const WATCHED_FILES: [&str; 22] = [
    sshd::SSHD_FILE,
    updaters::APT_FILE,
    updaters::NEEDRESTART_FILE,
    sysctl::SYSCTL_FILE,
    modules::MODULES_FILE,
    accounts::LIMITS_FILE,
    accounts::PROFILE_FILE,
    accounts::PASSWORDS_FILE,
    sudo::SUDO_FILE,
    banner::BANNER_FILES[0],
    banner::BANNER_FILES[1],
    journal::JOURNAL_FILE,
    core_dumps::COLLECTOR_FILE,
    core_dumps::SERVICES_FILE,
    auditing::RULES_FILE,
    auditing::UNIT_FILE,
    metadata::TABLE_FILE,
    metadata::UNIT_FILE,
    permissions::ALLOW_FILE,
    integrity::RULES_FILE,
    integrity::SERVICE_FILE,
    integrity::TIMER_FILE,
];

impl Baseline {
    /// Every file of the hardening.
    pub fn files(&self) -> Vec<BaselineFile> {
        let file = |path, contents: &str, why| BaselineFile {
            path,
            mode: 0o644,
            contents: contents.to_owned(),
            why,
        };
        let narrow = |path, mode, contents: &str, why| BaselineFile { mode, ..file(path, contents, why) };
        let cores = "a core dump holds the secrets of the program that died";
        let changes = "what changed in the settings that decide who gets in is noted every day";
        let metadata = "user-data lies at the metadata address for any process to read";
        let words = "whoever comes to a sign-in is told whose it is, and nothing about the host";
        vec![
            file(sshd::SSHD_FILE, &sshd::contents(), "SSH takes keys only, and sound algorithms only"),
            file(
                updaters::APT_FILE,
                &updaters::apt_contents(),
                "apt does nothing by itself and takes nothing unsigned",
            ),
            file(
                updaters::NEEDRESTART_FILE,
                &updaters::needrestart_contents(),
                "needrestart lists services and leaves restarting them to a run",
            ),
            file(sysctl::SYSCTL_FILE, &sysctl::contents(), "the kernel gives nothing away and trusts nobody"),
            file(modules::MODULES_FILE, &modules::contents(), "what is never loaded has no holes"),
            file(accounts::LIMITS_FILE, accounts::LIMITS, cores),
            file(accounts::PROFILE_FILE, accounts::PROFILE, "a session left alone ends"),
            file(
                accounts::PASSWORDS_FILE,
                accounts::PASSWORDS,
                "whoever sets a password must not set a weak one",
            ),
            narrow(sudo::SUDO_FILE, 0o440, sudo::SUDO, "a command run as root must not be led astray"),
            file(banner::BANNER_FILES[0], banner::BANNER, words),
            file(banner::BANNER_FILES[1], banner::BANNER, words),
            file(journal::JOURNAL_FILE, journal::JOURNAL, "the journal is kept and never fills the disk"),
            file(core_dumps::COLLECTOR_FILE, core_dumps::COLLECTOR, cores),
            file(core_dumps::SERVICES_FILE, core_dumps::SERVICES, cores),
            narrow(
                auditing::RULES_FILE,
                0o640,
                &auditing::contents(),
                "somebody must be able to say what was done",
            ),
            file(auditing::UNIT_FILE, auditing::UNIT, "in a container the audit daemon can only fail"),
            file(metadata::TABLE_FILE, metadata::TABLE, metadata),
            file(metadata::UNIT_FILE, metadata::UNIT, metadata),
            narrow(permissions::ALLOW_FILE, 0o640, permissions::ALLOW, "root alone has jobs"),
            narrow(integrity::RULES_FILE, 0o640, integrity::RULES, changes),
            file(integrity::SERVICE_FILE, integrity::SERVICE, changes),
            file(integrity::TIMER_FILE, integrity::TIMER, changes),
        ]
    }
}

impl Baseline {
    /// The files that a host has to be given back: missing or changed ones.
    pub fn files_to_repair(&self, posture: &Posture) -> Vec<RepairFile> {
        let files = self.files().into_iter();
        let differs = |file: &BaselineFile| posture.files.get(file.path) != Some(&file.sha256());
        let repair = |file: BaselineFile| RepairFile {
            path: file.path.to_owned(),
            mode: file.mode,
            contents: file.contents,
        };
        files.filter(differs).map(repair).collect()
    }

    /// The units that run by themselves and must not.
    pub fn units_to_mask(&self, posture: &Posture) -> Vec<String> {
        let units = posture.updaters.iter().filter(|(unit, state)| {
            updaters::UPDATER_UNITS.contains(&unit.as_str()) && !updaters::is_quiet(state)
        });
        units.map(|(unit, _)| unit.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Service, description::tests::baseline};

    #[test]
    fn the_watched_paths_are_those_written() {
        let written: Vec<_> = baseline(Service::Bare).files().iter().map(|file| file.path).collect();
        assert_eq!(written, WATCHED_FILES);
    }

    #[test]
    fn a_changed_file_has_another_digest() {
        for file in baseline(Service::Bare).files() {
            let changed = BaselineFile { contents: format!("{} ", file.contents), ..file.clone() };
            assert_ne!(changed.sha256(), file.sha256());
            assert!(file.contents.ends_with('\n') && !file.why.is_empty(), "{}", file.path);
        }
    }

    #[test]
    fn sudo_takes_its_drop_in() {
        let files = baseline(Service::Bare).files();
        let sudo = files.iter().find(|file| file.path == sudo::SUDO_FILE).expect("a drop-in");
        // It refuses to read one that others may write to, or whose name has a dot.
        assert_eq!(
            (sudo.mode, sudo.path.rsplit('/').next().is_some_and(|name| name.contains('.'))),
            (0o440, false)
        );
        assert!(!sudo.contents.contains("requiretty") && !sudo.contents.contains("noexec"));
    }

    #[test]
    fn reads_as_reviewed() {
        let files = baseline(Service::Bare).files();
        let of = |path: &str| {
            let file = files.iter().find(|file| file.path == path).expect(path);
            file.contents.as_str()
        };
        for (path, line) in [
            (sshd::SSHD_FILE, "PasswordAuthentication no"),
            (sshd::SSHD_FILE, "HostKey /etc/ssh/ssh_host_ed25519_key"),
            (sshd::SSHD_FILE, "HostKey /etc/ssh/ssh_host_rsa_key"),
            (updaters::APT_FILE, "APT::Periodic::Unattended-Upgrade \"0\";"),
            (updaters::APT_FILE, "Unattended-Upgrade::Automatic-Reboot \"false\";"),
            (updaters::APT_FILE, "Acquire::AllowInsecureRepositories \"false\";"),
            (updaters::NEEDRESTART_FILE, "$nrconf{restart} = 'l';"),
            (sysctl::SYSCTL_FILE, "kernel.kptr_restrict = 2"),
            (modules::MODULES_FILE, "install usb-storage /bin/false"),
            (modules::MODULES_FILE, "blacklist usb-storage"),
            (auditing::RULES_FILE, "-w /etc/sudoers -p wa -k sudo"),
        ] {
            assert!(of(path).lines().any(|found| found == line), "{path}: {line}");
        }
    }
}
