//! `restore_packages`: puts the former packages and all state around them back, from
//! any half-way state, without the network, and proves that the host is the former one.
//!
//! dpkg itself installs the former set over whatever is there: that also repairs
//! packages that are half-installed. A `dpkg --configure -a` before it would finish the
//! very version that failed.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use wire::{Failure, FailureKind, JobKey, Outcome};

use super::{
    check_files, failure, impossible, internal,
    kept::{Kept, Staged, digest},
    marks, policy_rcd, prove,
    record::{self, Record},
    reserve, restart, some,
};
use crate::{apt, jobs::Job, tool::Tool};

const DPKG_LIMIT: Duration = super::apt_run::LIMIT;
/// A script that is in the way costs one more pass; a second script of the same package
/// another.
const PASSES: usize = 3;
/// Folders in which nothing but packages, their scripts and the saved configuration has
/// any business.
const PACKAGES_OWN: [&str; 3] = ["/etc/", "/usr/", "/boot/"];

pub(super) async fn perform(job: &Job, staged: &JobKey) -> Result<Outcome, Failure> {
    let kept = Kept::of(&job.places, staged);
    let Some(marker) = kept.staged().map_err(internal)? else {
        return Err(impossible(format!("nothing was kept as `{staged}`")));
    };
    let before: Record = kept
        .read("record.json")
        .map_err(internal)?
        .ok_or_else(|| impossible("the lists of the former state are missing"))?;
    let files: Option<check_files::Facts> = kept.read("files.json").map_err(internal)?;
    let former = former_files(&kept, &marker, &before).await?;

    // Room first: without it every later step fails half-way.
    reserve::release(&kept.reserve()).map_err(internal)?;
    clean_archives(job).await;
    wait_for_dpkg(job).await?;
    keep_present_configuration(job, &kept).await;

    let ban = policy_rcd::begin().map_err(internal)?;
    let packages = bring_packages_back(job, &marker, &before, &former, files.as_ref()).await;
    ban.end().map_err(internal)?;
    packages?;

    job.progress(60.0, "Putting marks and configuration back");
    let now = Record::of_packages().await?;
    marks::bring_back(job, &before, &now).await.map_err(internal)?;
    record::put_configuration_back(&kept.etc_archive()).await.map_err(internal)?;
    displace_leftovers(job, &kept, files.as_ref()).map_err(internal)?;

    job.progress(70.0, "Restarting services");
    let restarted = restart::restart_stale(job, &before.running).await?;
    job.progress(75.0, "Proving that the host is the former one");
    let compared = prove::same_as(job, &before, files.as_ref()).await?;
    Ok(Outcome::Restored { compared, restarted })
}

/// The packages to go back to, whole. A missing one only matters if its package changed.
async fn former_files(kept: &Kept, marker: &Staged, before: &Record) -> Result<Vec<PathBuf>, Failure> {
    let now = Record::of_packages().await?;
    let changed = |name: &str| now.packages.get(name) != before.packages.get(name);
    let missing: Vec<_> = marker.former_missing().into_iter().filter(|name| changed(name.as_str())).collect();
    if !missing.is_empty() {
        return Err(impossible(format!("the former packages of {} could not be kept", some(missing))));
    }
    let mut files = Vec::new();
    for package in marker.former.values() {
        let path = kept.former_packages().join(&package.file);
        if digest(&path).ok() != Some(package.sha256) {
            return Err(impossible(format!("the kept package {} is missing or damaged", package.file)));
        }
        files.push(path);
    }
    Ok(files)
}

/// Keeps the configuration that the former one is put over: what somebody has changed
/// since the update would be lost otherwise. Once, so that a restore that is begun anew
/// does not replace it with its own half-way state.
///
/// A host without room for it is brought back all the same: its work counts for more.
async fn keep_present_configuration(job: &Job, kept: &Kept) {
    let archive = kept.displaced_configuration();
    if archive.exists() {
        return;
    }
    let half = archive.with_extension("part");
    let saved = record::save_configuration(&half).await.map_err(io::Error::other);
    match saved.and_then(|()| fs::rename(&half, &archive)) {
        Ok(()) => job.log(&format!("the present configuration is kept in {}", archive.display())),
        Err(error) => {
            job.log(&format!("the present configuration could not be kept: {error}"));
            // Half an archive is of no use and takes the room that dpkg needs.
            let _ = fs::remove_file(&half);
        }
    }
}

async fn clean_archives(job: &Job) {
    if let Err(error) = Tool::new("/usr/bin/apt-get").arg("clean").text().await {
        job.log(&format!("apt's archives could not be cleaned: {error}"));
    }
}

/// Waits until no dpkg holds its lock. The lock's file stays for ever and says nothing;
/// only the lock on it counts.
async fn wait_for_dpkg(job: &Job) -> Result<(), Failure> {
    const TRIES: u32 = 300;
    for attempt in 0..TRIES {
        if !["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"]
            .iter()
            .any(|path| is_locked(Path::new(path)))
        {
            return Ok(());
        }
        if attempt == 0 {
            job.log("waiting for another dpkg to end");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(failure(FailureKind::Unavailable, "another program keeps dpkg locked; nothing was changed"))
}

fn is_locked(path: &Path) -> bool {
    let Ok(file) = fs::OpenOptions::new().read(true).write(true).open(path) else { return false };
    let mut lock = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as nix::libc::c_short,
        l_whence: nix::libc::SEEK_SET as nix::libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_GETLK(&mut lock)).is_ok()
        && lock.l_type != nix::libc::F_UNLCK as nix::libc::c_short
}

async fn bring_packages_back(
    job: &Job,
    marker: &Staged,
    before: &Record,
    former: &[PathBuf],
    files: Option<&check_files::Facts>,
) -> Result<(), Failure> {
    if is_former(before).await? {
        job.log("all packages are the former ones");
        return Ok(());
    }
    let new: BTreeSet<&str> = marker
        .plan
        .changes
        .iter()
        .map(|change| change.name.as_str())
        .filter(|name| !before.packages.contains_key(*name))
        .collect();
    job.progress(5.0, "Removing what only the new packages brought");
    remove_new_configuration(job, marker, before, files).await?;
    purge(job, &new).await?;
    for pass in 0..PASSES {
        job.progress(10.0 + 10.0 * pass as f32, "Installing the former packages");
        if !former.is_empty() {
            let dpkg = Tool::new("/usr/bin/dpkg")
                .args(["--install", "--force-downgrade"])
                .args(apt::KEEP_CONFIGURATION)
                .args(former);
            run_dpkg(job, dpkg).await?;
        }
        run_dpkg(
            job,
            Tool::new("/usr/bin/dpkg").args(["--configure", "--pending"]).args(apt::KEEP_CONFIGURATION),
        )
        .await?;
        // What the new set needed can go now that the former set is there.
        purge(job, &new).await?;
        if is_former(before).await? {
            return Ok(());
        }
        disarm_scripts(job, marker, before).await?;
    }
    // Which packages are in the way is said by the proof; here it must not be lost
    // behind later steps.
    let now = Record::of_packages().await?;
    let wrong = before.packages.iter().filter(|(name, value)| now.packages.get(*name) != Some(value));
    let wrong: Vec<String> = wrong.map(|(name, _)| name.clone()).collect();
    Err(failure(FailureKind::Packages, format!("dpkg could not bring back {}", some(wrong))))
}

async fn is_former(before: &Record) -> Result<bool, Failure> {
    let now = Record::of_packages().await?;
    let audit = Tool::new("/usr/bin/dpkg").arg("--audit").run().await.map_err(internal)?;
    let journal = fs::read_dir("/var/lib/dpkg/updates").map_err(internal)?.next().is_some();
    let quiet = audit.out.trim().is_empty() || !before.audit.is_empty();
    Ok(now.packages == before.packages && quiet && !journal)
}

/// dpkg's exit code is no verdict here: what is left undone is seen by looking.
async fn run_dpkg(job: &Job, dpkg: Tool) -> Result<(), Failure> {
    let dpkg = dpkg.env("NEEDRESTART_SUSPEND", "1").env("UCF_FORCE_CONFFOLD", "1").limit(DPKG_LIMIT);
    let code = dpkg.lines(|line| job.log(line)).await.map_err(|error| super::packages_failed(&error))?;
    if code != 0 {
        job.log(&format!("dpkg ended with code {code}"));
    }
    Ok(())
}

async fn purge(job: &Job, new: &BTreeSet<&str>) -> Result<(), Failure> {
    let now = Record::of_packages().await?;
    let there: Vec<&&str> = new.iter().filter(|name| now.packages.contains_key(**name)).collect();
    if there.is_empty() {
        return Ok(());
    }
    run_dpkg(job, Tool::new("/usr/bin/dpkg").args(["--purge", "--force-remove-reinstreq"]).args(there)).await
}

/// Deletes configuration files that only the new versions ship: those that were not
/// there before. After the downgrade
/// dpkg would keep them for ever, as obsolete.
async fn remove_new_configuration(
    job: &Job,
    marker: &Staged,
    before: &Record,
    files: Option<&check_files::Facts>,
) -> Result<(), Failure> {
    let Some(files) = files else { return Ok(()) };
    let present: Vec<_> = marker
        .plan
        .changes
        .iter()
        .filter(|change| change.from.is_some() && before.packages.contains_key(change.name.as_str()))
        .collect();
    if present.is_empty() {
        return Ok(());
    }
    let told = Tool::new("/usr/bin/dpkg-query")
        .args(["-W", "-f", "${Conffiles}\n"])
        .args(present.iter().map(|change| change.name.as_str()))
        .run()
        .await
        .map_err(internal)?;
    // ` /etc/x.conf d41d8cd98f00b204e9800998ecf8427e obsolete`
    for path in told
        .out
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|path| path.starts_with("/etc/"))
    {
        if !files.contains_key(path) && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            job.log(&format!("removing {path}, which was not there before"));
            fs::remove_file(path).map_err(internal)?;
        }
    }
    Ok(())
}

/// Replaces the scripts of packages that did not go back: a `prerm` or `postrm` of the
/// failed version can refuse to let itself be replaced. The former package brings its own.
async fn disarm_scripts(job: &Job, marker: &Staged, before: &Record) -> Result<(), Failure> {
    let now = Record::of_packages().await?;
    for change in &marker.plan.changes {
        let name = change.name.as_str();
        if now.packages.get(name) == before.packages.get(name) {
            continue;
        }
        let plain = name.split(':').next().unwrap_or(name);
        for script in ["prerm", "postrm"] {
            for stem in [plain.to_owned(), format!("{plain}:{}", change.architecture)] {
                let path = Path::new("/var/lib/dpkg/info").join(format!("{stem}.{script}"));
                if path.is_file() {
                    job.log(&format!("setting the {script} script of {name} aside"));
                    crate::durable::replace(&path, b"#!/bin/sh\nexit 0\n", 0o755).map_err(internal)?;
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(internal)?;
                }
            }
        }
    }
    Ok(())
}

/// Sets aside what the failed upgrade left: every file in [`PACKAGES_OWN`] that was not
/// there, such as those a script has made, and what dpkg has half written.
/// Nothing is lost: all of it stays with what is kept until that is dropped.
fn displace_leftovers(job: &Job, kept: &Kept, files: Option<&check_files::Facts>) -> std::io::Result<()> {
    let Some(files) = files else { return Ok(()) };
    let mut extra: Vec<PathBuf> = check_files::paths()?;
    extra.retain(|path| {
        let text = path.to_string_lossy();
        let half_written = [".dpkg-new", ".dpkg-tmp"].iter().any(|suffix| text.ends_with(suffix));
        let theirs = PACKAGES_OWN.iter().any(|folder| text.starts_with(folder));
        !files.contains_key(text.as_ref()) && (theirs || half_written)
    });
    // Contents before their folders.
    extra.sort_by(|a, b| b.cmp(a));
    for path in extra {
        job.log(&format!("setting {} aside, which was not there before", path.display()));
        if let Err(error) = kept.displace(&path) {
            job.log(&format!("{} stays: {error}", path.display()));
        }
    }
    Ok(())
}
