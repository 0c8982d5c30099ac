//! From where the control plane calls its agents: a setting that could lock it out.

use std::net::IpAddr;

use base::Problem;
use baseline::Network;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// More addresses than a control plane with a standby in each region has.
const ADDRESSES: usize = 64;

/// From where the control plane calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlPlaneAddresses {
    /// The addresses, sorted; never empty.
    pub addresses: Vec<IpAddr>,
    /// Those before, to go back to.
    pub former: Vec<IpAddr>,
    /// Whether a host lets us in under them.
    pub proof: Proof,
    /// When they were set; none for those found at the start.
    pub changed_at: Option<Timestamp>,
    /// Who set them.
    pub changed_by: Option<String>,
}

/// Whether new addresses are known to be good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "proof")]
pub enum Proof {
    /// A host was reached under them, or there was none to try.
    Good,
    /// One host will be tried first.
    Untried,
    /// That host could not be reached and put its former rules back; no other was touched.
    ShutOut {
        /// Its name.
        server: String,
    },
}

impl ControlPlaneAddresses {
    /// Those that the control plane finds at its start.
    pub fn found(addresses: &[IpAddr]) -> Self {
        Self {
            addresses: sorted(addresses),
            former: Vec::new(),
            proof: Proof::Good,
            changed_at: None,
            changed_by: None,
        }
    }
}

/// Addresses without doubles, in a fixed order.
fn sorted(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut addresses = addresses.to_vec();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// Checks addresses that somebody has entered.
pub fn check(entered: &[String]) -> Result<Vec<IpAddr>, Problem> {
    let refused = |found: String| {
        Problem::new("firewall.addresses", "could not set the addresses of the control plane")
            .found(found)
            .state("Nothing was changed: every host lets in whom it let in before")
            .next("name each address from which this control plane calls its hosts, such as `203.0.113.4`")
    };
    let entered: Vec<&str> = entered.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
    if entered.is_empty() {
        return Err(refused("without an address every host would shut the control plane out".to_owned()));
    }
    if entered.len() > ADDRESSES {
        return Err(refused(format!("{} addresses; at most {ADDRESSES} are taken", entered.len())));
    }
    let mut addresses = Vec::with_capacity(entered.len());
    for text in entered {
        let shown: String = text.chars().take(64).collect();
        let address: IpAddr = text.parse().map_err(|_| refused(format!("`{shown}` is not an IP address")))?;
        Network::host(address).map_err(|error| refused(error.to_string()))?;
        addresses.push(address);
    }
    Ok(sorted(&addresses))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_lock_out_or_let_in_is_refused_in_plain_words() {
        let with = |text: &[&str]| check(&text.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let good = with(&["203.0.113.4", " 2001:db8::4 ", "", "203.0.113.4"]).unwrap();
        assert_eq!(good.len(), 2);
        for (bad, words) in [
            (&[][..], "would shut the control plane out"),
            (&["", "  "], "would shut the control plane out"),
            (&["0.0.0.0"], "not an address that a remote"),
            (&["127.0.0.1"], "not an address that a remote"),
            (&["::ffff:203.0.113.7"], "IPv6 clothes"),
            (&["203.0.113.0/24"], "not an IP address"),
            (&["203.0.113.4", "any"], "`any` is not an IP address"),
        ] {
            let problem = with(bad).unwrap_err().to_string();
            assert!(problem.contains(words), "{bad:?}: {problem}");
        }
        let many: Vec<String> = (1..=65).map(|n| format!("203.0.113.{n}")).collect();
        assert!(check(&many).is_err());
    }
}
