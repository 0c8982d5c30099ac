//! Trials on real hosts, each a black box: the built programs, driven from outside.

mod browser;
mod crash;
mod host;
mod outside;
mod pages;
mod patching;
mod rollback;
mod stage;

use std::process::Command;

use anyhow::{Result, bail};

use crate::{command, packages};

/// Runs one trial, or all.
pub fn run(name: &str, options: &[&str]) -> Result<()> {
    if !command::is_root() {
        bail!("trials on real hosts need root");
    }
    packages::install(packages::LAB)?;
    packages::install(packages::TRIALS)?;
    command::build()?;
    let sample = options.contains(&"--sample");
    match name {
        "pages" => pages::run(),
        "loop" => patching::run(),
        "rollback" => rollback::run(),
        "crash" => crash::run(sample),
        "outside" => outside::run(),
        "all" => {
            pages::run()?;
            patching::run()?;
            outside::run()?;
            rollback::run()?;
            crash::run(sample)
        }
        _ => bail!("there is no trial `{name}`; there are pages, loop, rollback, crash, outside and all"),
    }
}

/// Removes every lab from this machine.
pub fn clean() -> Result<()> {
    let holdfast = command::binaries().join("holdfast");
    let status = Command::new(holdfast).args(["lab", "clean"]).status()?;
    if !status.success() {
        bail!("`holdfast lab clean` failed");
    }
    Ok(())
}

/// Machines, bridges, mounts and namespaces of labs that are still here.
pub fn left_over() -> Result<Vec<String>> {
    let mut left = Vec::new();
    let mut look = |what: &str, text: String, sign: &str| {
        left.extend(
            text.lines().filter(|line| line.contains(sign)).map(|line| format!("{what}: {}", line.trim())),
        );
    };
    look("bridge", command::output("ip", &["-o", "link"])?, "labbr-");
    look("namespace", command::output("ip", &["netns", "list"]).unwrap_or_default(), "lab");
    look("mount", std::fs::read_to_string("/proc/mounts")?, "/lab/");
    look(
        "process",
        command::output("ps", &["-eo", "pid,args"])?,
        "[s]ystemd-nspawn".trim_matches(['[', ']']),
    );
    look("loop device", command::output("losetup", &["-a"]).unwrap_or_default(), "btrfs.img");
    Ok(left)
}
