//! A network that may be let through a firewall.
//!
//! Narrower than CIDR itself: what an operator most likely mistyped is refused with
//! words, not silently rounded to something wider.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The two families that every rule is written for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// An IPv4 or IPv6 network without host bits, such as `203.0.113.0/24`. An address
/// alone means exactly that address. Never the whole Internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// The shortest IPv4 prefix taken. IANA gives no one more than a /8; anything
    /// wider is "everyone" cut into pieces.
    pub const MIN_PREFIX_V4: u8 = 8;
    /// The shortest IPv6 prefix taken. Registries themselves hold a /12; no one who
    /// operates hosts holds more than a /16.
    pub const MIN_PREFIX_V6: u8 = 16;

    /// The network of this one address.
    pub fn host(address: IpAddr) -> Result<Self, InvalidNetwork> {
        Self::checked(IpNet::from(address), &address.to_string())
    }

    /// Whether it is IPv4 or IPv6.
    pub fn family(&self) -> Family {
        match self.0 {
            IpNet::V4(_) => Family::V4,
            IpNet::V6(_) => Family::V6,
        }
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    fn checked(net: IpNet, found: &str) -> Result<Self, InvalidNetwork> {
        let found = || found.chars().take(64).collect::<String>();
        if net.prefix_len() == 0 {
            return Err(InvalidNetwork::Everyone { found: found() });
        }
        if let IpNet::V6(v6) = net
            && let Some(v4) = v6.addr().to_ipv4_mapped()
        {
            return Err(InvalidNetwork::MappedIpv4 { found: found(), address: v4.to_string() });
        }
        let shortest = match net {
            IpNet::V4(_) => Self::MIN_PREFIX_V4,
            IpNet::V6(_) => Self::MIN_PREFIX_V6,
        };
        if net.prefix_len() < shortest {
            return Err(InvalidNetwork::TooWide { found: found(), shortest });
        }
        if net.addr() != net.network() {
            return Err(InvalidNetwork::HostBits {
                found: found(),
                network: Self(net.trunc()),
                address: net.addr(),
            });
        }
        let address = net.addr();
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            return Err(InvalidNetwork::NotRemote { found: found() });
        }
        Ok(Self(net))
    }
}

/// Why a text is not taken as a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// Not an address and not CIDR.
    #[error(
        "`{found}` is neither an address nor a network: write `203.0.113.7`, `203.0.113.0/24` or `2001:db8::/48`"
    )]
    Syntax {
        /// What was typed, at most 64 characters.
        found: String,
    },
    /// A prefix of zero.
    #[error("`{found}` is the whole Internet: name the networks that need access")]
    Everyone {
        /// What was typed.
        found: String,
    },
    /// A prefix so short that it is nearly everyone.
    #[error("`{found}` is too wide: the widest network taken is a /{shortest}")]
    TooWide {
        /// What was typed.
        found: String,
        /// The shortest prefix of this family.
        shortest: u8,
    },
    /// Bits after the prefix are set, so it is unclear which was meant.
    #[error(
        "`{found}` has bits set after its prefix: write `{network}` for the network or `{address}` for the one address"
    )]
    HostBits {
        /// What was typed.
        found: String,
        /// The network it lies in.
        network: Network,
        /// The address it names.
        address: IpAddr,
    },
    /// `::ffff:a.b.c.d`, which a firewall for IPv6 never sees.
    #[error("`{found}` is an IPv4 address in IPv6 clothes, which matches no packet: write `{address}`")]
    MappedIpv4 {
        /// What was typed.
        found: String,
        /// The IPv4 address in it.
        address: String,
    },
    /// Loopback, multicast or the unspecified address.
    #[error("`{found}` is not an address that a remote machine can have")]
    NotRemote {
        /// What was typed.
        found: String,
    },
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let net = net.ok_or_else(|| InvalidNetwork::Syntax { found: text.chars().take(64).collect() })?;
        Self::checked(net, text)
    }
}

impl fmt::Display for Network {
    /// The bare address for a single one, as UFW writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_networks_and_single_addresses() {
        for (typed, shown) in [
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7/32", "203.0.113.7"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("2001:db8::/48", "2001:db8::/48"),
            ("2001:DB8::1", "2001:db8::1"),
            ("fd98:0:0:1::1/128", "fd98:0:0:1::1"),
        ] {
            assert_eq!(typed.parse::<Network>().map(|n| n.to_string()), Ok(shown.to_owned()), "{typed}");
        }
    }

    #[test]
    fn says_plainly_what_is_wrong() {
        for (typed, words) in [
            ("0.0.0.0/0", "whole Internet"),
            ("::/0", "whole Internet"),
            ("0.0.0.0/1", "too wide: the widest network taken is a /8"),
            ("128.0.0.0/1", "too wide"),
            ("2000::/3", "too wide: the widest network taken is a /16"),
            ("203.0.113.7/24", "write `203.0.113.0/24` for the network or `203.0.113.7` for the one address"),
            ("2001:db8::1/64", "write `2001:db8::/64`"),
            ("::ffff:203.0.113.7", "write `203.0.113.7`"),
            ("::ffff:203.0.113.0/120", "IPv6 clothes"),
            ("0.0.0.0", "not an address that a remote"),
            ("127.0.0.1", "not an address that a remote"),
            ("::1", "not an address that a remote"),
            ("::", "not an address that a remote"),
            ("224.0.0.0/8", "not an address that a remote"),
            ("203.0.113.0/33", "neither"),
            ("203.0.113", "neither"),
            ("any", "neither"),
            ("", "neither"),
            ("203.0.113.7; reboot", "neither"),
        ] {
            let error = typed.parse::<Network>().expect_err(typed).to_string();
            assert!(error.contains(words), "{typed}: {error}");
        }
    }
}
