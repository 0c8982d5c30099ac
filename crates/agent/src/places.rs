//! Where the agent keeps its files. Every path is made here, from parts that are
//! safe by type; none comes from the wire.

use std::path::{Path, PathBuf};

use wire::JobKey;

/// The agent's folders. Tests put them elsewhere.
#[derive(Debug, Clone)]
pub struct Places {
    state: PathBuf,
    run: PathBuf,
    bootstrap: PathBuf,
    tls: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            state: "/var/lib/holdfast-agent".into(),
            run: "/run/holdfast-agent".into(),
            bootstrap: wire::BOOTSTRAP_FILE.into(),
            tls: "/etc/holdfast/tls".into(),
        }
    }
}

impl Places {
    /// All folders below one, for tests.
    pub fn below(root: &Path) -> Self {
        Self {
            state: root.join("state"),
            run: root.join("run"),
            bootstrap: root.join("bootstrap.json"),
            tls: root.join("tls"),
        }
    }

    /// The folder of everything that outlives a reboot.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The folder of sockets.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// Where cloud-init leaves [`wire::Bootstrap`].
    pub fn bootstrap(&self) -> &Path {
        &self.bootstrap
    }

    /// The folder of the host's TLS key and certificate.
    pub fn tls(&self) -> &Path {
        &self.tls
    }

    /// The folder of the daemon's identity, the only one it may write to.
    pub fn identity(&self) -> PathBuf {
        self.state.join("identity")
    }

    /// The folder of all jobs.
    pub fn jobs(&self) -> PathBuf {
        self.state.join("jobs")
    }

    /// The folder of one job.
    pub fn job(&self, key: &JobKey) -> PathBuf {
        self.jobs().join(key.as_str())
    }

    /// The folder of all staged upgrades.
    pub fn all_kept(&self) -> PathBuf {
        self.state.join("kept")
    }

    /// What one [`wire::Verb::StagePackages`] job has downloaded and kept.
    pub fn kept(&self, key: &JobKey) -> PathBuf {
        self.all_kept().join(key.as_str())
    }

    /// The firewall on trial, while there is one.
    pub fn firewall_trial(&self) -> PathBuf {
        self.state.join("firewall-trial.json")
    }

    /// The socket on which the helper listens.
    pub fn helper_socket(&self) -> PathBuf {
        self.run.join("helper.sock")
    }
}
