//! Where a lab keeps what, and what its things on the machine are called.
//!
//! Every name outside the state folder carries the lab's id, which follows from
//! the folder's path alone: a lab can be cleaned up when its files are gone, and
//! two labs never touch each other's things.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    str::FromStr,
};

use base::{HostName, Sha256};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{ProviderError, SnapshotName};

/// A lab's id: six hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LabId(String);

impl LabId {
    /// The id of the lab whose state is in this folder. The path must be absolute.
    pub(crate) fn of(state_dir: &Path) -> Self {
        let digest = Sha256::of(state_dir.as_os_str().as_encoded_bytes()).to_string();
        Self(digest[..6].to_owned())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The lab's bridge, 12 bytes; the kernel takes 15.
    pub(crate) fn bridge(&self) -> String {
        format!("labbr-{}", self.0)
    }

    /// The name a host's container has on this machine.
    pub(crate) fn machine(&self, number: u8) -> String {
        format!("{}-{number}", self.0)
    }

    /// A host's virtual cable, which systemd names after its container. It must fit the kernel's 15
    /// bytes or systemd hashes it.
    pub(crate) fn cable(&self, number: u8) -> String {
        format!("vb-{}", self.machine(number))
    }

    /// The name every network namespace and probe cable of this lab begins with.
    pub(crate) fn probe_prefix(&self) -> String {
        format!("lp-{}-", self.0)
    }

    /// The file that holds the lab's btrfs file system. Loop devices are recognised by it.
    pub(crate) fn disk_file(&self) -> String {
        format!("lab-{}.btrfs", self.0)
    }
}

impl FromStr for LabId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fits = text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if fits { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

/// The files of one lab.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) state_dir: PathBuf,
}

impl Layout {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned() }
    }

    /// The lab's own settings, `lab.json`.
    pub(crate) fn settings(&self) -> PathBuf {
        self.state_dir.join("lab.json")
    }

    /// Held while the lab itself changes: set-up, image, choice of a host's number.
    pub(crate) fn lock(&self) -> PathBuf {
        self.state_dir.join("lab.lock")
    }

    /// Whether the folder is a lab's, so that what is named like a lab's parts may be deleted.
    pub(crate) fn is_lab(&self, id: &LabId) -> bool {
        [self.lock(), self.settings(), self.disk(id)].iter().any(|file| file.exists())
    }

    /// The firewall in front of hosts, as it was last set.
    pub(crate) fn firewall(&self) -> PathBuf {
        self.state_dir.join("firewall.nft")
    }

    /// Held while it is set.
    pub(crate) fn firewall_lock(&self) -> PathBuf {
        self.state_dir.join("firewall.lock")
    }

    /// Which requests the mirror spoils on purpose.
    pub(crate) fn faults(&self) -> PathBuf {
        self.state_dir.join("faults.json")
    }

    /// Held by the mirror process for its life.
    pub(crate) fn mirror_lock(&self) -> PathBuf {
        self.state_dir.join("mirror.lock")
    }

    pub(crate) fn mirror_log(&self) -> PathBuf {
        self.state_dir.join("mirror.log")
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.state_dir.join("repo")
    }

    pub(crate) fn disk(&self, id: &LabId) -> PathBuf {
        self.state_dir.join(id.disk_file())
    }

    /// Where disks live: images, hosts and snapshots.
    pub(crate) fn pool(&self) -> PathBuf {
        self.state_dir.join("pool")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.pool().join("images")
    }

    pub(crate) fn roots(&self) -> PathBuf {
        self.pool().join("hosts")
    }

    /// The root directory of a host.
    pub(crate) fn root(&self, host: &HostName) -> PathBuf {
        self.roots().join(host.as_str())
    }

    /// The root of a host while a restore prepares it. The dot keeps it apart from every host's name.
    pub(crate) fn next_root(&self, host: &HostName) -> PathBuf {
        self.roots().join(format!("{host}.next"))
    }

    /// The former root of a host until a restore has finished.
    pub(crate) fn former_root(&self, host: &HostName) -> PathBuf {
        self.roots().join(format!("{host}.former"))
    }

    pub(crate) fn snapshots(&self, host: &HostName) -> PathBuf {
        self.pool().join("snapshots").join(host.as_str())
    }

    pub(crate) fn snapshot(&self, host: &HostName, name: &SnapshotName) -> PathBuf {
        self.snapshots(host).join(name.as_str())
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.state_dir.join("hosts")
    }

    pub(crate) fn record(&self, host: &HostName) -> PathBuf {
        self.records().join(format!("{host}.json"))
    }

    /// What a restore set out to do; present until it is done.
    pub(crate) fn intent(&self, host: &HostName) -> PathBuf {
        self.records().join(format!("{host}.intent"))
    }

    /// Held by whoever changes a host.
    pub(crate) fn host_lock(&self, host: &HostName) -> PathBuf {
        self.records().join(format!("{host}.lock"))
    }

    /// Held by a host's supervisor for its life.
    pub(crate) fn supervisor_lock(&self, host: &HostName) -> PathBuf {
        self.records().join(format!("{host}.supervisor"))
    }

    /// Console output of a host and of its supervisor.
    pub(crate) fn host_log(&self, host: &HostName) -> PathBuf {
        self.records().join(format!("{host}.log"))
    }
}

/// Writes a file so that a reader, or a crash, sees the old text or the new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ProviderError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(ProviderError::file("write", path))
}

/// Writes a value as JSON, atomically.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ProviderError> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| ProviderError::Damaged { path: path.to_owned(), reason: error.to_string() })?;
    write_atomically(path, &text)
}

/// Reads a JSON file of ours; `None` if there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ProviderError> {
    /// Our own files are a few hundred bytes.
    const MAX: u64 = 1024 * 1024;
    let damaged = |reason: String| ProviderError::Damaged { path: path.to_owned(), reason };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ProviderError::file("read", path)(error)),
        Ok(meta) if meta.len() > MAX => return Err(damaged(format!("it has {} bytes", meta.len()))),
        Ok(_) => {}
    }
    let text = fs::read(path).map_err(ProviderError::file("read", path))?;
    serde_json::from_slice(&text).map(Some).map_err(|error| damaged(error.to_string()))
}

/// Removes a file that may be gone already.
pub(crate) fn remove_file(path: &Path) -> Result<(), ProviderError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ProviderError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Takes an exclusive lock on a file, waiting for whoever holds it. Released on
/// drop, and by the kernel when the process dies.
pub(crate) async fn lock(path: PathBuf) -> Result<fs::File, ProviderError> {
    let shown = path.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let file = fs::File::options().create(true).append(true).open(&path)?;
        file.lock()?;
        Ok(file)
    });
    taken
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(ProviderError::file("lock", shown))
}

/// Takes an exclusive lock unless someone holds it.
pub(crate) fn try_lock(path: &Path) -> Result<Option<fs::File>, ProviderError> {
    let file = fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(ProviderError::file("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(ProviderError::file("lock", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_lab_fit_the_kernel_and_follow_from_its_folder() {
        let id = LabId::of(Path::new("/var/lib/holdfast/lab"));
        assert_eq!(id, LabId::of(Path::new("/var/lib/holdfast/lab")));
        assert_ne!(id, LabId::of(Path::new("/var/lib/holdfast/other")));
        assert!(id.bridge().len() <= 15);
        assert!(id.cable(254).len() <= 15);
        assert!(format!("{}249", id.probe_prefix()).len() <= 15);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert!("../../x".parse::<LabId>().is_err());
    }

    #[test]
    fn a_strangers_folder_is_no_lab() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, id) = (Layout::new(dir.path()), LabId::of(dir.path()));
        fs::create_dir(layout.repo()).unwrap();
        assert!(!layout.is_lab(&id));
        fs::write(layout.lock(), "").unwrap();
        assert!(layout.is_lab(&id));
    }

    #[test]
    fn a_half_written_file_of_ours_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        assert!(read_json::<LabId>(&path).unwrap().is_none());
        fs::write(&path, "\"ab").unwrap();
        assert!(matches!(read_json::<LabId>(&path), Err(ProviderError::Damaged { .. })));
        write_json(&path, &LabId::of(Path::new("/a"))).unwrap();
        assert_eq!(read_json(&path).unwrap(), Some(LabId::of(Path::new("/a"))));
    }

    #[test]
    fn a_held_lock_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = try_lock(&path).unwrap();
        assert!(held.is_some());
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(try_lock(&path).unwrap().is_some());
    }
}
