//! Trials on real hosts, each a black box: the built programs, driven from outside.

mod browser;
mod certificates;
mod crash;
mod harden;
mod host;
mod judges;
mod pages;
mod patching;
mod rollback;
mod scan;
mod stage;
mod tokens;

use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

use crate::{command, packages};
use crash::Points;

/// Runs one trial, or all.
pub fn run(name: &str, options: &[&str]) -> Result<()> {
    if !command::is_root() {
        bail!("trials on real hosts need root");
    }
    occupy()?;
    packages::install(packages::LAB)?;
    packages::install(packages::TRIALS)?;
    packages::install(packages::AUTHORITIES)?;
    command::build()?;
    feeds()?;
    let points = match options {
        [] => Points::All,
        ["--sample"] => Points::Sample,
        ["--at", point] => Points::One(point),
        _ => bail!("a trial takes no options but crash and harden: `--sample`; crash: `--at PLACE:MOMENT`"),
    };
    match name {
        "pages" => pages::run(),
        "loop" => patching::run(),
        "rollback" => rollback::run(),
        "crash" => crash::run(&points),
        "harden" => harden::run(matches!(points, Points::Sample)),
        "tokens" => tokens::run(),
        "certificates" => certificates::run(),
        "judges" => judges::run(),
        "all" => {
            pages::run()?;
            patching::run()?;
            tokens::run()?;
            harden::run(false)?;
            judges::run()?;
            rollback::run()?;
            certificates::run()?;
            crash::run(&points)
        }
        _ => bail!(
            "there is no trial `{name}`; there are pages, loop, tokens, harden, judges, rollback, certificates, crash \
             and all"
        ),
    }
}

/// The feed directories of trials: those in `HOLDFAST_FEEDS`, separated by colons, else
/// the ones that lie beside this tree.
pub fn feeds() -> Result<Vec<PathBuf>> {
    let beside = ["feeds", "feeds-2026-11"].map(|name| command::root().join("../shared").join(name));
    let found: Vec<PathBuf> = match std::env::var_os("HOLDFAST_FEEDS") {
        Some(folders) => std::env::split_paths(&folders).collect(),
        None => beside.to_vec(),
    };
    if let Some(missing) = found.iter().find(|folder| !folder.is_dir()) {
        bail!(
            "trials read feeds from directories, and `{}` is none; name some in HOLDFAST_FEEDS",
            missing.display()
        );
    }
    Ok(found)
}

/// Held while trials run: each cleans up what it takes for the leavings of one that was killed.
const LOCK: &str = "/run/lock/holdfast-trials";

/// Makes sure that no other trials run on this machine, until this process ends. Waits for them.
pub fn occupy() -> Result<()> {
    static HELD: OnceLock<File> = OnceLock::new();
    if HELD.get().is_some() {
        return Ok(());
    }
    let file = File::create(LOCK).with_context(|| format!("could not create `{LOCK}`"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            println!("waiting for other trials on this machine to end");
            file.lock().with_context(|| format!("could not lock `{LOCK}`"))?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("could not lock `{LOCK}`"));
        }
    }
    // Only this thread ever gets here, so nobody can have set it meanwhile.
    let _ = HELD.set(file);
    Ok(())
}

/// Where labs register themselves: a file each, which holds the lab's folder.
const REGISTRY: &str = "/run/holdfast-lab";

/// Removes the labs of earlier trials, also of killed ones. A lab that somebody works
/// with is not touched.
pub fn clean() -> Result<()> {
    let Ok(labs) = std::fs::read_dir(REGISTRY) else { return Ok(()) };
    for lab in labs.flatten() {
        let Ok(folder) = std::fs::read_to_string(lab.path()) else { continue };
        let folder = Path::new(folder.trim());
        let Some(data) = folder.parent() else { continue };
        if !data.parent().is_some_and(|parent| parent.ends_with(stage::TRIALS)) {
            continue;
        }
        println!("removing what an earlier trial has left in {}", data.display());
        let holdfast = command::binaries().join("holdfast");
        let status =
            Command::new(holdfast).arg("--data").arg(data).args(["lab", "clean", "--here"]).status()?;
        if !status.success() {
            bail!("`holdfast lab clean` failed for {}", data.display());
        }
        if data.exists() {
            std::fs::remove_dir_all(data)?;
        }
    }
    Ok(())
}

/// Everything outside a trial's folder that a lab makes: links, namespaces, mounts, loop
/// devices, control groups and processes.
pub fn traces() -> Result<BTreeSet<String>> {
    let mut traces = BTreeSet::new();
    let mut look = |what: &str, text: String, signs: &[&str]| {
        let lines = text.lines().filter(|line| signs.iter().any(|sign| line.contains(sign)));
        traces.extend(lines.map(|line| format!("{what}: {}", line.trim())));
    };
    let links = command::output("ip", &["-br", "link"])?;
    let links: Vec<&str> = links.lines().filter_map(|line| line.split_whitespace().next()).collect();
    look("link", links.join("\n"), &["labbr", "vb-", "lp-"]);
    look("namespace", command::output("ip", &["netns", "list"]).unwrap_or_default(), &["lp-"]);
    look("firewall", command::output("nft", &["list", "tables"]).unwrap_or_default(), &["bridge holdfast-"]);
    look("mount", std::fs::read_to_string("/proc/mounts")?, &[stage::TRIALS]);
    look("loop device", command::output("losetup", &["-a"]).unwrap_or_default(), &["btrfs"]);
    // A zombie has ended and holds nothing; when it goes is up to the machine's first process.
    let processes = command::output("ps", &["-eo", "stat=,args="])?;
    let alive = processes.lines().filter(|line| !line.starts_with('Z'));
    let alive: Vec<&str> = alive.filter_map(|line| Some(line.split_once(' ')?.1)).collect();
    look("process", alive.join("\n"), &["systemd-nspawn", "lab internal", "up --listen"]);
    let groups = command::output("find", &["/sys/fs/cgroup", "-type", "d", "-path", "*holdfast-lab/*"]);
    look("control group", groups.unwrap_or_default(), &["holdfast-lab"]);
    Ok(traces)
}
