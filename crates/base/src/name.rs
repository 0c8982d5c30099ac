//! The name of a host, as operators type it and providers store it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A host's short name: 1 to 40 characters of `a-z`, `0-9` and `-`, beginning
/// with a letter and not ending in `-` (RFC 1123, narrowed to what every
/// provider takes).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// The longest name that is taken.
    pub const MAX_LEN: usize = 40;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot name a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a host name: use 1 to 40 characters of `a-z`, `0-9` and `-`, beginning with a letter and not ending in `-`"
)]
pub struct InvalidHostName(String);

impl FromStr for HostName {
    type Err = InvalidHostName;

    fn from_str(text: &str) -> Result<Self, InvalidHostName> {
        let fits = text.len() <= Self::MAX_LEN
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidHostName(text.chars().take(64).collect())) }
    }
}

impl TryFrom<String> for HostName {
    type Error = InvalidHostName;

    fn try_from(text: String) -> Result<Self, InvalidHostName> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> String {
        name.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_names_only() {
        for good in ["a", "web-3", "pg1"] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        for bad in ["", "3web", "-a", "a-", "Web", "a.b", "a_b", "a/b", &"a".repeat(41)] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }
}
