//! The real feeds and inventories that lie beside the project.

use std::{fs, path::PathBuf};

use vulns::{FeedData, FeedFile, FeedKind, HostPackages};

/// A file of a feed, in memory.
pub struct File {
    pub kind: FeedKind,
    pub path: String,
    pub bytes: Vec<u8>,
}

/// The directories in `HOLDFAST_FEEDS`, separated by colons, else those beside this tree.
fn folders() -> Vec<PathBuf> {
    let beside = ["feeds", "feeds-2026-11"]
        .map(|name| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(name));
    match std::env::var_os("HOLDFAST_FEEDS") {
        Some(folders) => std::env::split_paths(&folders).collect(),
        None => beside.to_vec(),
    }
}

/// A file in the first directory that has it.
pub fn path(name: &str) -> Result<PathBuf, String> {
    let found = folders().into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.ok_or_else(|| format!("no feed directory holds `{name}`; name some in HOLDFAST_FEEDS"))
}

/// Every file of the directories that is a feed's, as the product itself tells them.
pub fn files() -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    for folder in folders() {
        let mut paths = Vec::new();
        let mut open = vec![folder.clone()];
        while let Some(folder) = open.pop() {
            let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            for entry in entries.flatten() {
                let path = entry.path();
                if path.is_dir() { open.push(path) } else { paths.push(path) }
            }
        }
        paths.sort();
        for full in paths {
            let Some(path) = full.strip_prefix(&folder).ok().and_then(|path| path.to_str()) else { continue };
            let Some(kind) = vulns::recognise(path) else { continue };
            let bytes = fs::read(&full).map_err(|error| format!("{}: {error}", full.display()))?;
            files.push(File { kind, path: path.to_owned(), bytes });
        }
    }
    if files.is_empty() {
        Err("no feed was found; name directories in HOLDFAST_FEEDS".into())
    } else {
        Ok(files)
    }
}

/// Reads every file.
pub fn parse(files: &[File]) -> Result<Vec<FeedData>, String> {
    let parse = |file: &File| {
        vulns::parse(file.kind, FeedFile { path: &file.path, bytes: &file.bytes })
            .map_err(|error| format!("{}: {error}", file.path))
    };
    files.iter().map(parse).collect()
}

/// The real hosts.
pub const HOSTS: &[&str] =
    &["debian-12", "debian-13", "ubuntu-1804", "ubuntu-2204", "ubuntu-2404", "ubuntu-2604"];

/// A real host.
pub fn host(name: &str) -> Result<HostPackages, String> {
    let path = path(&format!("inventory/{name}.tsv"))?;
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    vulns::inventory::read(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}
