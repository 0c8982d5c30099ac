//! Whether a finding can be fixed now, and if not, what stands in the way.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What can be done about a finding. In the order of how much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fixability {
    /// An update that this host can install contains the fix.
    Fixable,
    /// The fix is installed, but what it replaced still runs: a reboot or restart is due.
    NotInEffect,
    /// The fix is installed, but the engine still runs the old version: its restart is due.
    RestartDue,
    /// The update is installed; something has to be done by hand, and nothing proves that it was.
    ManualStep,
    /// The fix is offered to a growing share of hosts and not yet to this one.
    Phased,
    /// The package is held back on this host.
    Held,
    /// The kernel belongs to the machine below this container, and only there can it be fixed.
    SharedKernel,
    /// The fix needs an Ubuntu Pro subscription.
    EsmOnly,
    /// The feed names a fixed version that the host's own package sources do not offer.
    NotYetInArchive,
    /// Whether it is affected cannot be told from its version; it counts as affected.
    NotJudged,
    /// No fix has been released.
    NoFix,
    /// The engine's community edition is no longer maintained: the fix exists elsewhere only.
    NoUpstream,
    /// The release or the package is no longer supported: no fix will come.
    EndOfLife,
    /// The running kernel carries the fix as a live patch. A new kernel and a reboot are needed for the
    /// fix that lasts.
    Livepatched,
    /// The vulnerable kernel is installed but not in use; removing its package ends it.
    NotRunning,
    /// The distribution says that its binary packages are not affected in practice.
    Unimportant,
}

impl Fixability {
    /// Whether the vulnerability is in effect on this host. Those that are not
    /// are listed for completeness and counted apart.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Livepatched | Self::NotRunning | Self::Unimportant)
    }
}

impl fmt::Display for Fixability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixable => "fixable now",
            Self::NotInEffect => "installed, not in effect until a reboot or restart",
            Self::RestartDue => "installed, not in effect until a restart",
            Self::ManualStep => "updated, a step by hand may be due",
            Self::Phased => "phased update, not yet offered here",
            Self::Held => "package held",
            Self::SharedKernel => "kernel of the machine below",
            Self::EsmOnly => "fix behind Ubuntu Pro",
            Self::NotYetInArchive => "fix not yet in the archive",
            Self::NotJudged => "cannot be judged by its version",
            Self::NoFix => "no fix yet",
            Self::NoUpstream => "no community fix",
            Self::EndOfLife => "end of life",
            Self::Livepatched => "live-patched until the next boot",
            Self::NotRunning => "installed kernel, not in use",
            Self::Unimportant => "no impact on the binary packages",
        })
    }
}
