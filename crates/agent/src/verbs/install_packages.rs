//! `install_packages`: installs what was staged, offline and in exactly the planned
//! versions, then proves it and restarts what runs on replaced files. The packages' own
//! scripts restart nothing.

use wire::{Failure, FailureKind, JobKey, Outcome};

use super::{
    apt_run, failure, impossible, internal,
    kept::{Kept, Staged, digest},
    marks, packages_failed,
    plan_upgrade::{difference, simulate},
    policy_rcd,
    record::Record,
    restart, some,
    stage_packages::{Standing, standing},
    stale,
};
use crate::{apt, jobs::Job, tool::Tool};

pub(super) async fn perform(job: &Job, staged: &JobKey) -> Result<Outcome, Failure> {
    let kept = Kept::of(&job.places, staged);
    let Some(marker) = kept.staged().map_err(internal)? else {
        return Err(impossible(format!("nothing was staged as `{staged}`")));
    };
    let before: Record = kept.read("record.json").map_err(internal)?.unwrap_or_default();
    let now = Record::of_packages().await?;
    match standing(&marker.plan, &now) {
        Standing::Former => {}
        Standing::New => {
            // An earlier attempt may have died between installing and restarting.
            policy_rcd::lift().map_err(internal)?;
            restart::restart_stale(job, &before.running).await?;
            return Ok(Outcome::AlreadyDone);
        }
        Standing::Other(words) => return Err(stale(words)),
    }
    check(&kept, &marker)?;
    let simulation = apt::with_preferences(apt::simulation(), &kept.pins()).arg("dist-upgrade");
    if let Some(difference) = difference(&marker.plan, &simulate(simulation).await?) {
        return Err(stale(format!("the plan no longer holds: {difference}")));
    }

    let ban = policy_rcd::begin().map_err(internal)?;
    let mut install = apt::with_preferences(apt::apt_get(), &kept.pins())
        .option("Dir::Cache::archives", kept.new_packages())
        .option("APT::Keep-Downloaded-Packages", "true")
        .args(["--no-download", "--no-remove"]);
    for option in apt::KEEP_CONFIGURATION {
        install = install.option("Dpkg::Options::", option);
    }
    let ended = apt_run::run(job, install.arg("dist-upgrade"), 0.0, 85.0).await;
    ban.end().map_err(internal)?;
    let ended = ended.map_err(|error| packages_failed(&error))?;
    prove(job, &marker, &before, &ended).await?;

    job.progress(90.0, "Restarting services");
    let restarted = restart::restart_stale(job, &before.running).await?;
    Ok(Outcome::Installed { restarted })
}

/// The packages are still the files that were staged.
fn check(kept: &Kept, marker: &Staged) -> Result<(), Failure> {
    for package in marker.new.values() {
        let path = kept.new_packages().join(&package.file);
        if digest(&path).ok() != Some(package.sha256) {
            return Err(stale(format!("{} is missing or has changed since it was staged", package.file)));
        }
    }
    Ok(())
}

/// Every version is the planned one, dpkg has nothing to complain of, marks are as
/// they were. apt's own exit code is only a reason for a closer look.
async fn prove(job: &Job, marker: &Staged, before: &Record, ended: &apt_run::Ended) -> Result<(), Failure> {
    job.progress(85.0, "Checking what was installed");
    let now = Record::of_packages().await?;
    let audit = Tool::new("/usr/bin/dpkg").arg("--audit").run().await.map_err(internal)?;
    let standing = standing(&marker.plan, &now);
    if ended.code == 0 && standing == Standing::New && audit.out.trim().is_empty() {
        return marks::bring_back(job, before, &now).await.map_err(internal);
    }
    let found = match standing {
        Standing::New => "dpkg --audit complains".to_owned(),
        Standing::Former => "no package was changed".to_owned(),
        // The plan's words say what was expected before; here the other end is wanted.
        Standing::Other(_) => format!("not at the planned version: {}", some(not_there(marker, &now))),
    };
    let cause = ended.cause.clone().unwrap_or_else(|| format!("apt-get ended with code {}", ended.code));
    Err(failure(FailureKind::Packages, format!("{cause}; {found}")))
}

fn not_there(marker: &Staged, now: &Record) -> Vec<String> {
    let wrong = marker.plan.changes.iter().filter_map(|change| {
        let found = now.packages.get(change.name.as_str());
        match found {
            Some((version, status)) if version == change.to.as_str() && status == "ii" => None,
            Some((version, status)) => Some(format!("{} {version} ({status})", change.name)),
            None => Some(format!("{} (absent)", change.name)),
        }
    });
    wrong.collect()
}
