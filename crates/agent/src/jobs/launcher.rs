//! Starts the process of a job apart from the helper's own, and tells whether it is
//! still there.

use async_trait::async_trait;
use wire::JobKey;

use crate::tool::{Tool, ToolError};

/// How a job gets a process. Tests have another way than systemd.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts the process and returns when it runs. Says why it could not.
    async fn launch(&self, key: &JobKey) -> Result<(), String>;

    /// Whether the process, or anything it started, is still there.
    async fn is_alive(&self, key: &JobKey) -> bool;
}

/// A transient unit a job, so that neither an update nor a crash of the agent ends an
/// installation.
#[derive(Debug, Clone, Copy)]
pub struct SystemdUnits;

/// The unit of a job.
pub fn unit_name(key: &JobKey) -> String {
    format!("holdfast-job-{key}.service")
}

#[async_trait]
impl Launcher for SystemdUnits {
    async fn launch(&self, key: &JobKey) -> Result<(), String> {
        let started = Tool::new("/usr/bin/systemd-run")
            .arg(format!("--unit={}", unit_name(key)))
            .args(["--collect", "--quiet", "--description=Holdfast job"])
            // `exec` makes systemd-run wait until the process really runs.
            .args(["--property=Type=exec", "--property=TimeoutStopSec=20s"])
            .args([crate::install::BINARY, "job", key.as_str()])
            .text()
            .await;
        started.map(|_| ()).map_err(|error: ToolError| error.to_string())
    }

    async fn is_alive(&self, key: &JobKey) -> bool {
        let state = Tool::new("/usr/bin/systemctl")
            .args(["show", "--property=ActiveState", "--value", &unit_name(key)])
            .text()
            .await;
        match state {
            Ok(state) => !matches!(state.trim(), "inactive" | "failed" | ""),
            Err(error) => {
                // systemd does not answer while it re-executes itself: assume the best
                // and ask again at the next look.
                tracing::warn!(%key, %error, "cannot tell whether a job is alive");
                true
            }
        }
    }
}
