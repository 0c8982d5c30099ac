//! Small Debian packages made on the spot, good ones and broken ones.
//!
//! The `lab-canary` package is a tiny web service whose update can go wrong in
//! every way an update of a real package was seen to. Format: deb(5),
//! deb-control(5); built by `dpkg-deb`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::command::Program;
use crate::ProviderError;

/// A package to be built. Its architecture is `all`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabPackage {
    /// Its name (deb-control(5): at least two of `a-z`, `0-9`, `+`, `-`, `.`).
    pub name: String,
    /// Its version.
    pub version: String,
    /// Dependencies in control-file syntax, such as `python3 (>= 3.11)`.
    pub depends: Vec<String>,
    /// What it installs.
    pub files: Vec<PackageFile>,
    /// Files among `files` that an administrator may change, as absolute paths.
    pub conffiles: Vec<String>,
    /// Maintainer scripts by name: `preinst`, `postinst`, `prerm`, `postrm`. Each is a whole shell script.
    pub scripts: Vec<(MaintainerScript, String)>,
}

/// A file in a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Absolute path on the host.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// What is in it.
    pub content: Content,
}

/// What a packaged file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This text.
    Text(String),
    /// So many zero bytes, which take space on the host and hardly any in the package.
    Zeros(u64),
}

/// When dpkg runs a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaintainerScript {
    /// Before unpacking.
    Preinst,
    /// To configure.
    Postinst,
    /// Before removal or upgrade.
    Prerm,
    /// After removal or upgrade.
    Postrm,
}

impl MaintainerScript {
    fn file_name(self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
            Self::Prerm => "prerm",
            Self::Postrm => "postrm",
        }
    }
}

/// How an update of `lab-canary` behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// It works.
    Good,
    /// Configuring fails: apt ends with 100, the package stays half-configured.
    PostinstFails,
    /// Unpacking is refused: apt ends with 100, everything unpacked before it stays unconfigured.
    PreinstFails,
    /// It works, and asks for a reboot as a new kernel would.
    NeedsReboot,
    /// apt ends with 0, and the service is dead.
    ServiceFails,
    /// apt ends with 0 and all is well until the next boot, which has neither network nor ssh.
    BreaksAtReboot,
    /// Configuring takes so many seconds: time to kill it half-way.
    SlowPostinst {
        /// How long.
        seconds: u32,
    },
    /// Fills the host's whole disk before it unpacks: nothing can be written any more but
    /// what was set aside. The file that fills it stays, [`Canary::FILLER`].
    FillsDisk,
}

impl Canary {
    /// The port its web page, which says the version, answers on.
    pub const PORT: u16 = 9100;

    /// What [`Canary::FillsDisk`] fills the disk with.
    pub const FILLER: &str = "/var/lib/lab-canary.filler";

    /// The package in this version.
    pub fn package(self, version: &str) -> LabPackage {
        let exec = match self {
            Self::ServiceFails => "/bin/false".to_owned(),
            _ => format!("/usr/bin/python3 -m http.server {} --directory /usr/share/lab-canary", Self::PORT),
        };
        let unit = format!(
            "[Unit]\nDescription=Canary of the lab\nAfter=network.target\n\n[Service]\nExecStart={exec}\n\
             DynamicUser=yes\n\n[Install]\nWantedBy=multi-user.target\n"
        );
        let text = |path: &str, text: String| PackageFile {
            path: path.into(),
            mode: 0o644,
            content: Content::Text(text),
        };
        let mut files = vec![
            text("/usr/lib/systemd/system/lab-canary.service", unit),
            text("/usr/share/lab-canary/index.html", format!("lab-canary {version}\n")),
            text("/etc/lab-canary.conf", "greeting = hello\n".to_owned()),
        ];
        if self == Self::FillsDisk {
            // Zeros are stored packed, so there must be many for some to find no room.
            let content = Content::Zeros(256 * 1024 * 1024);
            files.push(PackageFile { path: "/opt/lab-canary/filler".into(), mode: 0o644, content });
        }
        let before = match self {
            Self::PostinstFails => "exit 1\n".to_owned(),
            Self::SlowPostinst { seconds } => format!("sleep {seconds}\n"),
            Self::NeedsReboot => {
                "touch /run/reboot-required && echo lab-canary >> /run/reboot-required.pkgs\n".to_owned()
            }
            Self::BreaksAtReboot => "systemctl --quiet mask ssh.service ssh.socket systemd-networkd.service \
                                     systemd-networkd.socket\n"
                .to_owned(),
            Self::Good | Self::PreinstFails | Self::ServiceFails | Self::FillsDisk => String::new(),
        };
        let postinst = format!(
            "#!/bin/sh\nset -e\n[ \"$1\" = configure ] || exit 0\n{before}systemctl daemon-reload || true\n\
             systemctl --quiet enable lab-canary.service || true\nsystemctl restart lab-canary.service || true\n"
        );
        let prerm = "#!/bin/sh\nset -e\n[ \"$1\" = remove ] && systemctl --quiet disable --now lab-canary.service || true\n";
        let mut scripts =
            vec![(MaintainerScript::Postinst, postinst), (MaintainerScript::Prerm, prerm.to_owned())];
        if self == Self::PreinstFails {
            scripts.push((
                MaintainerScript::Preinst,
                "#!/bin/sh\necho refused by the lab >&2\nexit 1\n".to_owned(),
            ));
        }
        if self == Self::FillsDisk {
            // Ever smaller pieces, until not even one block is left.
            let fill = format!(
                "#!/bin/sh\nsize=1073741824\nwhile [ $size -ge 4096 ]; do\n  \
                 have=$(stat -c %s {filler} 2>/dev/null || echo 0)\n  \
                 fallocate -o $have -l $size {filler} 2>/dev/null || size=$((size / 2))\ndone\nexit 0\n",
                filler = Self::FILLER
            );
            scripts.push((MaintainerScript::Preinst, fill));
        }
        LabPackage {
            name: "lab-canary".into(),
            version: version.into(),
            depends: vec!["python3".into()],
            files,
            conffiles: vec!["/etc/lab-canary.conf".into()],
            scripts,
        }
    }
}

impl LabPackage {
    /// What `dpkg-deb` names the built file.
    pub(crate) fn file_name(&self) -> String {
        // A colon, which follows an epoch, is not written in file names (deb(5)).
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, rest)| rest);
        format!("{}_{version}_all.deb", self.name)
    }

    fn control(&self) -> String {
        let mut control = format!(
            "Package: {}\nVersion: {}\nArchitecture: all\nMaintainer: Holdfast lab <lab@localhost>\n\
             Section: misc\nPriority: optional\n",
            self.name, self.version
        );
        if !self.depends.is_empty() {
            control.push_str(&format!("Depends: {}\n", self.depends.join(", ")));
        }
        control.push_str("Description: made by the Holdfast lab\n");
        control
    }

    /// Refuses what would write outside the package's own folder or break its control file.
    fn check(&self) -> Result<(), ProviderError> {
        let refuse = |reason: String| {
            Err(ProviderError::Refused { action: format!("build the package `{}`", self.name), reason })
        };
        let plain = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if self.name.len() < 2 || !plain(&self.name, "+-.") {
            return refuse("its name has characters a package name cannot have".into());
        }
        if !plain(&self.version, ".+-~:") {
            return refuse(format!("`{}` is not a version", self.version));
        }
        if self.depends.iter().any(|depends| depends.contains('\n')) {
            return refuse("a dependency spans lines".into());
        }
        let safe = |path: &str| {
            path.starts_with('/')
                && !path.contains('\n')
                && !path.split('/').any(|part| part == "." || part == "..")
        };
        match self.files.iter().find(|file| !safe(&file.path) || file.path.starts_with("/DEBIAN")) {
            Some(file) => refuse(format!("`{}` is not an absolute path of a host", file.path)),
            None => Ok(()),
        }
    }

    /// Builds the package as this file.
    pub(crate) async fn build(&self, deb: &Path) -> Result<(), ProviderError> {
        self.check()?;
        let work = tempfile::tempdir().map_err(ProviderError::file("create", std::env::temp_dir()))?;
        let write = |path: &Path, mode: u32, content: &Content| -> std::io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            match content {
                Content::Text(text) => fs::write(path, text)?,
                Content::Zeros(len) => fs::File::create(path)?.set_len(*len)?,
            }
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
        };
        let put = |path: &str, mode: u32, content: &Content| {
            let path = work.path().join(path.trim_start_matches('/'));
            write(&path, mode, content).map_err(ProviderError::file("write", path))
        };
        fs::set_permissions(work.path(), fs::Permissions::from_mode(0o755))
            .map_err(ProviderError::file("open up", work.path()))?;
        put("DEBIAN/control", 0o644, &Content::Text(self.control()))?;
        if !self.conffiles.is_empty() {
            put("DEBIAN/conffiles", 0o644, &Content::Text(self.conffiles.join("\n") + "\n"))?;
        }
        for (script, text) in &self.scripts {
            put(&format!("DEBIAN/{}", script.file_name()), 0o755, &Content::Text(text.clone()))?;
        }
        for file in &self.files {
            put(&file.path, file.mode, &file.content)?;
        }
        Program::new("dpkg-deb", format!("build the package `{}`", self.name))
            .args(["--root-owner-group", "-Zgzip", "--build"])
            .arg(work.path())
            .arg(deb)
            .run()
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flavour_differs_from_the_good_one() {
        let good = Canary::Good.package("1.1");
        for flavour in [
            Canary::PostinstFails,
            Canary::PreinstFails,
            Canary::ServiceFails,
            Canary::BreaksAtReboot,
            Canary::SlowPostinst { seconds: 3 },
            Canary::FillsDisk,
        ] {
            assert_ne!(flavour.package("1.1"), good, "{flavour:?}");
        }
        assert_eq!(good.file_name(), "lab-canary_1.1_all.deb");
    }

    #[tokio::test]
    async fn a_package_cannot_write_outside_itself() {
        let dir = tempfile::tempdir().unwrap();
        let mut package = Canary::Good.package("1.0");
        package.files[0].path = "/../../etc/passwd".into();
        let refused = package.build(&dir.path().join("x.deb")).await;
        assert!(matches!(refused, Err(ProviderError::Refused { .. })));
        let mut package = Canary::Good.package("1.0\nEssential: yes");
        package.files.clear();
        assert!(package.build(&dir.path().join("x.deb")).await.is_err());
    }
}
