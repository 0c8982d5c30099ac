//! The process that keeps one host's container running.
//!
//! One per running host, detached from the control plane that started it: hosts
//! outlive a killed control plane, as those of a cloud do. It starts the container
//! again when the host reboots itself and ends when the host powers off. It never
//! reads or writes the host's disk.

use std::{
    fs,
    path::Path,
    process::{ExitStatus, Stdio},
};

use base::HostName;

use super::{
    Settings,
    cgroup::Group,
    layout::{self, Layout},
    network,
    record::HostRecord,
};
use crate::ProviderError;

/// What `systemd-nspawn` ends with when the host inside asked for a reboot
/// (the shipped `systemd-nspawn@.service` restarts on the same number).
const REBOOT: i32 = 133;

/// A console log past this size starts anew with the next power-on.
const MAX_LOG: u64 = 8 * 1024 * 1024;

/// The parts of a host's control group.
pub(crate) struct HostGroup {
    /// Supervisor and container.
    pub(crate) whole: Group,
    /// The container alone.
    pub(crate) container: Group,
    /// The supervisor alone.
    pub(crate) supervisor: Group,
}

impl HostGroup {
    pub(crate) fn of(settings: &Settings, host: &HostName) -> Self {
        let whole = Group::of_lab(&settings.id).child(host.as_str());
        Self { container: whole.child("box"), supervisor: whole.child("watch"), whole }
    }
}

/// Runs a host until it powers off. Returns at once if another supervisor runs it.
///
/// # Errors
/// If there is no such host, or its container cannot be started.
pub async fn supervise(state_dir: &Path, host: &HostName) -> Result<(), ProviderError> {
    let layout = Layout::new(state_dir);
    let settings = Settings::read(&layout)?;
    let record = HostRecord::read(&layout, host)?;
    let Some(_lock) = layout::try_lock(&layout.supervisor_lock(host))? else { return Ok(()) };
    // It outlives the control plane that started it, so it must not die with its terminal.
    let _ = nix::unistd::setsid();
    let group = HostGroup::of(&settings, host);
    loop {
        let status = run_once(&layout, &settings, &record, &group).await?;
        // nspawn killed from outside leaves its container behind; what is left goes now.
        group.container.kill().await?;
        network::delete_link(&settings.id.cable(record.number)).await?;
        if status.code() != Some(REBOOT) {
            return Ok(());
        }
    }
}

/// One power-on of the container, until it ends.
async fn run_once(
    layout: &Layout,
    settings: &Settings,
    record: &HostRecord,
    group: &HostGroup,
) -> Result<ExitStatus, ProviderError> {
    let path = layout.host_log(&record.name);
    let fresh = fs::metadata(&path).is_ok_and(|meta| meta.len() > MAX_LOG);
    let log = fs::File::options().create(true).append(!fresh).write(true).truncate(fresh).open(&path);
    let log = log.map_err(ProviderError::file("open", &path))?;
    let second = log.try_clone().map_err(ProviderError::file("open", &path))?;
    let mut command = tokio::process::Command::new("systemd-nspawn");
    command
        .args(["--quiet", "--boot", "--settings=no", "--register=no", "--keep-unit", "--private-users=pick"])
        // Bind-mounted time-zone and resolver files would make updates of their packages fail.
        .args(["--timezone=off", "--resolv-conf=off", "--link-journal=no", "--console=pipe"])
        .arg(format!("--directory={}", layout.root(&record.name).display()))
        .arg(format!("--machine={}", settings.id.machine(record.number)))
        .arg(format!("--hostname={}", record.name))
        .arg(format!("--network-bridge={}", settings.id.bridge()))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(second);
    // The container inherits the group its starter is in; the starter itself moves out again, since
    // systemd inside wants no stranger in its group.
    group.container.enter()?;
    let child = command.spawn();
    group.supervisor.enter()?;
    let mut child = child.map_err(|error| ProviderError::Unavailable {
        action: format!("start `{}`", record.name),
        found: format!("`systemd-nspawn` could not be started: {error}"),
    })?;
    child.wait().await.map_err(|error| ProviderError::Unavailable {
        action: format!("wait for `{}`", record.name),
        found: error.to_string(),
    })
}
