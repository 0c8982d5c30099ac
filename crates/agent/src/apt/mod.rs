//! What we know of apt and dpkg: how to ask them, and how to read what they print.
//! Parsers here take text and return values; running is left to the callers.

pub mod pins;
pub mod records;
pub mod simulation;
pub mod status_fd;

use std::{path::Path, time::Duration};

use crate::tool::Tool;

/// The options under which package scripts keep the administrator's files and no
/// question is asked: a changed file without them aborts even a silent upgrade.
pub const KEEP_CONFIGURATION: [&str; 2] = ["--force-confdef", "--force-confold"];

/// How long apt may wait for another apt or dpkg to finish.
const LOCK_SECONDS: &str = "300";

/// `apt-get` as every verb calls it.
pub fn apt_get() -> Tool {
    Tool::new("/usr/bin/apt-get")
        .args(["-q", "-y"])
        .option("DPkg::Lock::Timeout", LOCK_SECONDS)
        .option("Acquire::http::Timeout", "20")
        .option("Acquire::https::Timeout", "20")
        .option("Acquire::Retries", "1")
        // Ubuntu hands updates to a share of hosts first. A fix that was approved is wanted now.
        .option("APT::Get::Always-Include-Phased-Updates", "true")
        .env("NEEDRESTART_SUSPEND", "1")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("UCF_FORCE_CONFFOLD", "1")
}

/// `apt-get -s`: a simulation that writes nothing, not even apt's own cache. A second
/// or two on a small host; a minute when it is very busy.
pub fn simulation() -> Tool {
    Tool::new("/usr/bin/apt-get")
        .args(["-s", "-q", "-y"])
        .option("APT::Get::Always-Include-Phased-Updates", "true")
        .option("Dir::Cache::pkgcache", "")
        .option("Dir::Cache::srcpkgcache", "")
        .limit(Duration::from_secs(75))
}

/// Has apt read these preferences instead of `/etc/apt/preferences`.
pub fn with_preferences(tool: Tool, file: &Path) -> Tool {
    tool.option("Dir::Etc::Preferences", file)
}
