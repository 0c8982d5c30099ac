//! A fully qualified domain name as it stands in zones and certificates.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A name without the final dot, in lower case: labels of letters, digits, `-` and `_`, at
/// least two of them (RFC 1035 §2.3.4 for the lengths). No wildcard, no address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsName(String);

/// A text that is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a domain name such as `hosts.example.org`")]
pub struct InvalidDnsName(String);

impl DnsName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name below another: `web-1` and `example.org` give `web-1.example.org`.
    pub fn below(label: &str, parent: &Self) -> Result<Self, InvalidDnsName> {
        format!("{label}.{parent}").parse()
    }

    /// Whether it is this zone's own name or one below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        self == zone || self.0.strip_suffix(&zone.0).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl FromStr for DnsName {
    type Err = InvalidDnsName;

    fn from_str(text: &str) -> Result<Self, InvalidDnsName> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        // A last label of digits only would read as an address.
        let ends_in_letters =
            name.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()));
        if name.len() <= 253 && name.contains('.') && name.split('.').all(is_label) && ends_in_letters {
            Ok(Self(name))
        } else {
            Err(InvalidDnsName(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for DnsName {
    type Error = InvalidDnsName;

    fn try_from(text: String) -> Result<Self, InvalidDnsName> {
        text.parse()
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> String {
        name.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        text.parse().unwrap()
    }

    #[test]
    fn takes_names_and_nothing_else() {
        assert_eq!(name("Web-1.Example.ORG.").as_str(), "web-1.example.org");
        let long = format!("{}.org", "a".repeat(64));
        let whole = format!("{}org", "a.".repeat(126));
        for bad in [
            "",
            ".",
            "org",
            "a..org",
            "*.example.org",
            "-a.org",
            "a-.org",
            "192.0.2.1",
            "a b.org",
            &long,
            &whole,
        ] {
            assert!(bad.parse::<DnsName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_in_a_zone_by_whole_labels() {
        let zone = name("example.org");
        assert!(name("a.b.example.org").is_within(&zone) && zone.is_within(&zone));
        assert!(!name("badexample.org").is_within(&zone));
        assert!(!name("example.org.evil.net").is_within(&zone));
    }
}
