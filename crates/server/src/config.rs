//! What a control plane is started with.

use std::{net::SocketAddr, path::PathBuf};

use crate::{certificates::AcmeConfig, exposure::FeedSources};

/// The settings of one control plane.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the database, the master key and the feeds' last good copies lie.
    pub data: PathBuf,
    /// Where pages and the API are served, without TLS: a loopback address, or behind a
    /// proxy that ends TLS.
    pub listen: SocketAddr,
    /// Where hosts enrol and fetch their agent, with TLS.
    pub agent_listen: SocketAddr,
    /// Where feeds are read from.
    pub feeds: FeedSources,
    /// The agent program that hosts fetch.
    pub agent_binary: PathBuf,
    /// Have the local lab as a provider.
    pub lab: bool,
    /// Who signs the certificates of servers.
    pub acme: AcmeConfig,
}

impl Config {
    /// The embedded database.
    pub fn database(&self) -> PathBuf {
        self.data.join("holdfast.db")
    }

    /// The master key.
    pub fn master_key(&self) -> PathBuf {
        self.data.join("master.key")
    }

    /// The kept head of the audit trail.
    pub fn audit_head(&self) -> PathBuf {
        self.data.join("audit.head")
    }

    /// The token and address for the command line on this machine.
    pub fn command_line(&self) -> PathBuf {
        self.data.join("command-line.json")
    }

    /// The lab's state.
    pub fn lab_state(&self) -> PathBuf {
        self.data.join("lab")
    }
}

/// Where data lie unless told otherwise: `/var/lib/holdfast` for root, else below the
/// user's data directory (XDG Base Directory Specification).
pub fn default_data_dir() -> PathBuf {
    if nix::unistd::Uid::effective().is_root() {
        return PathBuf::from("/var/lib/holdfast");
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(|| PathBuf::from(".")).join("holdfast")
}
