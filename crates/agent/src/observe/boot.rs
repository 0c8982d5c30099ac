//! Which boot this is. The numbers of the kernel's own uptime belong to the machine
//! below when the host is a container; these do not.

use std::{os::unix::fs::MetadataExt, time::SystemTime};

use jiff::Timestamp;
use wire::Boot;

use super::text;

/// `/proc/sys/kernel/random/boot_id`: new at every boot, also in a container. Empty
/// only where `/proc` is missing.
pub fn boot_id() -> String {
    text::of("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

pub(super) fn boot() -> Boot {
    // The folder of PID 1 is as old as the process.
    let seconds = std::fs::metadata("/proc/1").map(|metadata| metadata.ctime()).unwrap_or_default();
    let started_at = Timestamp::from_second(seconds)
        .or_else(|_| Timestamp::try_from(SystemTime::UNIX_EPOCH))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    Boot { id: boot_id(), started_at }
}
