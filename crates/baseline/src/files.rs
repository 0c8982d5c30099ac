//! The files a baseline writes, each with its reason. They hold no secret and are the
//! same on every host, so that a digest proves them.

use wire::{Posture, RepairFile};

use crate::{Baseline, sshd, updaters};

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
pub const WATCHED_FILES: [&str; 3] = [sshd::SSHD_FILE, updaters::APT_FILE, updaters::NEEDRESTART_FILE];

impl Baseline {
    /// Every file of the hardening.
    pub fn files(&self) -> Vec<BaselineFile> {
        let file = |path, contents, why| BaselineFile { path, mode: 0o644, contents, why };
        vec![
            file(sshd::SSHD_FILE, sshd::contents(), "SSH takes keys only, and sound algorithms only"),
            file(updaters::APT_FILE, updaters::apt_contents(), "apt does nothing by itself"),
            file(
                updaters::NEEDRESTART_FILE,
                updaters::needrestart_contents(),
                "needrestart lists services and leaves restarting them to a run",
            ),
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
    fn reads_as_reviewed() {
        let files = baseline(Service::Bare).files();
        assert_eq!(
            files[0].contents,
            "# Written by Holdfast. Changes are shown as drift.\n\
             PermitRootLogin prohibit-password\n\
             PubkeyAuthentication yes\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             PermitEmptyPasswords no\n\
             HostbasedAuthentication no\n\
             MaxAuthTries 3\n\
             LoginGraceTime 30\n\
             X11Forwarding no\n\
             AllowAgentForwarding no\n\
             AllowTcpForwarding no\n\
             PermitTunnel no\n\
             PermitUserEnvironment no\n\
             KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org\n\
             Ciphers aes256-gcm@openssh.com,aes128-gcm@openssh.com\n\
             MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com\n"
        );
        assert_eq!(
            files[1].contents,
            "// Written by Holdfast. Packages change in runs only.\n\
             APT::Periodic::Enable \"0\";\n\
             APT::Periodic::Update-Package-Lists \"0\";\n\
             APT::Periodic::Download-Upgradeable-Packages \"0\";\n\
             APT::Periodic::Unattended-Upgrade \"0\";\n\
             APT::Periodic::AutocleanInterval \"0\";\n\
             Unattended-Upgrade::Automatic-Reboot \"false\";\n"
        );
        assert_eq!(
            files[2].contents,
            "# Written by Holdfast. List what needs a restart; a run restarts it.\n$nrconf{restart} = 'l';\n"
        );
    }
}
