//! `holdfast-agent install`: makes user, folders and systemd units and starts the
//! services. Run again it brings everything in line and restarts what it changed.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt, chown},
    path::Path,
    time::Duration,
};

use nix::unistd::{Uid, User};

use crate::{
    Places, durable,
    helper::DAEMON_USER,
    tool::{Tool, ToolError},
};

/// Where the binary must be.
pub const BINARY: &str = baseline::AGENT_BINARY;

/// The unit that asks for the host's certificate.
pub const CERTIFICATE_UNIT: &str = "holdfast-agent-certificate.service";

/// Its timer.
const CERTIFICATE_TIMER: &str = "holdfast-agent-certificate.timer";

const UNITS: [(&str, &str); 4] = [
    (CERTIFICATE_UNIT, include_str!("units/holdfast-agent-certificate.service")),
    (CERTIFICATE_TIMER, include_str!("units/holdfast-agent-certificate.timer")),
    ("holdfast-agent-helper.service", include_str!("units/holdfast-agent-helper.service")),
    ("holdfast-agent.service", include_str!("units/holdfast-agent.service")),
];

/// Why the agent could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Somebody else than root asked.
    #[error("only root can install the agent")]
    NotRoot,
    /// A file or folder could not be made.
    #[error("cannot set up `{path}`")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program of the host failed.
    #[error("cannot set up the agent's user or services")]
    Tool {
        /// What it said.
        #[from]
        source: ToolError,
    },
    /// The user is still missing after it was made.
    #[error("the user `{DAEMON_USER}` was made and cannot be found")]
    NoUser,
}

/// Installs and starts the agent. Idempotent.
pub async fn run(places: &Places) -> Result<(), InstallError> {
    if !Uid::effective().is_root() {
        return Err(InstallError::NotRoot);
    }
    let user = daemon_user().await?;
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    let etc = places.bootstrap().parent().unwrap_or(Path::new("/etc")).to_owned();
    for (path, mode, (uid, gid)) in [
        (etc.as_path(), 0o755, (0, 0)),
        (places.state(), 0o755, (0, 0)),
        (&places.jobs(), 0o700, (0, 0)),
        (&places.all_kept(), 0o711, (0, 0)),
        (&places.identity(), 0o700, (uid, gid)),
        // Services that read the key as a user of their own must get there.
        (places.tls().parent().unwrap_or(places.tls()), 0o755, (0, 0)),
        (places.tls(), 0o755, (0, 0)),
    ] {
        folder(path, mode, uid, gid).map_err(|source| file_error(path, source))?;
    }
    let bootstrap = places.bootstrap();
    if bootstrap.exists() {
        // cloud-init writes it for root alone; the daemon must read it, once.
        chown(bootstrap, Some(0), Some(gid))
            .and_then(|()| fs::set_permissions(bootstrap, fs::Permissions::from_mode(0o640)))
            .map_err(|source| file_error(bootstrap, source))?;
    }
    for (name, text) in UNITS {
        let path = Path::new("/etc/systemd/system").join(name);
        durable::replace(&path, text.as_bytes(), 0o644).map_err(|source| file_error(&path, source))?;
    }
    let names = ["holdfast-agent-helper.service", "holdfast-agent.service"];
    systemctl(&["daemon-reload"]).await?;
    // A daemon that gave up on a refused token may try the new one.
    let _ = systemctl(&[&["reset-failed"][..], &names].concat()).await;
    systemctl(&[&["enable"][..], &names].concat()).await?;
    systemctl(&[&["restart"][..], &names].concat()).await?;
    systemctl(&["enable", CERTIFICATE_UNIT, CERTIFICATE_TIMER]).await?;
    systemctl(&["start", CERTIFICATE_TIMER]).await?;
    // It waits until the host has enrolled.
    systemctl(&["restart", "--no-block", CERTIFICATE_UNIT]).await?;
    tracing::info!("the agent is installed and started");
    Ok(())
}

async fn daemon_user() -> Result<User, InstallError> {
    if let Some(user) = User::from_name(DAEMON_USER).ok().flatten() {
        return Ok(user);
    }
    Tool::new("/usr/sbin/useradd")
        .args(["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"])
        .args(["--shell", "/usr/sbin/nologin", DAEMON_USER])
        .text()
        .await?;
    User::from_name(DAEMON_USER).ok().flatten().ok_or(InstallError::NoUser)
}

fn folder(path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    chown(path, Some(uid), Some(gid))
}

async fn systemctl(arguments: &[&str]) -> Result<String, ToolError> {
    Tool::new("/usr/bin/systemctl").args(arguments).limit(Duration::from_secs(120)).text().await
}

fn file_error(path: &Path, source: io::Error) -> InstallError {
    InstallError::File { path: path.display().to_string(), source }
}
