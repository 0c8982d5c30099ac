//! One bridge per lab, with an IPv4 and an IPv6 network of its own.
//!
//! The control plane has the first address of each. Nothing is routed or
//! translated: a host reaches the control plane and its neighbours, never the
//! world, and the machine's own forwarding and firewall stay as they are.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

use super::{command::Program, layout::LabId};
use crate::ProviderError;

/// Numbers of hosts within their network; what is above is left to probes.
pub(crate) const HOST_NUMBERS: std::ops::RangeInclusive<u8> = 11..=199;

/// Numbers of probes within the network.
pub(crate) const PROBE_NUMBERS: std::ops::RangeInclusive<u8> = 200..=249;

/// A lab's networks, 10.98.N.0/24 and fd98:0:0:N::/64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Subnet(u8);

impl Subnet {
    /// The IPv4 address with this number.
    pub(crate) fn v4(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 98, self.0, number)
    }

    /// The IPv6 address whose last digits read like the number, so that a person
    /// sees which addresses belong together: 10.98.3.11 and fd98:0:0:3::11.
    pub(crate) fn v6(self, number: u8) -> Ipv6Addr {
        let digits =
            |n: u8| -> u16 { u16::from(n / 100) << 8 | u16::from(n / 10 % 10) << 4 | u16::from(n % 10) };
        Ipv6Addr::new(0xfd98, 0, 0, digits(self.0), 0, 0, 0, digits(number))
    }

    /// The lowest network that is not in use. `None` when all 254 are.
    fn pick(used: &BTreeSet<u8>) -> Option<Self> {
        (1..=254).find(|n| !used.contains(n)).map(Self)
    }

    /// A network that no interface of this machine has.
    pub(crate) async fn pick_unused() -> Result<Self, ProviderError> {
        let used = networks_in(&routes().await?);
        Self::pick(&used).ok_or_else(|| ProviderError::Refused {
            action: "open the lab".into(),
            reason: "every network from 10.98.1.0/24 to 10.98.254.0/24 is in use; clean an old lab".into(),
        })
    }
}

async fn routes() -> Result<String, ProviderError> {
    Program::new("ip", "read this machine's routes").args(["-4", "route", "show", "table", "all"]).run().await
}

/// The third numbers of every 10.98.N address that a routing table mentions.
fn networks_in(routes: &str) -> BTreeSet<u8> {
    let mut used = BTreeSet::new();
    for word in routes.split_whitespace() {
        if word == "10.98.0.0/16" || word == "10.98.0.0/15" {
            used.extend(1..=254);
        }
        if let Some(rest) = word.strip_prefix("10.98.") {
            used.extend(rest.split('.').next().and_then(|n| n.parse::<u8>().ok()));
        }
    }
    used
}

/// Makes the lab's bridge and gives it the control plane's addresses. What is
/// there already is left alone.
pub(crate) async fn raise_bridge(id: &LabId, subnet: Subnet) -> Result<(), ProviderError> {
    let bridge = id.bridge();
    let action = || format!("make the bridge `{bridge}`");
    let ip = |args: Vec<String>| Program::new("ip", action()).args(args);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    if !exists(&bridge) {
        ip(words(&format!("link add {bridge} type bridge stp_state 0 forward_delay 0"))).run().await?;
    }
    // `replace` also succeeds for an address that is there.
    ip(words(&format!("addr replace {}/24 dev {bridge}", subnet.v4(1)))).run().await?;
    ip(words(&format!("-6 addr replace {}/64 dev {bridge} nodad", subnet.v6(1)))).run().await?;
    ip(words(&format!("link set {bridge} up"))).run().await?;
    Ok(())
}

/// Removes the bridge with those of its ports that are the lab's.
pub(crate) async fn remove_bridge(id: &LabId) -> Result<(), ProviderError> {
    let bridge = id.bridge();
    for port in ports(&bridge) {
        if port.starts_with(&format!("vb-{}-", id.as_str())) || port.starts_with(&id.probe_prefix()) {
            delete_link(&port).await?;
        }
    }
    delete_link(&bridge).await
}

/// Deletes an interface that may be gone already.
pub(crate) async fn delete_link(name: &str) -> Result<(), ProviderError> {
    if !exists(name) {
        return Ok(());
    }
    match Program::new("ip", format!("delete the interface `{name}`")).args(["link", "del", name]).run().await
    {
        // The kernel deletes a cable when its other end's namespace goes, at a time of its own.
        Err(_) if !exists(name) => Ok(()),
        other => other.map(drop),
    }
}

pub(crate) fn exists(interface: &str) -> bool {
    fs::exists(format!("/sys/class/net/{interface}")).unwrap_or(false)
}

pub(crate) fn ports(bridge: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/sys/class/net/{bridge}/brif")) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// The labs that have a bridge on this machine.
pub(crate) fn labs() -> BTreeSet<LabId> {
    let Ok(entries) = fs::read_dir("/sys/class/net") else { return BTreeSet::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("labbr-")?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_in_use_is_avoided() {
        let routes = "default via 10.98.1.1 dev eth0\n10.98.2.0/24 dev labbr-000000 proto kernel\n10.99.3.0/24 dev x\n";
        let used = networks_in(routes);
        assert_eq!(used.iter().copied().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(Subnet::pick(&used), Some(Subnet(3)));
        assert_eq!(Subnet::pick(&networks_in("10.98.0.0/16 dev vpn")), None);
    }

    #[test]
    fn the_two_addresses_of_a_host_read_alike() {
        assert_eq!(Subnet(3).v4(11).to_string(), "10.98.3.11");
        assert_eq!(Subnet(3).v6(11).to_string(), "fd98:0:0:3::11");
        assert_eq!(Subnet(254).v6(199).to_string(), "fd98:0:0:254::199");
    }
}
