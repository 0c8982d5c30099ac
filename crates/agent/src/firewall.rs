//! The firewall under change: UFW's commands, and the trial in which a change stands until
//! somebody outside confirms it.
//!
//! A trial outlives the agent, the job and a reboot: it is a file, and a timer of systemd's.
//! A timer that is gone, as after a reboot, counts as one that has run out.

use std::{fs, io, path::Path};

use baseline::{Rule, UfwCommand, firewall_changes, tagged_rules};
use serde::{Deserialize, Serialize};
use wire::{FirewallRule, JobKey};

use crate::{
    Places, durable,
    install::BINARY,
    tool::{Tool, ToolError},
};

/// A trial's file; two thousand rules are 200 kB.
const TRIAL_BYTES: u64 = 4 << 20;

const UFW: &str = "/usr/sbin/ufw";

/// Why the firewall could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// UFW or systemd refused.
    #[error("the firewall could not be changed")]
    Tool {
        /// What it said.
        #[from]
        source: ToolError,
    },
    /// The file of the trial cannot be used.
    #[error("the record of the former firewall cannot be used")]
    Trial {
        /// What the system said.
        #[from]
        source: io::Error,
    },
}

/// What stands until it is confirmed, and what comes back if it is not.
#[derive(Debug, Serialize, Deserialize)]
pub struct Trial {
    /// The job that began it.
    pub set: JobKey,
    /// The rules of ours before.
    former: Vec<FirewallRule>,
}

impl Trial {
    /// The trial that has not ended yet, if there is one.
    pub fn open(places: &Places) -> io::Result<Option<Self>> {
        match durable::read_bounded(&places.firewall_trial(), TRIAL_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins one for this job. An open one goes over into it, since what stood before
    /// that one is what was confirmed last.
    pub async fn begin(places: &Places, set: &JobKey, seconds: u16) -> Result<(), FirewallError> {
        let former = match Self::open(places)? {
            Some(open) => {
                stop_timer(&open.set).await;
                open.former
            }
            None => tagged_rules(&added().await?).into_iter().map(FirewallRule::from).collect(),
        };
        let trial = Self { set: set.clone(), former };
        let bytes = serde_json::to_vec(&trial).map_err(io::Error::from)?;
        durable::replace(&places.firewall_trial(), &bytes, 0o600)?;
        // Before the first change: whatever ends this process now, the former rules come back.
        start_timer(set, seconds).await?;
        Ok(())
    }

    /// Ends it: what was set stays.
    pub async fn confirm(self, places: &Places) -> io::Result<()> {
        remove(&places.firewall_trial())?;
        stop_timer(&self.set).await;
        Ok(())
    }

    /// Ends it: the former rules come back.
    async fn undo(self, places: &Places) -> Result<(), FirewallError> {
        let former: Vec<Rule> = self.former.iter().filter_map(|rule| Rule::try_from(rule).ok()).collect();
        let commands = firewall_changes(&former, &added().await?);
        run(&commands).await?;
        remove(&places.firewall_trial())?;
        tracing::warn!(job = %self.set, changes = commands.len(), "nobody confirmed the new firewall; the former rules are back");
        Ok(())
    }
}

/// Puts the former rules back if this job's trial is still open. For the timer.
pub async fn run_out(places: &Places, set: &JobKey) -> Result<(), FirewallError> {
    match Trial::open(places)?.filter(|trial| trial.set == *set) {
        Some(trial) => trial.undo(places).await,
        None => Ok(()),
    }
}

/// Has the former rules put back if a trial is open and nothing would end it. For the start
/// of the helper, which may not change the host itself.
pub async fn settle(places: &Places) -> Result<(), FirewallError> {
    match Trial::open(places)? {
        Some(trial) if !timer_runs(&trial.set).await => Ok(start_timer(&trial.set, 0).await?),
        _ => Ok(()),
    }
}

/// `ufw show added`, without the leading `ufw `.
pub async fn added() -> Result<Vec<String>, ToolError> {
    let text = Tool::new(UFW).args(["show", "added"]).text().await?;
    Ok(text.lines().filter_map(|line| line.strip_prefix("ufw ")).map(str::to_owned).collect())
}

/// Runs UFW once for each command, in their order.
pub async fn run(commands: &[UfwCommand]) -> Result<(), ToolError> {
    for command in commands {
        Tool::new(UFW).args(command.args()).text().await?;
    }
    Ok(())
}

/// The unit of a trial, without its suffix.
fn unit(set: &JobKey) -> String {
    format!("holdfast-firewall-{set}")
}

async fn start_timer(set: &JobKey, seconds: u16) -> Result<(), ToolError> {
    Tool::new("/usr/bin/systemd-run")
        .arg(format!("--unit={}", unit(set)))
        .args(["--collect", "--quiet", "--description=Holdfast: the former firewall comes back"])
        .arg(format!("--on-active={seconds}"))
        .args(["--timer-property=AccuracySec=1s", BINARY, "former-firewall", set.as_str()])
        .text()
        .await
        .map(drop)
}

async fn stop_timer(set: &JobKey) {
    let timer = format!("{}.timer", unit(set));
    // A timer that has run out is not there any more, and finds no trial.
    let _ = Tool::new("/usr/bin/systemctl").args(["stop", &timer]).text().await;
}

async fn timer_runs(set: &JobKey) -> bool {
    let units = [format!("{}.timer", unit(set)), format!("{}.service", unit(set))];
    let shown = Tool::new("/usr/bin/systemctl")
        .args(["show", "--property=ActiveState", "--value"])
        .args(units)
        .text();
    shown.await.is_ok_and(|states| states.lines().any(|state| matches!(state, "active" | "activating")))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
