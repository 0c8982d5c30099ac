//! What a server is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::{HostName, InventoryId, Release, ServerId, Sha256};
use baseline::{Baseline, Description};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::exposure::Risk;

/// A host that Holdfast knows.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// Its name, unique.
    pub name: HostName,
    /// The region whose authority signs its agent.
    pub region: String,
    /// The VPS driver it lives at; `none` for a machine of the operator's own.
    pub provider: String,
    /// How it came to be known.
    pub origin: Origin,
    /// Where it stands.
    pub state: ServerState,
    /// Its operating system, once known.
    pub release: Option<Release>,
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// SHA-256 of its agent's certificate.
    #[serde(skip)]
    pub agent_certificate: Option<Sha256>,
    /// The token its agent expects, sealed.
    #[serde(skip)]
    pub bearer_token_sealed: Option<String>,
    /// What was rendered into its user-data.
    #[serde(skip)]
    pub baseline: Option<String>,
    /// What must work on it, besides its agent.
    pub probes: Vec<wire::Probe>,
    /// A run is at work; alarms are silent.
    pub in_maintenance: bool,
    /// When its agent last answered.
    pub last_seen_at: Option<Timestamp>,
    /// Why it did not answer since.
    pub last_fault: Option<String>,
    /// Its newest inventory.
    pub inventory: Option<InventoryId>,
    /// What the newest inventory says in short.
    pub facts: Option<Facts>,
    /// What the feeds say about it in short.
    pub risk: Option<Risk>,
    /// When it became known.
    pub created_at: Timestamp,
}

impl Server {
    /// What it should look like, with the control plane calling from these addresses; none for
    /// one without a description.
    pub fn described(&self, control_plane: &[IpAddr]) -> Option<Baseline> {
        let mut description: Description = serde_json::from_str(self.baseline.as_deref()?).ok()?;
        description.control_plane_addresses = control_plane.to_vec();
        Baseline::try_from(description).ok()
    }

    /// Whether runs may change this server.
    pub fn is_managed(&self) -> bool {
        self.origin != Origin::ThisMachine && self.state == ServerState::Enrolled
    }

    /// What to say where a change is asked for and cannot be made.
    pub fn unmanaged_because(&self) -> Option<&'static str> {
        match (self.origin, self.state) {
            (Origin::ThisMachine, _) => Some("it runs the control plane and is watched read-only"),
            (_, ServerState::Provisioning) => Some("it is still being provisioned"),
            (_, ServerState::Destroyed) => Some("it was destroyed"),
            (Origin::Provisioned, ServerState::Enrolled) => None,
        }
    }
}

/// How a server came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The machine that the control plane runs on, watched without changing it.
    ThisMachine,
    /// Made by us at a provider.
    Provisioned,
}

/// Where a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// Being made; its agent has not enrolled.
    Provisioning,
    /// Known and spoken to.
    Enrolled,
    /// Gone; kept for its history.
    Destroyed,
}
