//! Space on the file systems that updates need.

use std::{collections::HashSet, os::unix::fs::MetadataExt};

use nix::sys::statvfs::statvfs;
use wire::Disk;

/// Where packages are unpacked, fetched and booted from. Those on the same file system
/// are told once.
const MOUNTS: [&str; 5] = ["/", "/usr", "/var", "/boot", "/boot/efi"];

pub(super) fn disks() -> Vec<Disk> {
    let mut seen = HashSet::new();
    MOUNTS
        .iter()
        .filter(|mount| std::fs::metadata(mount).is_ok_and(|metadata| seen.insert(metadata.dev())))
        .filter_map(|mount| {
            let numbers = statvfs(*mount).ok()?;
            let block = numbers.fragment_size();
            Some(Disk {
                mount: (*mount).to_owned(),
                total_bytes: numbers.blocks().saturating_mul(block),
                free_bytes: numbers.blocks_available().saturating_mul(block),
            })
        })
        .collect()
}
