//! Removes everything a lab made, also after a crash and with its files half gone.
//!
//! Things are found by control group, bridge membership, loop file and prefix,
//! all of which carry the lab's id; never by the name of a process. The cache of
//! images and packages stays.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    Lab, REGISTRY, Settings,
    cgroup::{self, Group},
    firewall,
    layout::{self, LabId, Layout},
    network, probe, storage,
};
use crate::ProviderError;

impl Lab {
    /// Destroys every host with its snapshots, and the lab itself.
    ///
    /// # Errors
    /// The first thing that could not be removed; cleaning again goes on from there.
    pub async fn clean(self) -> Result<(), ProviderError> {
        clean(&self.layout.state_dir).await
    }
}

/// Removes the lab in this folder with every host. There need not be one. The
/// cache stays; the folder goes unless the cache is inside it.
///
/// # Errors
/// The first thing that could not be removed; cleaning again goes on from there.
pub async fn clean(state_dir: &Path) -> Result<(), ProviderError> {
    let state_dir = match state_dir.canonicalize() {
        Ok(dir) => dir,
        Err(_) => std::path::absolute(state_dir).map_err(ProviderError::file("find", state_dir))?,
    };
    let layout = Layout::new(&state_dir);
    let cache =
        layout::read_json::<Settings>(&layout.settings()).ok().flatten().map(|settings| settings.cache_dir);
    wipe(&layout, &LabId::of(&state_dir)).await?;
    layout::remove_file(&layout.lock())?;
    if cache.is_none_or(|cache| !cache.starts_with(&state_dir)) {
        // Not empty if someone else keeps things there, which then stay.
        let _ = fs::remove_dir(&state_dir);
    }
    Ok(())
}

/// Removes all of a lab but its lock and its cache.
pub(crate) async fn wipe(layout: &Layout, id: &LabId) -> Result<(), ProviderError> {
    take_down(id).await?;
    if storage::mounted(&layout.pool())? {
        // A mount that is not the lab's own: deleting below it is not safe.
        return Err(ProviderError::Refused {
            action: format!("clean the lab in `{}`", layout.state_dir.display()),
            reason: format!("something is still mounted on `{}`", layout.pool().display()),
        });
    }
    if !layout.is_lab(id) {
        // Deletes an empty folder only: what a disk was mounted on.
        let _ = fs::remove_dir(layout.pool());
        return Ok(());
    }
    // These names alone are a lab's; whatever else is in the folder stays.
    for part in [layout.pool(), layout.records(), layout.repo()] {
        storage::Storage::Copy.delete(&part).await?;
    }
    for file in [
        layout.disk(id),
        layout.faults(),
        layout.firewall(),
        layout.firewall_lock(),
        layout.mirror_lock(),
        layout.mirror_log(),
        layout.settings(),
    ] {
        layout::remove_file(&file)?;
    }
    Ok(())
}

/// Removes every lab on this machine, whoever made it, and returns their ids.
///
/// # Errors
/// The first thing that could not be removed; cleaning again goes on from there.
pub async fn clean_all() -> Result<Vec<LabId>, ProviderError> {
    let labs: Vec<LabId> = known_labs().into_iter().collect();
    for id in &labs {
        match state_dir_of(id) {
            Some(dir) => clean(&dir).await?,
            None => take_down(id).await?,
        }
    }
    Ok(labs)
}

/// Ends the processes of a lab and removes what it made outside its folder.
async fn take_down(id: &LabId) -> Result<(), ProviderError> {
    let group = Group::of_lab(id);
    group.kill().await?;
    group.remove().await?;
    for name in probe::names_of(&id.probe_prefix()) {
        probe::remove(&name).await?;
    }
    firewall::remove(id).await?;
    network::remove_bridge(id).await?;
    storage::take_down(id).await?;
    layout::remove_file(&Path::new(REGISTRY).join(id.as_str()))
}

/// Every lab that has anything on this machine.
pub(crate) fn known_labs() -> BTreeSet<LabId> {
    let registered = fs::read_dir(REGISTRY).into_iter().flatten().flatten();
    let registered = registered.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    cgroup::labs().into_iter().chain(network::labs()).chain(registered).collect()
}

/// The folder a lab registered, if it still follows from it.
pub(crate) fn state_dir_of(id: &LabId) -> Option<PathBuf> {
    let bytes = fs::read(Path::new(REGISTRY).join(id.as_str())).ok()?;
    let dir = PathBuf::from(OsStr::from_bytes(&bytes));
    (LabId::of(&dir) == *id).then_some(dir)
}
