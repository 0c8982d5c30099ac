//! The lab: real Debian hosts on this very machine, under systemd-nspawn.
//!
//! A driver like the others, whose hosts boot in seconds and cost nothing. Needs
//! root. State is one folder; everything outside it carries the lab's id (see
//! `layout`). Hosts and the mirror run in processes of their own and survive the
//! death of the control plane.
//!
//! ```text
//! image ──copy──► root ──seed──► supervisor ──► systemd-nspawn ──► host
//!                  │ ▲                                              │
//!          snapshot▼ │restore                     bridge ◄──────────┤
//!               snapshots                         mirror ◄──apt─────┘
//! ```
//!
//! A host shares this machine's kernel: uptime, memory, load and `kernel.*`
//! settings shine through. A boot is told apart by `/proc/sys/kernel/random/boot_id`.
//! On machines run by systemd the lab makes its control groups beside systemd's own.

mod cgroup;
mod clean;
mod command;
mod container;
mod doctor;
mod driver;
mod exec;
mod fault;
mod firewall;
mod image;
mod layout;
mod mirror;
mod network;
mod package;
mod power;
mod probe;
mod record;
mod repo;
mod restore;
mod seed;
mod sources;
mod storage;
mod supervisor;

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub use clean::{clean, clean_all};
pub use doctor::{Finding, Severity, doctor};
pub use exec::Output;
pub use fault::{Fault, FaultKind};
pub use image::{OnProgress, Progress};
pub use layout::LabId;
pub use mirror::serve_mirror;
pub use package::{Canary, Content, LabPackage, MaintainerScript, PackageFile};
pub use probe::Probe;
pub use repo::Repo;
pub use sources::Archives;
pub use supervisor::supervise;

use layout::Layout;
use network::Subnet;
use storage::Storage;

use crate::ProviderError;

/// Where a lab registers itself, so that `clean_all` finds labs whose folder it was never told.
const REGISTRY: &str = "/run/holdfast-lab";

/// What a lab is opened with.
#[derive(Clone)]
pub struct LabConfig {
    /// Where everything of this lab is kept; made if missing. On a file system that can hold a
    /// sparse file.
    pub state_dir: PathBuf,
    /// Where built images and downloaded packages are kept. May be shared between labs.
    pub cache_dir: PathBuf,
    /// The program, with its first arguments, that runs the lab's two background processes. Called
    /// with `mirror --state DIR` and `supervise --state DIR NAME` appended, it must call
    /// [`serve_mirror`] and [`supervise`].
    pub helper_command: Vec<OsString>,
    /// The archives hosts install from. `None`: those this machine's own apt uses.
    pub archives: Option<Archives>,
    /// The size the lab's disk may grow to, in bytes; at least 1 GiB. It takes no space before it is used.
    pub disk_bytes: u64,
    /// Keep the disks of a new lab as plain folders even where btrfs works: slower, and snapshots
    /// stop their host. A lab that exists keeps the disks it has.
    pub plain_disks: bool,
    /// Have a kernel package on the disks of new hosts, as a VPS has, though none of them runs it.
    pub with_kernel: bool,
    /// Told how far the building of an image has come.
    pub progress: Option<OnProgress>,
}

impl LabConfig {
    /// A lab in this folder, with its cache inside and a disk of up to 64 GiB.
    pub fn new(state_dir: impl Into<PathBuf>, helper_command: Vec<OsString>) -> Self {
        let state_dir = state_dir.into();
        Self {
            cache_dir: state_dir.join("cache"),
            state_dir,
            helper_command,
            archives: None,
            disk_bytes: 64 << 30,
            plain_disks: false,
            with_kernel: false,
            progress: None,
        }
    }
}

/// What stays the same for a lab's life, in `lab.json`; its background processes read it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) id: LabId,
    pub(crate) subnet: Subnet,
    pub(crate) storage: Storage,
    pub(crate) cache_dir: PathBuf,
    pub(crate) archives: Archives,
}

impl Settings {
    pub(crate) fn read(layout: &Layout) -> Result<Self, ProviderError> {
        layout::read_json(&layout.settings())?.ok_or_else(|| ProviderError::NotFound {
            kind: "lab in",
            name: layout.state_dir.display().to_string(),
        })
    }
}

/// An open lab. Dropping it leaves its hosts running.
pub struct Lab {
    layout: Layout,
    settings: Settings,
    helper_command: Vec<OsString>,
    with_kernel: bool,
    progress: Option<OnProgress>,
}

impl Lab {
    /// Opens the lab in the configured folder, making it the first time. Finishes
    /// what a crash interrupted, and starts the mirror if it does not run. Hosts
    /// that are stopped stay stopped.
    ///
    /// # Errors
    /// `Missing` without root or a needed program; see [`doctor`] for all that is missing at once.
    pub async fn open(config: LabConfig) -> Result<Self, ProviderError> {
        if !nix::unistd::Uid::effective().is_root() {
            return Err(ProviderError::Missing {
                what: "root".into(),
                hint: "run this as root, with `sudo`".into(),
            });
        }
        let state_dir = made(&config.state_dir, 0o755)?;
        let cache_dir = made(&config.cache_dir, 0o755)?;
        let layout = Layout::new(&state_dir);
        let id = LabId::of(&state_dir);
        if !layout.is_lab(&id) {
            refuse_strangers_folder(&state_dir, &cache_dir)?;
        }
        made(Path::new(REGISTRY), 0o755)?;
        let archives = match config.archives {
            Some(archives) => archives,
            None => Archives::of_machine(Path::new("/etc/apt"))?,
        };
        let lock = layout::lock(layout.lock()).await?;
        let former = layout::read_json::<Settings>(&layout.settings())?;
        if former.is_none() {
            make_way(&layout, &id).await?;
        }
        made(&layout.records(), 0o700)?;
        let settings = match former {
            Some(former) => {
                former.storage.ready(&layout, &id).await?;
                network::raise_bridge(&id, former.subnet).await?;
                Settings { id, cache_dir, archives, ..former }
            }
            None => {
                let disk_bytes = (!config.plain_disks).then_some(config.disk_bytes.max(1 << 30));
                let storage = Storage::set_up(&layout, &id, disk_bytes).await?;
                // Two labs must not choose the same network between looking and raising the bridge.
                let _choosing = layout::lock(Path::new(REGISTRY).join("network.lock")).await?;
                let subnet = Subnet::pick_unused().await?;
                network::raise_bridge(&id, subnet).await?;
                Settings { id, subnet, storage, cache_dir, archives }
            }
        };
        layout::write_json(&layout.settings(), &settings)?;
        layout::write_atomically(
            &Path::new(REGISTRY).join(settings.id.as_str()),
            state_dir.as_os_str().as_encoded_bytes(),
        )?;
        let lab = Self {
            layout,
            settings,
            helper_command: config.helper_command,
            with_kernel: config.with_kernel,
            progress: config.progress,
        };
        lab.repo().set_up().await?;
        doctor::raise_inotify_limit()?;
        lab.start_mirror().await?;
        firewall::raise(&lab.layout, &lab.settings.id).await?;
        drop(lock);
        lab.finish_restores().await?;
        Ok(lab)
    }

    /// The lab's id, part of the name of everything it makes outside its folder.
    pub fn id(&self) -> &LabId {
        &self.settings.id
    }

    /// The addresses under which hosts reach the control plane.
    pub fn control_plane_addresses(&self) -> (Ipv4Addr, Ipv6Addr) {
        (self.settings.subnet.v4(1), self.settings.subnet.v6(1))
    }

    /// The lab's own package repository, which every host has among its apt sources.
    pub fn repo(&self) -> Repo {
        Repo::new(self.layout.repo())
    }

    /// Spoils requests to the mirror from now on; an empty list ends that.
    ///
    /// # Errors
    /// If the file the mirror reads them from cannot be written.
    pub fn set_faults(&self, faults: &[Fault]) -> Result<(), ProviderError> {
        layout::write_json(&self.layout.faults(), &faults)
    }

    /// Starts the mirror and waits until it answers. One that runs is left alone.
    ///
    /// # Errors
    /// `Unavailable` if it does not come up in 20 s.
    pub async fn start_mirror(&self) -> Result<(), ProviderError> {
        let address = (self.settings.subnet.v4(1), mirror::PORT);
        let mut child = None;
        // It answers within 0.1 s of starting; a busy machine may take seconds to run it at all.
        for _ in 0..400 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            if child.is_none() {
                child = Some(self.spawn_helper(&["mirror"], None, &self.layout.mirror_log())?);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(ProviderError::Unavailable {
            action: "start the lab's mirror".into(),
            found: format!(
                "no answer on {}:{}; see `{}`",
                address.0,
                address.1,
                self.layout.mirror_log().display()
            ),
        })
    }

    /// Ends the mirror: hosts find connections refused until it is started again.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be killed.
    pub async fn stop_mirror(&self) -> Result<(), ProviderError> {
        cgroup::Group::of_lab(&self.settings.id).child("@mirror").kill().await
    }

    /// Starts one of the two background processes, which detaches itself.
    fn spawn_helper(
        &self,
        words: &[&str],
        host: Option<&base::HostName>,
        log: &Path,
    ) -> Result<tokio::process::Child, ProviderError> {
        let Some((program, arguments)) = self.helper_command.split_first() else {
            return Err(ProviderError::Missing {
                what: "the command that runs the lab's background processes".into(),
                hint: "set `helper_command` when opening the lab".into(),
            });
        };
        let log_file = fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(ProviderError::file("open", log))?;
        let second = log_file.try_clone().map_err(ProviderError::file("open", log))?;
        tokio::process::Command::new(program)
            .args(arguments)
            .args(words)
            .arg("--state")
            .arg(&self.layout.state_dir)
            .args(host.map(base::HostName::as_str))
            .stdin(std::process::Stdio::null())
            .stdout(log_file)
            .stderr(second)
            .current_dir("/")
            .spawn()
            .map_err(|error| ProviderError::Unavailable {
                action: "start a background process of the lab".into(),
                found: format!("`{}` could not be started: {error}", program.display()),
            })
    }
}

/// A new lab begins in an empty folder, since its names (`hosts`, `repo`) are common
/// ones and cleaning deletes what they name.
fn refuse_strangers_folder(state_dir: &Path, cache_dir: &Path) -> Result<(), ProviderError> {
    let entries = fs::read_dir(state_dir).map_err(ProviderError::file("read", state_dir))?;
    match entries.flatten().find(|entry| !cache_dir.starts_with(entry.path())) {
        None => Ok(()),
        Some(entry) => Err(ProviderError::Refused {
            action: format!("make a lab in `{}`", state_dir.display()),
            reason: format!("the folder is not empty: it holds `{}`", entry.file_name().display()),
        }),
    }
}

/// Removes what a set-up that was interrupted left, so that a new one begins from
/// nothing. A folder that has hosts but no settings is left to the operator.
async fn make_way(layout: &Layout, id: &LabId) -> Result<(), ProviderError> {
    if layout.records().exists() && !record::HostRecord::all(layout)?.is_empty() {
        return Err(ProviderError::Damaged {
            path: layout.settings(),
            reason: "it is missing, though the lab has hosts".into(),
        });
    }
    clean::wipe(layout, id).await
}

/// Makes a folder with these permissions if it is missing, and returns its absolute path.
fn made(dir: &Path, mode: u32) -> Result<PathBuf, ProviderError> {
    if !dir.exists() {
        fs::create_dir_all(dir).map_err(ProviderError::file("create", dir))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(mode))
            .map_err(ProviderError::file("open up", dir))?;
    }
    dir.canonicalize().map_err(ProviderError::file("find", dir))
}
