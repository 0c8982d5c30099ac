//! The address of a package set: the digest of its content.

use std::{fmt, str::FromStr};

use base::{InvalidSha256, Sha256};
use serde::{Deserialize, Serialize};

use crate::host::HostPackages;

/// Which package set a host has. Two hosts with equal packages, kernel and offers have the
/// same one, in whatever order they report them. Written as a SHA-256 digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SetId(Sha256);

impl SetId {
    /// The address of this content. Store it beside the inventory: hashing is the dearest part
    /// of placing a host, about as much as matching it.
    pub fn of(host: &HostPackages) -> Self {
        Self::of_ordered(&ordered(host))
    }

    pub(super) fn of_ordered(host: &HostPackages) -> Self {
        // Maps of texts, numbers and options into memory cannot fail; the form names every field,
        // so that no two contents have the same one.
        let form = serde_json::to_vec(host).unwrap_or_default();
        Self(Sha256::of(&form))
    }
}

/// The same content in the one order by which it is known.
pub(super) fn ordered(host: &HostPackages) -> HostPackages {
    let mut host = host.clone();
    host.packages.sort_unstable();
    host.packages.dedup();
    host.engines.sort_unstable();
    host.engines.dedup();
    if let Some(pending) = &mut host.pending {
        pending.sort_unstable();
        pending.dedup();
    }
    host
}

impl fmt::Display for SetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SetId {
    type Err = InvalidSha256;

    fn from_str(text: &str) -> Result<Self, InvalidSha256> {
        text.parse().map(Self)
    }
}
