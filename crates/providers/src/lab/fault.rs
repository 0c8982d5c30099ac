//! Faults the mirror makes on purpose, so that tests see what a bad day looks like.

use serde::{Deserialize, Serialize};

/// Spoils the requests whose path holds a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Part of the path, such as `/debian-security/` or `pool/main/o/openssl`. Empty fits every request.
    pub path_contains: String,
    /// What happens to it.
    pub kind: FaultKind,
}

/// How a request is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The mirror answers 503.
    Unavailable,
    /// The mirror answers 404.
    NotFound,
    /// The connection breaks after half the file.
    Half,
    /// Nothing comes for a while, then everything does.
    Delay {
        /// How long, in milliseconds.
        millis: u64,
    },
}

/// The first fault that fits a path.
pub(crate) fn of(path: &str, faults: &[Fault]) -> Option<FaultKind> {
    faults.iter().find(|fault| path.contains(&fault.path_contains)).map(|fault| fault.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fitting_fault_counts() {
        let fault = |path: &str, kind| Fault { path_contains: path.into(), kind };
        let faults = [fault("/pool/", FaultKind::Half), fault("", FaultKind::NotFound)];
        assert_eq!(of("/debian/pool/a.deb", &faults), Some(FaultKind::Half));
        assert_eq!(of("/debian/dists/x", &faults), Some(FaultKind::NotFound));
        assert_eq!(of("/debian/dists/x", &faults[..1]), None);
    }
}
