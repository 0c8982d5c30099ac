//! The operating-system releases that Holdfast knows by name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A family of releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Distribution {
    /// Debian GNU/Linux.
    Debian,
    /// Ubuntu.
    Ubuntu,
}

macro_rules! releases {
    ($($variant:ident, $distribution:ident, $version:literal, $codename:literal;)*) => {
        /// A release of a distribution. Written `debian-12` or `ubuntu-24.04`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Release {
            $(#[doc = concat!(stringify!($distribution), " ", $version, " (", $codename, ").")] $variant,)*
        }

        impl Release {
            /// Every release that is known, oldest first within a distribution.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The distribution it belongs to.
            pub fn distribution(self) -> Distribution {
                match self { $(Self::$variant => Distribution::$distribution),* }
            }

            /// The number in `VERSION_ID` of `/etc/os-release`.
            pub fn version(self) -> &'static str {
                match self { $(Self::$variant => $version),* }
            }

            /// The name archives and trackers use.
            pub fn codename(self) -> &'static str {
                match self { $(Self::$variant => $codename),* }
            }
        }
    };
}

releases! {
    Debian11, Debian, "11", "bullseye";
    Debian12, Debian, "12", "bookworm";
    Debian13, Debian, "13", "trixie";
    Ubuntu1804, Ubuntu, "18.04", "bionic";
    Ubuntu2004, Ubuntu, "20.04", "focal";
    Ubuntu2204, Ubuntu, "22.04", "jammy";
    Ubuntu2404, Ubuntu, "24.04", "noble";
    Ubuntu2604, Ubuntu, "26.04", "resolute";
}

impl Release {
    /// The release that `ID` and `VERSION_ID` of `/etc/os-release` name.
    pub fn from_os_release(id: &str, version_id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|release| release.family() == id && release.version() == version_id)
    }

    /// The release with this codename.
    pub fn from_codename(codename: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|release| release.codename() == codename)
    }

    fn family(self) -> &'static str {
        match self.distribution() {
            Distribution::Debian => "debian",
            Distribution::Ubuntu => "ubuntu",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.family(), self.version())
    }
}

/// A text that names no known release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a known release; known are {known}", known = known())]
pub struct UnknownRelease(String);

fn known() -> String {
    Release::ALL.iter().map(|release| format!("`{release}`")).collect::<Vec<_>>().join(", ")
}

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Self, UnknownRelease> {
        Self::ALL
            .iter()
            .copied()
            .find(|release| release.to_string() == text)
            .ok_or_else(|| UnknownRelease(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for Release {
    type Error = UnknownRelease;

    fn try_from(text: String) -> Result<Self, UnknownRelease> {
        text.parse()
    }
}

impl From<Release> for String {
    fn from(release: Release) -> String {
        release.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_survives_its_own_text() {
        for release in Release::ALL {
            assert_eq!(release.to_string().parse::<Release>().as_ref(), Ok(release));
            assert_eq!(Release::from_codename(release.codename()), Some(*release));
        }
        assert_eq!(Release::from_os_release("debian", "12"), Some(Release::Debian12));
        assert!("debian-99".parse::<Release>().is_err());
    }
}
