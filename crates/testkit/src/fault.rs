//! What a test can have go wrong, and what it can count.

use std::collections::BTreeMap;

/// A fault that a [`SimulatedHost`](crate::SimulatedHost) has when it is told to. Each
/// strikes at the next occasion it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Refreshing lists and staging find no mirror. Nothing changes.
    MirrorDown,
    /// Staging finds too little space. Nothing changes.
    DiskFull,
    /// Installing runs out of space: packages stay unpacked.
    DiskFullDuringInstall,
    /// The first package stays half-configured (`iF`), the others are finished.
    PostinstFails,
    /// Every package stays unpacked (`iU`), and the services they restart are down.
    PreinstFails,
    /// The job dies in the middle: one package half-installed, dpkg interrupted.
    KilledDuringInstall,
    /// The job says it succeeded, but one package is as before.
    PackageSkipped,
    /// The job succeeds and the first service it restarts does not come up again.
    UnitFails,
    /// What was kept turns out to be unusable: restoring packages changes nothing.
    RestoreImpossible,
    /// Restoring packages stops half-way.
    RestoreFails,
    /// The host goes down and its disk no longer boots. A disk restore helps.
    RebootNeverReturns,
    /// The job says it rebooted, but the boot is the same.
    SameBootIdAfterReboot,
    /// Probes find the service not working.
    ProbeFails,
    /// The next question about a job finds that the agent has lost it.
    ForgetJob,
    /// The next start of a job takes effect, but its answer is lost.
    AnswerLost,
    /// A new firewall shuts the control plane out: calls are refused, until the trial runs out and
    /// the former rules are back.
    FirewallShutsOut,
    /// Calls are refused for want of trust, until the identity is renewed.
    NotTrusted,
}

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// On this many occasions; then it is gone.
    Count(u32),
    /// Until it is cleared.
    Always,
}

/// The faults that wait for their occasion.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<Fault, Times>);

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault, times: Times) {
        self.0.insert(fault, times);
    }

    pub(crate) fn clear(&mut self, fault: Fault) {
        self.0.remove(&fault);
    }

    pub(crate) fn waits(&self, fault: Fault) -> bool {
        self.0.get(&fault).is_some_and(|times| *times != Times::Count(0))
    }

    /// Whether the fault strikes now; one occasion of it is then used up.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.waits(fault);
        if let Some(Times::Count(left)) = self.0.get_mut(&fault) {
            *left = left.saturating_sub(1);
        }
        strikes
    }
}

/// What really happened to a host, however often it was asked for. A disk restore does
/// not turn it back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// Package lists fetched.
    pub refreshes: u32,
    /// Plans staged.
    pub stagings: u32,
    /// Installations that changed packages, also those that failed half-way.
    pub installs: u32,
    /// Package restores that changed packages.
    pub restores: u32,
    /// Stagings dropped.
    pub drops: u32,
    /// Times the host went down to boot again by a job.
    pub reboots: u32,
    /// Times it started, for whatever reason, the first included.
    pub boots: u32,
    /// Disks put back under it.
    pub disk_restores: u32,
    /// Rounds of probes run.
    pub probes: u32,
    /// Firewalls that were changed.
    pub firewalls: u32,
    /// New identities.
    pub identities: u32,
}
