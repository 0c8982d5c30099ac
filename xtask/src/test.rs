//! `cargo xtask test`: everything, and at the end what was skipped and why.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::{command, e2e, packages, tidy};

/// Runs every check. Stops at the first that fails, since the later ones stand on it.
pub fn run() -> Result<()> {
    let mut skipped = Vec::new();
    let root = command::is_root();
    if root {
        e2e::occupy()?;
        packages::install(packages::LAB)?;
        packages::install(packages::TRIALS)?;
        packages::install(packages::ORACLES)?;
        packages::install(packages::AUTHORITIES)?;
        // What an earlier, killed run has left would be in the way of this one.
        command::build()?;
        e2e::clean()?;
    } else {
        skipped.push("everything on real hosts: needs root".to_owned());
    }
    let authorities = packages::missing(packages::AUTHORITIES);
    if !authorities.is_empty() {
        skipped.push(format!("certificates from a real CA: needs {}", authorities.join(", ")));
    }
    let oracles = packages::missing(packages::ORACLES);
    if !oracles.is_empty() {
        skipped.push(format!("dpkg as the judge of version order: needs {}", oracles.join(", ")));
    }
    let before = if root { e2e::traces()? } else { Default::default() };
    stage("tidy", tidy::run)?;
    stage("format", || command::run("cargo", &["fmt", "--all", "--check"]))?;
    stage("lints", || {
        command::run(
            "cargo",
            &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
        )?;
        // They have a workspace of their own, which building this one never looks at.
        command::run("cargo", &["check", "--quiet", "--locked", "--manifest-path", "fuzz/Cargo.toml"])
    })?;
    match command::output("cargo", &["deny", "--version"]) {
        Ok(_) => {
            stage("licences", || command::run("cargo", &["deny", "check", "licenses", "bans", "sources"]))?
        }
        Err(_) => skipped.push("licences: `cargo install cargo-deny` has them checked".to_owned()),
    }
    stage("unit and integration tests", || {
        // With this, a test that lacks a program fails instead of passing over it.
        let whole = (oracles.is_empty() && authorities.is_empty()).then_some(("HOLDFAST_WHOLE_SUITE", "1"));
        command::run_with("cargo", &["test", "--locked", "--workspace"], whole)
    })?;
    if root {
        for name in ["pages", "loop", "tokens"] {
            stage(name, || e2e::run(name, &[]))?;
        }
        stage("harden", || e2e::run("harden", &["--sample"]))?;
        for name in ["judges", "rollback", "certificates"] {
            stage(name, || e2e::run(name, &[]))?;
        }
        stage("crash", || e2e::run("crash", &["--sample"]))?;
        skipped.push("three of six shapes of hosts: `cargo xtask e2e harden` takes every one".to_owned());
        skipped.push("most kill points on the real host: `cargo xtask e2e crash` takes every one".to_owned());
        let left: Vec<String> = e2e::traces()?.difference(&before).cloned().collect();
        if !left.is_empty() {
            bail!("the trials have left something behind: {}", left.join("; "));
        }
    }
    println!("\nall checks passed");
    for what in &skipped {
        println!("skipped: {what}");
    }
    Ok(())
}

fn stage(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n── {name}");
    let started = Instant::now();
    work()?;
    println!("── {name}: passed in {} s", started.elapsed().as_secs());
    Ok(())
}
