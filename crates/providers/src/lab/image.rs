//! Builds the disk image that new hosts of a release start from.
//!
//! The finished image is cached as an archive under a digest of its recipe, built
//! under another name first, so that a build that fails half-way leaves nothing
//! that could be taken for an image. It holds packages of the release itself and
//! no security updates: those are pending on a new host, as on a real one.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base::{Distribution, Release, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{
    cgroup::Group,
    command::{Program, tail},
    layout,
    sources::Archives,
    storage::Storage,
};
use crate::ProviderError;

/// How far a long piece of work has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100. Never falls within one piece of work.
    pub percent: u8,
    /// What is being done, for a person.
    pub message: String,
}

/// Told of progress, from the task that does the work. It must not block.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// What Debian's cloud images ship of what Holdfast deals with, and nothing more.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,cloud-init,ufw,iproute2,nftables,\
                        iptables,sudo,curl,ca-certificates,procps,iputils-ping,less,python3,locales,needrestart";

/// A kernel as clouds boot it. A host of the lab never runs it; with it on the disk,
/// judges of a hardening look at all that they look at on a VPS.
const KERNEL: &str = "linux-image-cloud-amd64";

/// mmdebstrap leaves the network off and its own build machine's traces in.
const HOOKS: [&str; 2] = [
    "chroot \"$1\" systemctl enable systemd-networkd.service",
    "rm -f \"$1\"/etc/ssh/ssh_host_*key* \"$1\"/etc/hostname \"$1\"/etc/resolv.conf \"$1\"/etc/apt/sources.list",
];

/// Neither manual pages nor translations are read by anyone in a lab; a fifth of the image.
const LEFT_OUT: [&str; 2] = ["path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*"];

/// Debian's own keys, as `debian-archive-keyring` installs them on Debian and Ubuntu.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A build took 28 s on an idle machine of two cores and 140 s on a busy one.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What mmdebstrap says as it goes (the `I:` lines of its standard error), and
/// the percentage of its time that has passed then.
const STAGES: [(&str, u8, &str); 7] = [
    ("running apt-get update", 2, "reading the package lists"),
    ("downloading packages", 8, "downloading packages"),
    ("extracting archives", 20, "unpacking the base system"),
    ("installing essential", 30, "installing the base system"),
    ("installing remaining", 45, "installing packages"),
    ("cleaning package lists", 82, "cleaning up"),
    ("creating tarball", 85, "packing the image"),
];

/// The recipe of one release's image.
pub(crate) struct Recipe {
    codename: &'static str,
    with_kernel: bool,
}

impl Recipe {
    /// `Refused` for a release the lab cannot build.
    pub(crate) fn of(release: Release, with_kernel: bool) -> Result<Self, ProviderError> {
        match (release.distribution(), release) {
            (Distribution::Debian, Release::Debian12 | Release::Debian13) => {
                Ok(Self { codename: release.codename(), with_kernel })
            }
            _ => Err(ProviderError::Refused {
                action: format!("build an image of {release}"),
                reason: "the lab has hosts of debian-12 and debian-13 only".into(),
            }),
        }
    }

    /// mmdebstrap's arguments up to the suite.
    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = vec![
            "--variant=apt".into(),
            "--format=tar".into(),
            "--aptopt=Acquire::Languages \"none\"".into(),
            "--aptopt=Acquire::Check-Valid-Until \"false\"".into(),
            "--aptopt=Acquire::Check-Date \"false\"".into(),
        ];
        arguments.extend(LEFT_OUT.map(|option| format!("--dpkgopt={option}")));
        arguments.push(format!("--include={PACKAGES}"));
        if self.with_kernel {
            arguments.push(format!("--include={KERNEL}"));
        }
        arguments.extend(HOOKS.map(|hook| format!("--customize-hook={hook}")));
        arguments
    }

    /// Names the image: it changes when anything that goes into it does, except the archive's own content.
    pub(crate) fn id(&self) -> String {
        let text = format!("{}\n{}", self.codename, self.arguments().join("\n"));
        Sha256::of(text.as_bytes()).to_string()[..16].to_owned()
    }
}

/// What is needed to get an image ready.
pub(crate) struct Builder<'a> {
    pub(crate) cache: &'a Path,
    pub(crate) images: &'a Path,
    pub(crate) storage: Storage,
    pub(crate) archives: &'a Archives,
    pub(crate) group: Group,
    pub(crate) progress: Option<&'a OnProgress>,
}

impl Builder<'_> {
    /// The root of the image, built and unpacked if it is not there. Two callers
    /// at once build it once.
    pub(crate) async fn ready(&self, recipe: &Recipe) -> Result<PathBuf, ProviderError> {
        let root = self.images.join(recipe.id());
        if root.exists() {
            return Ok(root);
        }
        fs::create_dir_all(self.cache).map_err(ProviderError::file("create", self.cache))?;
        let _lock = layout::lock(self.cache.join(format!("{}.lock", recipe.id()))).await?;
        let archive = self.cache.join(format!("{}.tar.zst", recipe.id()));
        if !archive.exists() {
            self.build(recipe, &archive).await?;
        }
        if !root.exists() {
            self.unpack(&archive, &root).await?;
        }
        self.tell(100, format!("the image of {} is ready", recipe.codename));
        Ok(root)
    }

    async fn build(&self, recipe: &Recipe, archive: &Path) -> Result<(), ProviderError> {
        // The lock is ours, so whatever an earlier build left under this prefix has no owner.
        let prefix = format!("{}.building-", recipe.id());
        for entry in fs::read_dir(self.cache).map_err(ProviderError::file("read", self.cache))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                Storage::Copy.delete(&entry.path()).await?;
            }
        }
        let work = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(self.cache)
            .map_err(ProviderError::file("create", self.cache))?;
        let part = work.path().join("image.tar.zst");
        self.tell(0, format!("building the image of {}", recipe.codename));
        let line = format!("deb [signed-by={KEYRING}] {} {} main", self.archives.debian, recipe.codename);
        let child = Program::new("mmdebstrap", "build the image")
            .args(recipe.arguments())
            .arg(recipe.codename)
            .arg(&part)
            .arg(line)
            .env("TMPDIR", work.path())
            .spawn_with_stderr()?;
        if let Some(pid) = child.id() {
            self.group.adopt(pid)?;
        }
        self.follow(child).await?;
        fs::rename(&part, archive).map_err(ProviderError::file("rename", &part))
    }

    /// Reports progress until mmdebstrap ends.
    async fn follow(&self, mut child: tokio::process::Child) -> Result<(), ProviderError> {
        let mut said = String::new();
        let mut percent = 0;
        let run = async {
            if let Some(stderr) = child.stderr.take() {
                let mut lines = BufReader::new(stderr).split(b'\n');
                while let Ok(Some(line)) = lines.next_segment().await {
                    let line = String::from_utf8_lossy(&line);
                    if let Some((_, at, message)) = STAGES.iter().find(|(stage, ..)| line.contains(stage)) {
                        percent = percent.max(*at);
                        self.tell(percent, (*message).to_owned());
                    }
                    said.push_str(&line);
                    said.push('\n');
                    if said.len() > 64 * 1024 {
                        said = tail(&said);
                    }
                }
            }
            child.wait().await
        };
        let status = tokio::time::timeout(BUILD_LIMIT, run).await;
        let action = "build the image".to_owned();
        match status {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(ProviderError::Program {
                action,
                program: "mmdebstrap".into(),
                status: status.to_string(),
                output: tail(&said),
            }),
            Ok(Err(error)) => Err(ProviderError::Unavailable { action, found: error.to_string() }),
            Err(_) => {
                self.group.kill().await?;
                let found = format!("it was not finished after {} minutes", BUILD_LIMIT.as_secs() / 60);
                Err(ProviderError::Unavailable { action, found })
            }
        }
    }

    async fn unpack(&self, archive: &Path, root: &Path) -> Result<(), ProviderError> {
        self.tell(92, "unpacking the image".to_owned());
        let part = root.with_extension("part");
        self.storage.delete(&part).await?;
        self.storage.make(&part).await?;
        Program::new("tar", "unpack the image")
            .args(["--zstd", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf"])
            .arg(archive)
            .arg("-C")
            .arg(&part)
            .limit(BUILD_LIMIT)
            .run()
            .await?;
        fs::rename(&part, root).map_err(ProviderError::file("rename", &part))
    }

    fn tell(&self, percent: u8, message: String) {
        tracing::debug!(percent, message, "image");
        if let Some(progress) = self.progress {
            progress(Progress { percent, message });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_its_recipe() {
        let (twelve, thirteen) =
            (Recipe::of(Release::Debian12, false).unwrap(), Recipe::of(Release::Debian13, false).unwrap());
        assert_eq!(twelve.id(), Recipe::of(Release::Debian12, false).unwrap().id());
        assert_ne!(twelve.id(), thirteen.id());
        assert_ne!(twelve.id(), Recipe::of(Release::Debian12, true).unwrap().id());
        assert_eq!(twelve.id().len(), 16);
        assert!(matches!(Recipe::of(Release::Ubuntu2404, false), Err(ProviderError::Refused { .. })));
    }

    #[test]
    fn stages_come_in_rising_order() {
        assert!(STAGES.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }
}
