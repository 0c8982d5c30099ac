//! `stage_packages`: downloads the new packages and the former ones, saves every list
//! that a rollback is proved with, and keeps a disk reserve. Installs nothing.

use std::{fs, os::unix::fs::chown, path::Path, time::Duration};

use wire::{Failure, FailureKind, Outcome, PackageChange, PackageName, UpgradePlan};

use super::{
    apt_run, check_files, failure, internal,
    kept::{Kept, PackageFile, Staged, digest},
    plan_upgrade::{cached, difference, records, simulate},
    record::{self, Record},
    reserve, some, stale,
};
use crate::{
    apt::{self, pins, records::Records},
    durable,
    jobs::Job,
    tool::Tool,
};

/// For one call of `apt-get download`: 700 packages over a slow line.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(3600);

pub(super) async fn perform(job: &Job, plan: &UpgradePlan) -> Result<Outcome, Failure> {
    let kept = Kept::of(&job.places, &job.key);
    if let Some(staged) = kept.staged().map_err(internal)? {
        return Ok(outcome(&staged));
    }
    let now = Record::of_packages().await?;
    match standing(plan, &now) {
        Standing::Former => {}
        Standing::New => return Ok(Outcome::AlreadyDone),
        Standing::Other(words) => return Err(stale(words)),
    }
    for disk in ["/", "/var"] {
        let free = reserve::free_bytes(disk.as_ref()).map_err(internal)?;
        if free < plan.needed_bytes {
            let message = format!("{disk} has {free} bytes free, the upgrade needs {}", plan.needed_bytes);
            return Err(failure(FailureKind::NoSpace, message));
        }
    }
    let staged = stage(job, plan, &kept).await;
    if staged.is_err() {
        // Nothing was installed; half a staging is of no use and holds space.
        kept.delete().map_err(internal)?;
    }
    staged.map(|staged| outcome(&staged))
}

fn outcome(staged: &Staged) -> Outcome {
    let former_missing = staged.former_missing();
    Outcome::Staged { bytes: staged.bytes(), former_kept: former_missing.is_empty(), former_missing }
}

async fn stage(job: &Job, plan: &UpgradePlan, kept: &Kept) -> Result<Staged, Failure> {
    let download_user = nix::unistd::User::from_name("_apt").ok().flatten().map(|user| user.uid.as_raw());
    kept.make(download_user).map_err(internal)?;
    reserve::take(&kept.reserve())
        .map_err(|error| failure(FailureKind::NoSpace, format!("the disk reserve cannot be had: {error}")))?;
    durable::replace(&kept.pins(), pins::exactly(plan).as_bytes(), 0o644).map_err(internal)?;
    let simulation = apt::with_preferences(apt::simulation(), &kept.pins()).arg("dist-upgrade");
    if let Some(difference) = difference(plan, &simulate(simulation).await?) {
        return Err(stale(format!("the plan no longer holds: {difference}")));
    }
    let records = records(plan).await?;

    job.progress(5.0, "Downloading the new packages");
    let download = apt::with_preferences(apt::apt_get(), &kept.pins())
        .option("Dir::Cache::archives", kept.new_packages())
        .args(["--download-only", "dist-upgrade"]);
    let ended = apt_run::run(job, download, 5.0, 40.0).await.map_err(unavailable)?;
    if ended.code != 0 {
        return Err(failure(
            FailureKind::Unavailable,
            format!("the new packages could not all be downloaded: {}", ended.cause.unwrap_or_default()),
        ));
    }
    let new = package_files(&kept.new_packages(), plan, |change| Some(&change.to), &records).await?;
    let absent: Vec<_> =
        plan.changes.iter().map(|change| &change.name).filter(|name| !new.contains_key(*name)).collect();
    if !absent.is_empty() {
        return Err(failure(FailureKind::Unavailable, format!("apt did not download {}", some(absent))));
    }

    job.progress(40.0, "Downloading the former packages");
    download_former(job, plan, kept).await?;
    chown(kept.former_packages(), Some(0), Some(0)).map_err(internal)?;
    let former =
        package_files(&kept.former_packages(), plan, |change| change.from.as_ref(), &records).await?;

    job.progress(60.0, "Saving configuration and lists");
    record::save_configuration(&kept.etc_archive()).await.map_err(internal)?;
    kept.write("record.json", &Record::take().await?).map_err(internal)?;
    job.progress(75.0, "Taking digests of all files");
    let facts = tokio::task::spawn_blocking(check_files::facts).await.map_err(internal)?.map_err(internal)?;
    kept.write("files.json", &facts).map_err(internal)?;

    let staged = Staged { plan: plan.clone(), new, former };
    kept.finish(&staged).map_err(internal)?;
    job.log(&format!("{} new and {} former packages kept", staged.new.len(), staged.former.len()));
    Ok(staged)
}

fn unavailable(error: crate::tool::ToolError) -> Failure {
    failure(FailureKind::Unavailable, crate::daemon::chain(&error))
}

/// Fetches the former packages in one call, or, when one of them cannot be had, each by
/// itself. What is missing afterwards is told, not an error: a snapshot may be the way
/// back.
async fn download_former(job: &Job, plan: &UpgradePlan, kept: &Kept) -> Result<(), Failure> {
    let folder = kept.former_packages();
    let mut wanted = Vec::new();
    for change in plan.changes.iter() {
        let Some(from) = &change.from else { continue };
        if let Some(file) = cached(change)
            && let Some(name) = file.file_name()
        {
            fs::copy(&file, folder.join(name)).map_err(internal)?;
            continue;
        }
        if !plan.former_unavailable.contains(&change.name) {
            wanted.push(format!("{}={from}", change.name));
        }
    }
    let fetch = |names: Vec<String>| {
        let tool = apt::apt_get().within(&folder).arg("download").args(names).limit(DOWNLOAD_LIMIT);
        tool.lines(|line| job.log(line))
    };
    if wanted.is_empty() || fetch(wanted.clone()).await.map_err(unavailable)? == 0 {
        return Ok(());
    }
    for name in wanted {
        fetch(vec![name]).await.map_err(unavailable)?;
    }
    Ok(())
}

/// The packages of a folder that the plan names in the wanted version, with size and
/// digest checked against apt's lists where those know them.
async fn package_files(
    folder: &Path,
    plan: &UpgradePlan,
    version: impl Fn(&PackageChange) -> Option<&wire::PackageVersion>,
    records: &Records,
) -> Result<std::collections::BTreeMap<PackageName, PackageFile>, Failure> {
    let mut found = std::collections::BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(internal)? {
        let path = entry.map_err(internal)?.path();
        let Some(file) =
            path.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".deb"))
        else {
            continue;
        };
        let fields = Tool::new("/usr/bin/dpkg-deb")
            .args(["--show", "--showformat=${Package}\t${Version}\t${Architecture}"])
            .arg(&path)
            .text()
            .await
            .map_err(|error| failure(FailureKind::Unavailable, format!("{file} is damaged: {error}")))?;
        let change = plan.changes.iter().find(|change| {
            let name = change.name.as_str().split(':').next().unwrap_or_default();
            let wanted = version(change).map(|version| format!("{name}\t{version}\t{}", change.architecture));
            wanted.as_deref() == Some(fields.trim())
        });
        let Some(change) = change else { continue };
        let bytes = path.metadata().map_err(internal)?.len();
        let sha256 = digest(&path).map_err(internal)?;
        let known = version(change).and_then(|version| records.get(change.name.as_str(), version.as_str()));
        if known.and_then(|known| known.sha256).is_some_and(|known| known != sha256) {
            return Err(failure(
                FailureKind::Unavailable,
                format!("{file} is not the file that apt's lists name"),
            ));
        }
        found.insert(change.name.clone(), PackageFile { file: file.to_owned(), bytes, sha256 });
    }
    Ok(found)
}

/// How a host stands to a plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Every package is as the plan expects.
    Former,
    /// Every package is as the plan wants it.
    New,
    /// Neither; in words.
    Other(String),
}

/// Compares versions and states with a plan.
pub(super) fn standing(plan: &UpgradePlan, now: &Record) -> Standing {
    let found = |change: &PackageChange| {
        now.packages.get(change.name.as_str()).filter(|(_, status)| !is_gone(status))
    };
    let at = |change: &PackageChange, version: Option<&wire::PackageVersion>| match (found(change), version) {
        (Some((found, status)), Some(version)) => {
            found == version.as_str() && matches!(status.as_str(), "ii" | "hi")
        }
        (None, None) => true,
        _ => false,
    };
    if !plan.changes.is_empty() && plan.changes.iter().all(|change| at(change, Some(&change.to))) {
        return Standing::New;
    }
    let others = plan.changes.iter().filter(|change| !at(change, change.from.as_ref())).map(|change| {
        let found = found(change)
            .map_or("not installed".to_owned(), |(version, status)| format!("at {version} ({status})"));
        let expected = change.from.as_ref().map_or("not installed".to_owned(), ToString::to_string);
        format!("{} is {found}, the plan expected {expected}", change.name)
    });
    let others: Vec<String> = others.collect();
    if others.is_empty() { Standing::Former } else { Standing::Other(some(others)) }
}

/// Removed, with or without its configuration left.
fn is_gone(status: &str) -> bool {
    matches!(status.as_bytes().get(1), Some(b'n' | b'c'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_former_new_or_neither() {
        let plan: UpgradePlan = serde_json::from_value(serde_json::json!({
            "changes": [
                {"name": "a1", "architecture": "all", "from": "1", "to": "2", "security": true},
                {"name": "b1", "architecture": "all", "from": null, "to": "2", "security": true}
            ], "download_bytes": 0, "needed_bytes": 0, "former_unavailable": []
        }))
        .unwrap();
        let host = |packages: &[(&str, &str, &str)]| Record {
            packages: packages.iter().map(|(n, v, s)| ((*n).into(), ((*v).into(), (*s).into()))).collect(),
            ..Record::default()
        };
        assert_eq!(standing(&plan, &host(&[("a1", "1", "ii")])), Standing::Former);
        assert_eq!(standing(&plan, &host(&[("a1", "1", "ii"), ("b1", "1", "rc")])), Standing::Former);
        assert_eq!(standing(&plan, &host(&[("a1", "2", "ii"), ("b1", "2", "ii")])), Standing::New);
        assert!(matches!(
            standing(&plan, &host(&[("a1", "2", "iF"), ("b1", "2", "ii")])),
            Standing::Other(_)
        ));
        assert!(matches!(standing(&plan, &host(&[("a1", "1.5", "ii")])), Standing::Other(_)));
    }
}
