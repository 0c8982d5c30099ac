//! What one staging has downloaded and kept:
//!
//! ```text
//! kept/KEY/new/       the packages to install, as apt's archive folder
//!          former/    the packages to go back to
//!          pins       preferences for exactly the plan
//!          etc.tar.gz /etc, debconf's and ucf's state
//!          record.json, files.json   the lists a rollback is proved with
//!          reserve    disk space for the way back
//!          displaced/ files that a rollback found too many
//!          displaced.tar.gz  the configuration as a rollback found it
//!          staged.json               written last: all of the above is there
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, chown},
    path::{Path, PathBuf},
};

use base::Sha256;
use serde::{Deserialize, Serialize};
use wire::{JobKey, PackageName, UpgradePlan};

use crate::{Places, durable};

/// A plan of 5 000 packages is about a megabyte; the lists of files are larger.
const FILE_BYTES: u64 = 256 << 20;

/// A package file that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackageFile {
    /// Its name within its folder.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest when it was staged.
    pub sha256: Sha256,
}

/// The last file of a staging.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Staged {
    /// What was approved.
    pub plan: UpgradePlan,
    /// Packages to install.
    pub new: BTreeMap<PackageName, PackageFile>,
    /// Packages to go back to.
    pub former: BTreeMap<PackageName, PackageFile>,
}

impl Staged {
    /// Those of the plan whose former version is not at hand.
    pub fn former_missing(&self) -> Vec<PackageName> {
        let wanted = self.plan.changes.iter().filter(|change| change.from.is_some());
        wanted.map(|change| &change.name).filter(|name| !self.former.contains_key(name)).cloned().collect()
    }

    /// Everything downloaded and kept, in bytes.
    pub fn bytes(&self) -> u64 {
        self.new.values().chain(self.former.values()).map(|file| file.bytes).sum()
    }
}

/// The folder of one staging.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    folder: PathBuf,
}

impl Kept {
    pub fn of(places: &Places, key: &JobKey) -> Self {
        Self { folder: places.kept(key) }
    }

    pub fn new_packages(&self) -> PathBuf {
        self.folder.join("new")
    }

    pub fn former_packages(&self) -> PathBuf {
        self.folder.join("former")
    }

    pub fn pins(&self) -> PathBuf {
        self.folder.join("pins")
    }

    pub fn etc_archive(&self) -> PathBuf {
        self.folder.join("etc.tar.gz")
    }

    /// The configuration that a rollback replaces.
    pub fn displaced_configuration(&self) -> PathBuf {
        self.folder.join("displaced.tar.gz")
    }

    pub fn reserve(&self) -> PathBuf {
        self.folder.join("reserve")
    }

    /// Makes the folders. apt downloads as its own user, which must be able to pass.
    pub fn make(&self, download_user: Option<u32>) -> io::Result<()> {
        let mut open = DirBuilder::new();
        open.recursive(true).mode(0o711);
        open.create(&self.folder)?;
        let mut readable = DirBuilder::new();
        readable.recursive(true).mode(0o755);
        readable.create(self.new_packages())?;
        readable.create(self.former_packages())?;
        let partial = self.new_packages().join("partial");
        DirBuilder::new().recursive(true).mode(0o700).create(&partial)?;
        chown(&partial, download_user, None)?;
        chown(self.former_packages(), download_user, None)
    }

    /// The marker, if the staging is complete.
    pub fn staged(&self) -> io::Result<Option<Staged>> {
        self.read("staged.json")
    }

    pub fn finish(&self, staged: &Staged) -> io::Result<()> {
        self.write("staged.json", staged)
    }

    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        durable::replace(&self.folder.join(name), &serde_json::to_vec(value)?, 0o600)
    }

    pub fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match durable::read_bounded(&self.folder.join(name), FILE_BYTES) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves a file from the host to here; an empty folder is just removed.
    pub fn displace(&self, path: &Path) -> io::Result<()> {
        let kind = path.symlink_metadata()?.file_type();
        if kind.is_dir() {
            return fs::remove_dir(path);
        }
        let target = self.folder.join("displaced").join(path.strip_prefix("/").unwrap_or(path));
        if let Some(parent) = target.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        match fs::rename(path, &target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                if kind.is_file() {
                    fs::copy(path, &target)?;
                }
                fs::remove_file(path)
            }
            moved => moved,
        }
    }

    /// Deletes everything; the marker first, so that a rest is never taken for a whole.
    pub fn delete(&self) -> io::Result<bool> {
        match fs::remove_file(self.folder.join("staged.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match fs::remove_dir_all(&self.folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The digest of a file, read in pieces.
pub(super) fn digest(path: &Path) -> io::Result<Sha256> {
    use io::Read;
    let mut file = File::open(path)?;
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.finish().as_ref());
    Ok(Sha256::from_bytes(bytes))
}
