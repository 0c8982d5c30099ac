//! Every process of a lab sits in a control group of its own, so that what a
//! crash left behind is found by membership and never by a process's name.
//!
//! `holdfast-lab/<lab>/<host>/box` holds the container, `.../watch` its
//! supervisor, `holdfast-lab/<lab>/@mirror` the package mirror. On machines with
//! cgroup v1 the same folders exist in several hierarchies. Limits are not set.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::Pid};

use super::layout::LabId;
use crate::ProviderError;

const MOUNT: &str = "/sys/fs/cgroup";
const FOLDER: &str = "holdfast-lab";

/// The v1 hierarchies systemd inside a host wants to find itself apart in; and
/// `unified`, where a hybrid machine mounts v2.
const V1: [&str; 6] = ["systemd", "memory", "pids", "freezer", "cpu", "unified"];

/// The group's folder for a lab, a host or a part of one, in every hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    folders: Vec<PathBuf>,
}

/// Where the hierarchies of this machine are mounted.
fn hierarchies() -> Vec<PathBuf> {
    let mount = Path::new(MOUNT);
    if mount.join("cgroup.controllers").exists() {
        return vec![mount.to_owned()];
    }
    V1.iter().map(|name| mount.join(name)).filter(|path| path.join("cgroup.procs").exists()).collect()
}

/// The ids of every lab that has control groups on this machine.
pub(crate) fn labs() -> BTreeSet<LabId> {
    let folders = hierarchies().into_iter().filter_map(|h| fs::read_dir(h.join(FOLDER)).ok());
    folders.flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

impl Group {
    pub(crate) fn of_lab(id: &LabId) -> Self {
        Self { folders: hierarchies().into_iter().map(|h| h.join(FOLDER).join(id.as_str())).collect() }
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        Self { folders: self.folders.iter().map(|folder| folder.join(name)).collect() }
    }

    /// Moves this very process into the group, creating it.
    pub(crate) fn enter(&self) -> Result<(), ProviderError> {
        self.adopt(std::process::id())
    }

    /// Moves a process of ours into the group, creating it. What it starts from then on follows it.
    pub(crate) fn adopt(&self, pid: u32) -> Result<(), ProviderError> {
        if self.folders.is_empty() {
            return Err(ProviderError::Missing {
                what: format!("a control group file system under `{MOUNT}`"),
                hint: "mount one, as every systemd machine does".into(),
            });
        }
        for folder in &self.folders {
            fs::create_dir_all(folder).map_err(ProviderError::file("create", folder))?;
            let procs = folder.join("cgroup.procs");
            fs::write(&procs, pid.to_string()).map_err(ProviderError::file("write", procs))?;
        }
        Ok(())
    }

    /// Every process in the group and below it, as this process numbers them.
    pub(crate) fn processes(&self) -> BTreeSet<i32> {
        let mut found = BTreeSet::new();
        let mut folders = self.folders.clone();
        while let Some(folder) = folders.pop() {
            let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            // Zero stands for a process outside our own PID namespace.
            found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
            folders.extend(folders_in(&folder));
        }
        found
    }

    /// The groups directly below, by name.
    pub(crate) fn children(&self) -> BTreeSet<String> {
        let folders = self.folders.iter().flat_map(|folder| folders_in(folder));
        folders.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    /// Whether the group exists in any hierarchy.
    pub(crate) fn exists(&self) -> bool {
        self.folders.iter().any(|folder| folder.exists())
    }

    /// Kills every process in the group and waits until none is left.
    pub(crate) async fn kill(&self) -> Result<(), ProviderError> {
        // A process may fork while the list is read, so the list is read again until it is empty.
        // 10 s is a hundred times what the death of a host with 60 processes was seen to take.
        for _ in 0..500 {
            let processes = self.processes();
            if processes.is_empty() {
                return Ok(());
            }
            self.thaw();
            for pid in processes {
                // It may have died since the list was read, which is what is wanted.
                let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(ProviderError::Unavailable {
            action: "end the processes of the lab".into(),
            found: format!("{} of them survived SIGKILL for 10 s", self.processes().len()),
        })
    }

    /// A frozen process cannot die.
    fn thaw(&self) {
        for folder in &self.folders {
            let _ = fs::write(folder.join("freezer.state"), "THAWED");
            let _ = fs::write(folder.join("cgroup.freeze"), "0");
        }
    }

    /// Suspends every process of the group: a host that hangs.
    pub(crate) fn freeze(&self, frozen: bool) -> Result<(), ProviderError> {
        if !frozen {
            self.thaw();
            return Ok(());
        }
        let v1 = self.folders.iter().map(|folder| folder.join("freezer.state")).find(|path| path.exists());
        let v2 = self.folders.iter().map(|folder| folder.join("cgroup.freeze")).find(|path| path.exists());
        let (path, word) = match (v1, v2) {
            (Some(path), _) => (path, "FROZEN"),
            (None, Some(path)) => (path, "1"),
            (None, None) => return Err(ProviderError::NotFound { kind: "freezer of", name: FOLDER.into() }),
        };
        fs::write(&path, word).map_err(ProviderError::file("write", path))
    }

    /// Removes the emptied group with everything below it.
    pub(crate) async fn remove(&self) -> Result<(), ProviderError> {
        for folder in &self.folders {
            let mut tries = 0;
            // The kernel counts a dead process out of its group a moment after the list shows it gone.
            while let Err(error) = remove_tree(folder) {
                tries += 1;
                if tries == 250 {
                    return Err(ProviderError::file("remove", folder)(error));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // Fails, rightly, while another lab has its folder there.
            if let Some(parent) = folder.parent().filter(|parent| parent.ends_with(FOLDER)) {
                let _ = fs::remove_dir(parent);
            }
        }
        Ok(())
    }
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let folders = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

fn remove_tree(folder: &Path) -> std::io::Result<()> {
    for below in folders_in(folder) {
        remove_tree(&below)?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(folders: &[&Path]) -> Group {
        Group { folders: folders.iter().map(|folder| folder.to_path_buf()).collect() }
    }

    #[test]
    fn processes_are_gathered_from_every_hierarchy_and_depth() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(a.path().join("box/payload")).unwrap();
        fs::write(a.path().join("box/payload/cgroup.procs"), "12\n0\n").unwrap();
        fs::write(b.path().join("cgroup.procs"), "12\n7\n").unwrap();
        let group = group(&[a.path(), b.path()]);
        assert_eq!(group.processes().into_iter().collect::<Vec<_>>(), [7, 12]);
        assert_eq!(group.children().into_iter().collect::<Vec<_>>(), ["box"]);
        assert_eq!(group.child("box").child("payload").processes().len(), 1);
    }
}
