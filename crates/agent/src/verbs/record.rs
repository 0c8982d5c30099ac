//! The lists by which a host is known again: packages and their states, marks, holds,
//! what dpkg complains of, and which services run.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use wire::Failure;

use super::internal;
use crate::{
    observe,
    tool::{Tool, ToolError},
};

/// Everything but files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Name → version and dpkg's status.
    pub packages: BTreeMap<String, (String, String)>,
    /// Packages that came as dependencies.
    pub automatic: BTreeSet<String>,
    /// Packages on hold.
    pub held: BTreeSet<String>,
    /// `dpkg --verify`, a line each.
    pub verify: BTreeSet<String>,
    /// `dpkg --audit`, a line each.
    pub audit: BTreeSet<String>,
    /// Running services; empty where systemd does not answer.
    pub running: BTreeSet<String>,
}

impl Record {
    /// Takes all lists now.
    pub async fn take() -> Result<Self, Failure> {
        let mut record = Self::of_packages().await?;
        let verify = Tool::new("/usr/bin/dpkg").arg("--verify").limit(Duration::from_secs(900));
        // Its exit code says whether there are lines; the lines say it too.
        record.verify = lines(&verify.run().await.map_err(internal)?.out);
        record.audit = lines(&Tool::new("/usr/bin/dpkg").arg("--audit").run().await.map_err(internal)?.out);
        record.running = observe::running_services().await.unwrap_or_default();
        Ok(record)
    }

    /// The quick part: packages, marks and holds.
    pub async fn of_packages() -> Result<Self, Failure> {
        let recorded = observe::recorded().await.map_err(internal)?;
        let mut record = Self::default();
        for package in recorded.packages {
            let name = package.name.to_string();
            if package.automatic {
                record.automatic.insert(name.clone());
            }
            if package.held {
                record.held.insert(name.clone());
            }
            record.packages.insert(name, (package.version.to_string(), package.status.0));
        }
        Ok(record)
    }
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// What [`save_configuration`] takes in: `/etc`, and where debconf and ucf remember.
/// A downgrade alone leaves traces of the newer version in all three.
const SAVED: [&str; 3] = ["etc", "var/cache/debconf", "var/lib/ucf"];
/// Not put back: they change on their own, and the way back must not undo that.
const NOT_SAVED: [&str; 3] = ["etc/resolv.conf", "etc/holdfast-agent", "etc/letsencrypt"];

/// Archives the configuration of the host with all owners, modes and attributes.
pub(super) async fn save_configuration(archive: &Path) -> Result<(), ToolError> {
    let there = SAVED.iter().filter(|path| Path::new("/").join(path).exists());
    tar()
        .args(["--create", "--gzip", "--file"])
        .arg(archive)
        .args(NOT_SAVED.map(|path| format!("--exclude={path}")))
        .args(there)
        .text()
        .await
        .map(|_| ())
}

/// Puts the archive back over what is there.
pub(super) async fn put_configuration_back(archive: &Path) -> Result<(), ToolError> {
    tar()
        .args(["--extract", "--gzip", "--preserve-permissions", "--same-owner", "--file"])
        .arg(archive)
        .text()
        .await?;
    Ok(())
}

fn tar() -> Tool {
    Tool::new("/usr/bin/tar")
        .args(["--directory=/", "--numeric-owner", "--xattrs", "--acls", "--warning=no-file-ignored"])
        .limit(Duration::from_secs(300))
}
