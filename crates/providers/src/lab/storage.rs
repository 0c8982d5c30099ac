//! Where the disks of hosts live: subvolumes of a btrfs file system in a sparse
//! file, or plain directories where this machine has no btrfs or loop devices.
//!
//! Copies of subvolumes are atomic and take no time, so a snapshot of a running
//! host is what a crash would leave. Plain copies take seconds and are not atomic:
//! a copy goes by a `.part` name until it is whole, and the host must be stopped.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    command::Program,
    layout::{LabId, Layout},
};
use crate::ProviderError;

/// How a lab keeps disks. Chosen when the lab is made and kept for its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Storage {
    Btrfs,
    Copy,
}

/// A plain copy of a whole root (1 GB, 15,000 files) took 4 s; a busy, slow disk may need far longer.
const COPY_LIMIT: Duration = Duration::from_secs(900);

impl Storage {
    /// Makes the pool of a new lab: btrfs of this size where that is wanted and works, else plain directories.
    pub(crate) async fn set_up(
        layout: &Layout,
        id: &LabId,
        btrfs_bytes: Option<u64>,
    ) -> Result<Self, ProviderError> {
        if let Some(bytes) = btrfs_bytes {
            match make_btrfs(layout, id, bytes).await {
                Ok(()) => return Ok(Self::Btrfs),
                Err(error) => {
                    tracing::warn!(%error, "no btrfs for the lab; disks are copied as plain files, which is slower");
                    super::layout::remove_file(&layout.disk(id))?;
                }
            }
        }
        Self::Copy.ready(layout, id).await?;
        Ok(Self::Copy)
    }

    /// Mounts the pool if it is not, and makes its folders.
    pub(crate) async fn ready(self, layout: &Layout, id: &LabId) -> Result<(), ProviderError> {
        let pool = layout.pool();
        if !pool.exists() {
            fs::create_dir(&pool).map_err(ProviderError::file("create", &pool))?;
        }
        if self == Self::Btrfs && !mounted(&pool)? {
            Program::new("mount", "mount the lab's disk")
                .args(["-t", "btrfs", "-o", "loop,noatime,compress=zstd:1"])
                .arg(layout.disk(id))
                .arg(&pool)
                .run()
                .await?;
        }
        // Disks hold the private keys of hosts.
        fs::set_permissions(&pool, fs::Permissions::from_mode(0o700))
            .map_err(ProviderError::file("close", &pool))?;
        for folder in [layout.images(), layout.roots(), pool.join("snapshots")] {
            fs::create_dir_all(&folder).map_err(ProviderError::file("create", &folder))?;
        }
        Ok(())
    }

    /// Whether a running host may be copied.
    pub(crate) fn copies_live(self) -> bool {
        self == Self::Btrfs
    }

    /// Makes an empty root.
    pub(crate) async fn make(self, path: &Path) -> Result<(), ProviderError> {
        match self {
            Self::Btrfs => btrfs("make a disk", &["subvolume", "create"], &[path]).await,
            Self::Copy => fs::create_dir(path).map_err(ProviderError::file("create", path)),
        }
    }

    /// Copies a root; `to` must not exist, and appears whole or not at all.
    pub(crate) async fn copy(self, from: &Path, to: &Path, read_only: bool) -> Result<(), ProviderError> {
        match (self, read_only) {
            (Self::Btrfs, true) => btrfs("copy a disk", &["subvolume", "snapshot", "-r"], &[from, to]).await,
            (Self::Btrfs, false) => btrfs("copy a disk", &["subvolume", "snapshot"], &[from, to]).await,
            (Self::Copy, _) => {
                let mut part = to.as_os_str().to_owned();
                part.push(".part");
                let part = Path::new(&part);
                self.delete(part).await?;
                let copy = Program::new("cp", "copy a disk")
                    .args(["-a", "--reflink=auto", "--"])
                    .arg(from)
                    .arg(part);
                copy.limit(COPY_LIMIT).run().await?;
                fs::rename(part, to).map_err(ProviderError::file("rename", part))
            }
        }
    }

    /// Deletes a root that may be gone already.
    pub(crate) async fn delete(self, path: &Path) -> Result<(), ProviderError> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(ProviderError::file("read", path)(error)),
            Ok(_) => {}
        }
        match self {
            Self::Btrfs => btrfs("delete a disk", &["subvolume", "delete"], &[path]).await,
            Self::Copy => {
                let removal =
                    Program::new("rm", "delete a disk").args(["-rf", "--one-file-system", "--"]).arg(path);
                removal.limit(COPY_LIMIT).run().await.map(drop)
            }
        }
    }
}

async fn btrfs(action: &str, words: &[&str], paths: &[&Path]) -> Result<(), ProviderError> {
    Program::new("btrfs", action).args(words).args(paths).run().await.map(drop)
}

async fn make_btrfs(layout: &Layout, id: &LabId, disk_bytes: u64) -> Result<(), ProviderError> {
    let disk = layout.disk(id);
    if !disk.exists() {
        let part = disk.with_extension("part");
        let file = fs::File::create(&part).map_err(ProviderError::file("create", &part))?;
        file.set_len(disk_bytes).map_err(ProviderError::file("size", &part))?;
        Program::new("mkfs.btrfs", "make the lab's disk").args(["-q", "-f"]).arg(&part).run().await?;
        fs::rename(&part, &disk).map_err(ProviderError::file("rename", &part))?;
    }
    Storage::Btrfs.ready(layout, id).await
}

/// Whether something is mounted on exactly this folder, by mountinfo's fifth field (proc_pid_mountinfo(5)).
pub(crate) fn mounted(folder: &Path) -> Result<bool, ProviderError> {
    Ok(mounts()?.iter().any(|mount| Path::new(mount) == folder))
}

fn mounts() -> Result<Vec<String>, ProviderError> {
    let path = "/proc/self/mountinfo";
    let text = fs::read_to_string(path).map_err(ProviderError::file("read", path))?;
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.map(|point| point.replace("\\040", " ")).collect())
}

/// The loop devices that hold this lab's disk, with whether the file is still there.
pub(crate) fn loop_devices(id: &LabId) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/sys/block") else { return Vec::new() };
    let devices = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    devices
        .filter(|device| {
            let file =
                fs::read_to_string(format!("/sys/block/{device}/loop/backing_file")).unwrap_or_default();
            let file = file.trim_end();
            Path::new(file.strip_suffix(" (deleted)").unwrap_or(file)).file_name()
                == Some(id.disk_file().as_ref())
        })
        .collect()
}

/// Where a block device is mounted.
fn mount_points_of(device: &str) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let source = format!("/dev/{device}");
    let lines = text.lines().filter_map(|line| {
        let (from, rest) = line.split_once(' ')?;
        (from == source).then(|| rest.split(' ').next().unwrap_or_default().replace("\\040", " "))
    });
    lines.collect()
}

/// Unmounts the lab's disk and frees its loop device, also when its file is gone.
pub(crate) async fn take_down(id: &LabId) -> Result<(), ProviderError> {
    for device in loop_devices(id) {
        for point in mount_points_of(&device) {
            Program::new("umount", "unmount the lab's disk").arg(point).run().await?;
        }
        // Unmounting frees a device that `mount` set up, at once or when its last user is gone.
        if loop_devices(id).contains(&device) {
            let detach =
                Program::new("losetup", "free the lab's loop device").arg("-d").arg(format!("/dev/{device}"));
            if let Err(error) = detach.run().await
                && loop_devices(id).contains(&device)
            {
                return Err(error);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_copy_is_whole_and_deleting_twice_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a"), dir.path().join("b"));
        Storage::Copy.make(&from).await.unwrap();
        fs::write(from.join("x"), "1").unwrap();
        fs::create_dir(dir.path().join("b.part")).unwrap();
        Storage::Copy.copy(&from, &to, true).await.unwrap();
        assert_eq!(fs::read_to_string(to.join("x")).unwrap(), "1");
        Storage::Copy.delete(&to).await.unwrap();
        Storage::Copy.delete(&to).await.unwrap();
        assert!(!to.exists());
    }

    #[test]
    fn the_root_is_a_mount_and_a_fresh_folder_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(mounted(Path::new("/")).unwrap());
        assert!(!mounted(dir.path()).unwrap());
    }
}
