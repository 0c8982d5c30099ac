//! The contract every VPS driver keeps.
//!
//! Every call may be repeated: a driver first looks, then acts. Names are chosen
//! by the caller, so that asking again after a lost answer finds the same host or
//! snapshot and never makes a second one.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use async_trait::async_trait;
use base::{HostName, Release};
use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ProviderError;

/// What a provider can do beyond creating and destroying hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Disk snapshots of a running host.
    pub snapshots: bool,
    /// A snapshot can be put back under the same host, name and addresses.
    pub restore_in_place: bool,
    /// A firewall in front of each host.
    pub firewall: bool,
}

/// An opening for incoming TCP in the firewall in front of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Opening {
    /// The port.
    pub port: u16,
    /// For whom; a prefix of 0 is everyone of that family.
    pub source: IpNet,
}

/// A host to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpec {
    /// Its name, which is also how a repeated request finds it again.
    pub name: HostName,
    /// The operating system.
    pub release: Release,
    /// cloud-init user-data, exactly as a cloud would be given it. At most 64 KiB.
    pub user_data: String,
}

impl HostSpec {
    /// The longest user-data that is taken, in bytes. Providers differ (16 to 64
    /// KiB); callers that want to move between them should stay under 16 KiB.
    pub const MAX_USER_DATA: usize = 64 * 1024;
}

/// Whether a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// It is powered on. Its operating system may still be starting.
    Running,
    /// It is powered off.
    Stopped,
    /// An operation on it is under way or was interrupted; asking for that
    /// operation again completes it.
    Changing,
}

/// A host as the provider reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// The operating system it was created with.
    pub release: Release,
    /// Its IPv4 address, which it keeps for life.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address, which it keeps for life.
    pub ipv6: Ipv6Addr,
    /// Whether it runs.
    pub state: HostState,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// A snapshot's name: 1 to 63 characters of `a-z`, `0-9`, `-` and `_`, beginning
/// with a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotName(String);

impl SnapshotName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot name a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name a snapshot: use 1 to 63 characters of `a-z`, `0-9`, `-` and `_`, beginning with a letter or a digit"
)]
pub struct InvalidSnapshotName(String);

impl FromStr for SnapshotName {
    type Err = InvalidSnapshotName;

    fn from_str(text: &str) -> Result<Self, InvalidSnapshotName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = text.len() <= 63
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|b| plain(b) || b == b'-' || b == b'_');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSnapshotName(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for SnapshotName {
    type Error = InvalidSnapshotName;

    fn try_from(text: String) -> Result<Self, InvalidSnapshotName> {
        text.parse()
    }
}

impl From<SnapshotName> for String {
    fn from(name: SnapshotName) -> String {
        name.0
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A disk snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The host it was taken of.
    pub host: HostName,
    /// Its name, unique for that host.
    pub name: SnapshotName,
    /// When it was taken.
    pub taken_at: Timestamp,
}

/// A provider of virtual servers.
#[async_trait]
pub trait VpsProvider: Send + Sync {
    /// The driver's name, as in configuration and the audit trail.
    fn name(&self) -> &'static str;

    /// What this provider can do.
    fn capabilities(&self) -> Capabilities;

    /// Creates and starts a host, or returns the host that already has this name.
    /// A host of that name with another release is `Refused`.
    async fn create(&self, spec: &HostSpec) -> Result<Host, ProviderError>;

    /// The host of this name, if there is one.
    async fn find(&self, name: &HostName) -> Result<Option<Host>, ProviderError>;

    /// Every host, sorted by name.
    async fn list(&self) -> Result<Vec<Host>, ProviderError>;

    /// Powers a host on. A running host is left alone.
    async fn start(&self, name: &HostName) -> Result<(), ProviderError>;

    /// Shuts a host down in order, and powers it off if it does not obey in 90 s.
    async fn stop(&self, name: &HostName) -> Result<(), ProviderError>;

    /// Presses the reset button: power off and on with no orderly shutdown.
    async fn reboot(&self, name: &HostName) -> Result<(), ProviderError>;

    /// Takes a snapshot, or returns the one that already has this name.
    async fn take_snapshot(&self, host: &HostName, name: &SnapshotName) -> Result<Snapshot, ProviderError>;

    /// The snapshots of a host, oldest first.
    async fn snapshots(&self, host: &HostName) -> Result<Vec<Snapshot>, ProviderError>;

    /// Puts a snapshot back under the same host, name and addresses and starts it.
    /// What the host wrote since is lost.
    async fn restore(&self, host: &HostName, name: &SnapshotName) -> Result<Host, ProviderError>;

    /// Deletes a snapshot. One that is gone already is no error.
    async fn delete_snapshot(&self, host: &HostName, name: &SnapshotName) -> Result<(), ProviderError>;

    /// The openings of the firewall in front of a host, sorted; none while it has none and everything
    /// passes. `Refused` where the provider has no such thing.
    async fn firewall(&self, host: &HostName) -> Result<Option<Vec<Opening>>, ProviderError>;

    /// Lets these openings and no others through the firewall in front of a host, and returns when
    /// they are in force. Connections that are open stay so.
    async fn set_firewall(&self, host: &HostName, openings: &[Opening]) -> Result<(), ProviderError>;

    /// Deletes a host with its disk. One that is gone already is no error.
    async fn destroy(&self, name: &HostName) -> Result<(), ProviderError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_name_is_one_plain_path_component() {
        for good in ["a", "before-patch_1", "0190af"] {
            assert!(good.parse::<SnapshotName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "-a", "A", "a b", &"a".repeat(64)] {
            assert!(bad.parse::<SnapshotName>().is_err(), "{bad}");
        }
    }
}
