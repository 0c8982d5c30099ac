//! What an agent can do to its host, one file a verb. Every verb first looks, then
//! acts, may be asked for again, and says which it did.
//!
//! ```text
//! refresh_lists ─► plan_upgrade ─► stage_packages ─► install_packages ─► (reboot) ─► run_probes
//!                                        └──────────► restore_packages
//! ```

mod apt_run;
mod check_certificate;
mod check_files;
mod drop_staged;
mod install_packages;
mod keep_firewall;
mod kept;
mod marks;
mod plan_upgrade;
pub mod policy_rcd;
mod prove;
mod reboot;
mod record;
mod refresh_lists;
mod repair;
mod reserve;
mod restart;
mod restore_packages;
mod run_probes;
mod set_firewall;
mod stage_packages;

use wire::{Failure, FailureKind, JobKey, Outcome, Verb};

use crate::{Places, jobs::Job, tool::ToolError};

/// What a verb ended with.
pub struct Done {
    /// What it found or did.
    pub outcome: Outcome,
    /// What is left to do once the outcome is on disk.
    pub then: Then,
}

/// What happens after the outcome is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Rest,
    /// The host reboots.
    Reboot,
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, then: Then::Rest }
    }
}

/// Carries out a verb.
pub async fn perform(job: &Job, verb: &Verb) -> Result<Done, Failure> {
    match verb {
        Verb::RefreshLists => refresh_lists::perform(job).await.map(Done::from),
        Verb::PlanUpgrade { scope } => plan_upgrade::perform(job, *scope).await.map(Done::from),
        Verb::StagePackages { plan } => stage_packages::perform(job, plan).await.map(Done::from),
        Verb::InstallPackages { staged } => install_packages::perform(job, staged).await.map(Done::from),
        Verb::RestorePackages { staged } => restore_packages::perform(job, staged).await.map(Done::from),
        Verb::DropStaged { staged } => drop_staged::perform(job, staged).map(Done::from),
        Verb::Reboot { boot_id } => reboot::perform(boot_id),
        Verb::SetFirewall { rules, undo_after } => {
            set_firewall::perform(job, rules, *undo_after).await.map(Done::from)
        }
        Verb::KeepFirewall { set } => keep_firewall::perform(job, set).await.map(Done::from),
        Verb::Repair { files, masked_units } => {
            repair::perform(job, files, masked_units).await.map(Done::from)
        }
        Verb::RunProbes { probes } => run_probes::perform(job, probes).await.map(Done::from),
        Verb::CheckCertificate => check_certificate::perform().await.map(Done::from),
    }
}

/// Does what was left to do.
pub async fn afterwards(job: &Job, then: Then) -> Result<(), Failure> {
    match then {
        Then::Rest => Ok(()),
        Then::Reboot => reboot::now(job).await,
    }
}

/// Gives back the disk space that a staging has set aside, before a job of its own can
/// even be written down.
pub fn release_reserve(places: &Places, staged: &JobKey) -> std::io::Result<()> {
    reserve::release(&kept::Kept::of(places, staged).reserve())
}

fn failure(kind: FailureKind, message: impl Into<String>) -> Failure {
    // Lists of hundreds of packages help nobody in one sentence.
    Failure { kind, message: message.into().chars().take(1_000).collect() }
}

fn impossible(message: impl Into<String>) -> Failure {
    failure(FailureKind::Impossible, message)
}

fn stale(message: impl Into<String>) -> Failure {
    failure(FailureKind::Stale, message)
}

fn internal(error: impl std::error::Error) -> Failure {
    failure(FailureKind::Internal, crate::daemon::chain(&error))
}

fn packages_failed(error: &ToolError) -> Failure {
    failure(FailureKind::Packages, crate::daemon::chain(error))
}

/// The first few of many, for a sentence.
fn some<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 5;
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let more = items.len().saturating_sub(SHOWN);
    items.truncate(SHOWN);
    let text = items.join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}
