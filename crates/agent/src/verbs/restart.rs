//! Restarts the services that run on replaced files, and starts those that a failed
//! upgrade left stopped. Never the units on which sessions and the system itself hang:
//! those are told as reasons for a reboot.

use std::{collections::BTreeSet, time::Duration};

use wire::{Failure, FailureKind};

use super::{failure, internal, some};
use crate::{
    jobs::Job,
    observe::{self, StaleProcesses},
    tool::Tool,
};

/// For one service to stop and start. systemd's own limit is 90 s for each.
const LIMIT: Duration = Duration::from_secs(200);

/// Restarts what is stale and starts what ran `before` and does not now. Returns the
/// units, sorted.
pub(super) async fn restart_stale(job: &Job, before: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
    systemctl(&["daemon-reload"]).await.map_err(internal)?;
    let mut stale = tokio::task::spawn_blocking(StaleProcesses::find).await.map_err(internal)?.units;
    stale.extend(needrestart(job).await);
    let core = observe::core_units(&stale);
    let wanted: BTreeSet<String> =
        stale.into_iter().filter(|unit| !core.contains(unit) && may_restart(unit)).collect();
    if !core.is_empty() {
        job.log(&format!("left for a reboot: {}", some(&core)));
    }
    let mut bad = Vec::new();
    for unit in &wanted {
        job.log(&format!("restarting {unit}"));
        if let Err(error) = systemctl(&["try-restart", "--", unit]).await {
            bad.push(format!("{unit}: {error}"));
        }
    }
    let running = observe::running_services().await.unwrap_or_default();
    for unit in before.difference(&running).filter(|unit| may_restart(unit)) {
        // A unit that stopped because its work was done is not active and needs no start.
        if !is_loaded_and_down(unit).await {
            continue;
        }
        job.log(&format!("starting {unit}, which ran before"));
        if let Err(error) = systemctl(&["start", "--", unit]).await {
            bad.push(format!("{unit}: {error}"));
        }
    }
    if bad.is_empty() {
        Ok(wanted.into_iter().collect())
    } else {
        Err(failure(FailureKind::NotVerified, format!("services did not come back: {}", some(bad))))
    }
}

/// Sessions of people and our own jobs are not restarted under their users' hands.
fn may_restart(unit: &str) -> bool {
    let spared = [
        "user@",
        "getty@",
        "serial-getty@",
        "console-getty",
        "container-getty@",
        "holdfast-job-",
        "emergency",
        "rescue",
    ];
    !spared.iter().any(|prefix| unit.starts_with(prefix))
}

async fn is_loaded_and_down(unit: &str) -> bool {
    let told = Tool::new("/usr/bin/systemctl")
        .args(["show", "--property=LoadState,ActiveState,Result", "--", unit])
        .text();
    told.await.is_ok_and(|told| told.contains("LoadState=loaded") && !told.contains("ActiveState=active"))
}

async fn systemctl(arguments: &[&str]) -> Result<String, crate::tool::ToolError> {
    Tool::new("/usr/bin/systemctl").args(arguments).limit(LIMIT).text().await
}

/// Units that needrestart names; it also knows programs in scripting languages.
async fn needrestart(job: &Job) -> BTreeSet<String> {
    match Tool::new("/usr/sbin/needrestart").args(["-b", "-r", "l"]).run().await {
        Ok(printed) => needrestart_units(&printed.out),
        Err(crate::tool::ToolError::Missing { .. }) => BTreeSet::new(),
        Err(error) => {
            job.log(&error.to_string());
            BTreeSet::new()
        }
    }
}

/// Lines `NEEDRESTART-SVC: ssh.service` of needrestart's batch mode
/// (its `README.batch.md`).
fn needrestart_units(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("NEEDRESTART-SVC: "))
        .map(|unit| unit.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_needrestart_and_spares_sessions() {
        let text = "NEEDRESTART-VER: 3.6\nNEEDRESTART-KCUR: 6.1\nNEEDRESTART-KSTA: 1\nNEEDRESTART-SVC: ssh.service\nNEEDRESTART-SVC: systemd-manager\n";
        let units = needrestart_units(text);
        assert_eq!(units.len(), 2);
        assert_eq!(observe::core_units(&units).into_iter().collect::<Vec<_>>(), ["systemd-manager"]);
        assert!(may_restart("ssh.service") && !may_restart("getty@tty1.service"));
    }
}
