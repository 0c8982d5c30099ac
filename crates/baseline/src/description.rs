//! The description of one host, checked once so that nothing later need doubt it.

use std::net::IpAddr;

use base::HostName;
use serde::{Deserialize, Serialize};

use crate::{InvalidNetwork, Network, SshPublicKey};

/// What a host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Hardened and patched, nothing more.
    Bare,
    /// Object storage behind Nginx.
    Minio,
    /// PostgreSQL.
    Postgres,
}

/// How many tenants share a host. Both are hardened alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tenancy {
    /// One tenant has it alone.
    #[default]
    Dedicated,
    /// Many tenants share it.
    Shared,
}

/// A description as it is stored and typed; [`Baseline`] is the checked form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The host's name.
    pub host: HostName,
    /// What it is for.
    pub service: Service,
    /// How many tenants share it.
    #[serde(default)]
    pub tenancy: Tenancy,
    /// From where the control plane calls, at least one address.
    pub control_plane_addresses: Vec<IpAddr>,
    /// From where operators sign in by SSH. Empty leaves port 22 open, rate-limited
    /// and shown in red.
    pub admin_networks: Vec<Network>,
    /// From where tenants reach PostgreSQL: the access lists of all of them together. What a
    /// tenant may reach there is for the database to say.
    #[serde(default)]
    pub tenant_networks: Vec<Network>,
    /// Who may sign in as root.
    pub operator_keys: Vec<SshPublicKey>,
    /// An IANA zone, such as `Europe/Vienna`.
    pub time_zone: String,
}

/// What one hardened host looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Description", into = "Description")]
pub struct Baseline {
    description: Description,
    control_plane: Vec<Network>,
}

impl Baseline {
    /// The description it was made from, without doubles.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Each address of the control plane as the network of one host.
    pub(crate) fn control_plane(&self) -> &[Network] {
        &self.control_plane
    }
}

/// Why a description is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDescription {
    /// With no address, the firewall would lock the control plane out.
    #[error("`{host}` needs at least one address of the control plane, or the firewall would lock it out")]
    NoControlPlane {
        /// The host described.
        host: HostName,
    },
    /// An address that no packet comes from.
    #[error("the control plane cannot call `{host}` from this address")]
    ControlPlaneAddress {
        /// The host described.
        host: HostName,
        /// What is wrong with the address.
        #[source]
        source: InvalidNetwork,
    },
    /// Not the shape of an IANA zone.
    #[error("`{found}` is not a time zone: write it like `Europe/Vienna` or `UTC`")]
    TimeZone {
        /// What was typed, at most 64 characters.
        found: String,
    },
}

impl TryFrom<Description> for Baseline {
    type Error = InvalidDescription;

    fn try_from(mut description: Description) -> Result<Self, InvalidDescription> {
        let host = &description.host;
        if description.control_plane_addresses.is_empty() {
            return Err(InvalidDescription::NoControlPlane { host: host.clone() });
        }
        // Order is not meaning: two descriptions of the same host render the same bytes.
        description.control_plane_addresses.sort_unstable();
        description.control_plane_addresses.dedup();
        description.admin_networks.sort_unstable();
        description.admin_networks.dedup();
        description.tenant_networks.sort_unstable();
        description.tenant_networks.dedup();
        description.operator_keys.sort_unstable();
        description.operator_keys.dedup();
        let control_plane = description
            .control_plane_addresses
            .iter()
            .map(|address| Network::host(*address))
            .collect::<Result<_, _>>()
            .map_err(|source| InvalidDescription::ControlPlaneAddress { host: host.clone(), source })?;
        if !is_zone_name(&description.time_zone) {
            return Err(InvalidDescription::TimeZone {
                found: description.time_zone.chars().take(64).collect(),
            });
        }
        Ok(Self { description, control_plane })
    }
}

impl From<Baseline> for Description {
    fn from(baseline: Baseline) -> Description {
        baseline.description
    }
}

/// Whether the text has the shape of a zone's name (theory.html of the tz database:
/// components of letters, digits, `-`, `+` and `_`, divided by `/`). Whether the zone
/// exists is for those to say who have the database.
fn is_zone_name(text: &str) -> bool {
    text.len() <= 64
        && text.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'_'))
        })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example.org";

    /// A description with two families everywhere.
    pub(crate) fn description(service: Service) -> Description {
        Description {
            host: "web-3".parse().expect("a host name"),
            service,
            tenancy: Tenancy::Shared,
            control_plane_addresses: ["203.0.113.4", "2001:db8::4"]
                .map(|a| a.parse().expect("an address"))
                .into(),
            admin_networks: ["198.51.100.0/24", "2001:db8:a::/48"]
                .map(|n| n.parse().expect("a network"))
                .into(),
            tenant_networks: ["192.0.2.0/28", "2001:db8:7::/64"]
                .map(|n| n.parse().expect("a network"))
                .into(),
            operator_keys: vec![KEY.parse().expect("a key")],
            time_zone: "Europe/Vienna".to_owned(),
        }
    }

    pub(crate) fn baseline(service: Service) -> Baseline {
        description(service).try_into().expect("a valid description")
    }

    pub(crate) fn open_to_ssh(service: Service) -> Baseline {
        let mut description = description(service);
        description.admin_networks.clear();
        description.try_into().expect("a valid description")
    }

    #[test]
    fn refuses_what_would_lock_out_or_let_in() {
        let with = |address: &str| {
            let mut description = description(Service::Bare);
            description.control_plane_addresses = vec![address.parse().expect("an address")];
            Baseline::try_from(description)
        };
        assert!(with("203.0.113.4").is_ok());
        for bad in ["0.0.0.0", "::", "::ffff:203.0.113.4", "224.0.0.1"] {
            assert!(matches!(with(bad), Err(InvalidDescription::ControlPlaneAddress { .. })), "{bad}");
        }
        let mut nobody = description(Service::Bare);
        nobody.control_plane_addresses.clear();
        assert!(matches!(Baseline::try_from(nobody), Err(InvalidDescription::NoControlPlane { .. })));
    }

    #[test]
    fn a_time_zone_is_a_name_and_not_a_path() {
        for good in ["UTC", "Europe/Vienna", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
            assert!(is_zone_name(good), "{good}");
        }
        for bad in ["", "/etc/passwd", "Europe/", "../UTC", "Europe/../UTC", "a b", "UTC\n", "5"] {
            assert!(!is_zone_name(bad), "{bad}");
        }
    }

    #[test]
    fn order_and_doubles_have_no_meaning_and_storage_keeps_it() {
        let one = baseline(Service::Minio);
        let mut other = description(Service::Minio);
        other.admin_networks.reverse();
        other.control_plane_addresses.push("203.0.113.4".parse().expect("an address"));
        assert_eq!(Baseline::try_from(other), Ok(one.clone()));
        let stored = serde_json::to_string(&one).expect("serialises");
        assert_eq!(serde_json::from_str::<Baseline>(&stored).expect("reads back"), one);
        assert!(serde_json::from_str::<Baseline>(&stored.replace("203.0.113.4", "0.0.0.0")).is_err());
    }
}
