//! The name of each feed: what is stored, logged and typed on a command line.

use std::{fmt, str::FromStr};

use base::Distribution;
use serde::{Deserialize, Serialize};

/// A feed that can be read. Written `debian-tracker`, `ubuntu-osv` or `cisa-kev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FeedKind {
    /// Debian's security tracker.
    DebianTracker,
    /// Debian's list of security advisories (DSA).
    DebianDsa,
    /// Debian's list of advisories of long-term support (DLA).
    DebianDla,
    /// Ubuntu's CVE records and security notices in the OSV format.
    UbuntuOsv,
    /// Ubuntu's security notices as its web API serves them.
    UbuntuNotices,
    /// CISA's catalogue of known exploited vulnerabilities.
    Kev,
    /// Predictions of exploitation.
    Epss,
    /// NIST's vulnerability database.
    Nvd,
    /// CVE records with what CISA adds.
    CveRecords,
    /// Advisories about Go modules.
    OsvGo,
    /// The local list that corrects the others.
    Overrides,
}

impl FeedKind {
    /// The stored name.
    pub fn name(self) -> &'static str {
        match self {
            Self::DebianTracker => "debian-tracker",
            Self::DebianDsa => "debian-dsa",
            Self::DebianDla => "debian-dla",
            Self::UbuntuOsv => "ubuntu-osv",
            Self::UbuntuNotices => "ubuntu-notices",
            Self::Kev => "cisa-kev",
            Self::Epss => "epss",
            Self::Nvd => "nvd",
            Self::CveRecords => "cve-records",
            Self::OsvGo => "osv-go",
            Self::Overrides => "overrides",
        }
    }

    /// Every kind, in the order in which pages list them.
    pub fn all() -> impl Iterator<Item = Self> {
        super::all().iter().map(|feed| feed.kind())
    }

    /// The name for people.
    pub fn title(self) -> &'static str {
        super::feed(self).title()
    }

    /// The distribution whose packages it speaks of; `None` for feeds about CVEs themselves.
    pub fn distribution(self) -> Option<Distribution> {
        match self {
            Self::DebianTracker | Self::DebianDsa | Self::DebianDla => Some(Distribution::Debian),
            Self::UbuntuOsv | Self::UbuntuNotices => Some(Distribution::Ubuntu),
            Self::Kev | Self::Epss | Self::Nvd | Self::CveRecords | Self::OsvGo | Self::Overrides => None,
        }
    }

    /// Whether it is the operator's own and may well be missing: nobody publishes it, so that its
    /// absence is no fault and its age means nothing.
    pub fn is_local(self) -> bool {
        self == Self::Overrides
    }

    /// The publisher's own address; empty for what [is local](Self::is_local).
    pub fn public_url(self) -> &'static str {
        super::feed(self).public_url()
    }
}

impl fmt::Display for FeedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a feed; known are {known}", known = known())]
pub struct UnknownFeed(String);

fn known() -> String {
    FeedKind::all().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ")
}

impl FromStr for FeedKind {
    type Err = UnknownFeed;

    fn from_str(text: &str) -> Result<Self, UnknownFeed> {
        FeedKind::all()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownFeed(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for FeedKind {
    type Error = UnknownFeed;

    fn try_from(text: String) -> Result<Self, UnknownFeed> {
        text.parse()
    }
}

impl From<FeedKind> for String {
    fn from(kind: FeedKind) -> String {
        kind.name().to_owned()
    }
}
