//! The plan of a patch run: decided and approved before anything is touched, and never
//! changed after. A step carries it out; a surprise makes it stale.

use base::{HostName, ServerId};
use serde::{Deserialize, Serialize};
use wire::{Probe, UpgradePlan, UpgradeScope};

/// What a patch run will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchPlan {
    /// To which server.
    pub server: ServerId,
    /// Its name.
    pub name: HostName,
    /// Which updates were taken in.
    pub scope: UpgradeScope,
    /// The exact changes.
    pub upgrade: UpgradePlan,
    /// Whether a disk snapshot is taken first.
    pub snapshot: SnapshotChoice,
    /// What must work before and after.
    pub probes: Vec<Probe>,
    /// How long the probes may take to be answered after the update, in seconds.
    #[serde(default = "probe_limit")]
    pub probe_limit_seconds: u32,
    /// Make it impossible to put the former packages back, so that a trial reaches the
    /// last rung of the ladder.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_package_rollback: bool,
}

/// Requirement table of health gates: a probe is answered within three minutes.
pub const PROBE_LIMIT_SECONDS: u32 = 180;

fn probe_limit() -> u32 {
    PROBE_LIMIT_SECONDS
}

/// Whether a disk snapshot is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotChoice {
    /// Yes.
    Take,
    /// No, and why; the audit trail says `snapshot_skipped`.
    Skip {
        /// Why.
        reason: String,
    },
}

impl PatchPlan {
    /// How the run goes back, in words, quickest way first.
    pub fn ways_back(&self) -> Vec<String> {
        let mut ways = Vec::new();
        if self.without_package_rollback {
            ways.push("putting the former packages back is switched off for this run".to_owned());
        } else if self.upgrade.former_unavailable.is_empty() {
            ways.push(
                "the exact former packages; what customers wrote since is kept, changes to /etc since are \
                 set aside on the host"
                    .to_owned(),
            );
        } else {
            let names: Vec<_> = self.upgrade.former_unavailable.iter().map(ToString::to_string).collect();
            ways.push(format!("not by packages: the former {} can no longer be had", names.join(", ")));
        }
        ways.push(match &self.snapshot {
            SnapshotChoice::Take => {
                "the disk snapshot, last; what was written since it was taken is lost".to_owned()
            }
            SnapshotChoice::Skip { reason } => format!("no disk snapshot: {reason}"),
        });
        ways
    }
}
