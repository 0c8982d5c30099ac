//! Packages, pending updates, and the exact plan of an upgrade.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The name of a binary package, Debian policy §5.6.1: at least two characters of
/// `a-z`, `0-9`, `+`, `-`, `.`, beginning with a letter or digit. Optionally
/// followed by `:` and an architecture, as dpkg writes foreign packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

/// A version as Debian policy §5.6.12 allows it: `[epoch:]upstream[-revision]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageVersion(String);

/// A text that is no package name, or no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a package {what}")]
pub struct InvalidPackageName {
    what: &'static str,
    found: String,
}

impl InvalidPackageName {
    fn new(what: &'static str, found: &str) -> Self {
        Self { what, found: found.chars().take(64).collect() }
    }
}

impl FromStr for PackageName {
    type Err = InvalidPackageName;

    fn from_str(text: &str) -> Result<Self, InvalidPackageName> {
        let (name, architecture) = text.split_once(':').unwrap_or((text, "any"));
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (2..=128).contains(&name.len())
            && name.bytes().next().is_some_and(plain)
            && name.bytes().all(|b| plain(b) || matches!(b, b'+' | b'-' | b'.'))
            && (1..=32).contains(&architecture.len())
            && architecture.bytes().all(|b| plain(b) || b == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidPackageName::new("name", text)) }
    }
}

impl FromStr for PackageVersion {
    type Err = InvalidPackageName;

    fn from_str(text: &str) -> Result<Self, InvalidPackageName> {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b':' | b'~'));
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidPackageName::new("version", text)) }
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidPackageName;

            fn try_from(text: String) -> Result<Self, InvalidPackageName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
    };
}

text_newtype!(PackageName);
text_newtype!(PackageVersion);

/// dpkg's three letters for a package, deb-src(5) of dpkg-query `${db:Status-Abbrev}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackageStatus(pub String);

impl PackageStatus {
    /// Installed and configured, whether held or not.
    pub fn is_installed(&self) -> bool {
        matches!(self.0.trim_end(), "ii" | "hi")
    }

    /// Installed at least in part: its files may be in use.
    pub fn is_present(&self) -> bool {
        !matches!(self.0.as_bytes().get(1), None | Some(b'n' | b'c'))
    }
}

/// One package on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Binary package.
    pub name: PackageName,
    /// Installed version.
    pub version: PackageVersion,
    /// Such as `amd64` or `all`.
    pub architecture: String,
    /// Source package it was built from.
    pub source: String,
    /// Version of that source package.
    pub source_version: PackageVersion,
    /// dpkg's status.
    pub status: PackageStatus,
    /// `apt-mark hold`.
    pub held: bool,
    /// Installed as a dependency, not by request.
    pub automatic: bool,
}

/// A newer version that apt offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingUpdate {
    /// Binary package.
    pub name: PackageName,
    /// Such as `amd64` or `all`.
    pub architecture: String,
    /// Installed version; none when the update brings a new package.
    pub installed: Option<PackageVersion>,
    /// The version on offer.
    pub candidate: PackageVersion,
    /// Archives that carry it, as apt prints them: `Debian-Security:12/oldstable-security`.
    pub origins: Vec<String>,
    /// True when one of the origins is a security archive.
    pub security: bool,
    /// True when a hold keeps apt from installing it.
    pub held: bool,
}

/// Which pending updates a plan takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeScope {
    /// Those of security archives, and what they depend on.
    Security,
    /// All that apt offers.
    All,
}

/// One package that an upgrade changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// Binary package.
    pub name: PackageName,
    /// Such as `amd64` or `all`.
    pub architecture: String,
    /// The version that must be installed before; none for a new package.
    pub from: Option<PackageVersion>,
    /// The version to install.
    pub to: PackageVersion,
    /// True when a security archive carries it.
    pub security: bool,
}

/// Exactly what an upgrade will do, found by apt's own simulation. A run installs
/// this and nothing else; a host on which it no longer holds is not touched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradePlan {
    /// In apt's order.
    pub changes: Vec<PackageChange>,
    /// To download, in bytes.
    pub download_bytes: u64,
    /// Disk space needed for the new packages, the kept former ones and the
    /// reserve, in bytes.
    pub needed_bytes: u64,
    /// Packages whose former version can no longer be fetched: rolling back by
    /// packages is then impossible.
    pub former_unavailable: Vec<PackageName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_cannot_smuggle_options_or_paths() {
        for good in ["libc6", "g++", "libssl3:amd64", "python3.11"] {
            assert!(good.parse::<PackageName>().is_ok(), "{good}");
        }
        for bad in ["-o", "--force", "a", "../x", "a b", "A1", "x;y", "libc6:", ""] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad}");
        }
        for good in ["1:9.2p1-2+deb12u6", "0~git", "2.36-9+deb12u14"] {
            assert!(good.parse::<PackageVersion>().is_ok(), "{good}");
        }
        for bad in ["", "-1", "1 2", "1/2", "$(x)", "1\n2"] {
            assert!(bad.parse::<PackageVersion>().is_err(), "{bad}");
        }
    }
}
