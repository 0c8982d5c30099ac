//! `cargo xtask e2e rollback`: updates broken in every way that can be made, and the host
//! as it was before after each.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{host::Host, stage::Stage};

/// `holdfast server patch` ends with this code when the run was rolled back.
const ROLLED_BACK: i32 = 3;

/// Runs the trial.
pub fn run() -> Result<()> {
    let stage = Stage::start("rollback")?;
    let host = Host::provision(&stage, "roll-1", &[])?;
    host.add_canary()?;
    changes_of_an_administrator(&host)?;

    // The first breaks while all real security updates are pending too: they go back with it.
    package_scenario(&stage, &host, "postinst-fails", "a failing postinst, with every real update pending")?;
    stage.holdfast(&["lab", "canary", "good", "--version", "1.0", "--replace"])?;
    stage.holdfast(&["server", "patch", "roll-1", "--yes"])?;
    println!("the real updates alone: installed");

    package_scenario(&stage, &host, "preinst-fails", "a failing preinst")?;
    killed_dpkg(&stage, &host)?;
    full_disk(&stage, &host)?;
    broken_service(&stage, &host)?;
    println!("{}", stage.holdfast(&["audit", "verify"])?.trim());
    Ok(())
}

/// What a rollback must leave alone: changed and deleted conffiles, a hold, swapped marks.
fn changes_of_an_administrator(host: &Host<'_>) -> Result<()> {
    for line in [
        "echo '# ours' >> /etc/ssh/ssh_config",
        "rm /etc/update-motd.d/10-uname || true",
        "apt-mark hold less",
        "apt-mark auto sudo && apt-mark manual libssl3",
    ] {
        host.exec(line)?;
    }
    Ok(())
}

fn package_scenario(stage: &Stage, host: &Host<'_>, flavour: &str, words: &str) -> Result<()> {
    stage.holdfast(&["lab", "canary", flavour, "--version", "1.1"])?;
    let before = host.picture()?;
    stage.holdfast_ends(&["server", "patch", host.name, "--yes"], ROLLED_BACK)?;
    host.must_be(&before)?;
    audited(stage, host, "package by package")?;
    println!("{words}: rolled back by packages; {} lists are equal", before.len());
    Ok(())
}

fn killed_dpkg(stage: &Stage, host: &Host<'_>) -> Result<()> {
    stage.holdfast(&["lab", "canary", "slow", "--version", "1.2"])?;
    let before = host.picture()?;
    stage.holdfast(&["server", "patch", host.name, "--yes", "--detach"])?;
    stage.until("dpkg configures the canary", Duration::from_secs(180), || {
        Ok(host.try_exec("pgrep -f [l]ab-canary.postinst")?.status.success())
    })?;
    host.exec("pkill -KILL -x apt-get; pkill -KILL -x dpkg; pkill -KILL -f [l]ab-canary.postinst; true")?;
    let run = stage.newest_run(host.name)?;
    stage.holdfast_ends(&["run", "follow", run["record"]["id"].as_str().unwrap_or_default()], ROLLED_BACK)?;
    host.must_be(&before)?;
    audited(stage, host, "package by package")?;
    println!("a killed dpkg: rolled back by packages; {} lists are equal", before.len());
    Ok(())
}

/// The host's whole disk fills up while the update is installed, and stays full but for
/// what the agent had set aside.
fn full_disk(stage: &Stage, host: &Host<'_>) -> Result<()> {
    stage.holdfast(&["lab", "canary", "fills-disk", "--version", "1.3"])?;
    let before = host.picture()?;
    let said = stage.holdfast_ends(&["server", "patch", host.name, "--yes"], ROLLED_BACK)?;
    ensure!(said.contains("No space left on device"), "the disk was not full:\n{said}");
    let free = host.exec("df --output=avail --block-size=1M / | tail -1")?;
    // Customers' files are nothing that a rollback deletes.
    host.exec("rm /var/lib/lab-canary.filler")?;
    host.must_be(&before)?;
    audited(stage, host, "package by package")?;
    println!(
        "a full disk ({} MB free after the rollback): rolled back by packages; {} lists are equal",
        free.trim(),
        before.len()
    );
    Ok(())
}

/// Nothing fails but the service, and packages cannot be put back: the disk is.
fn broken_service(stage: &Stage, host: &Host<'_>) -> Result<()> {
    stage.holdfast(&["lab", "canary", "service-fails", "--version", "1.4"])?;
    host.exec("echo before > /root/witness")?;
    let before = host.picture()?;
    let known = host.known()?;
    let (boot, enrolments) = (host.boot_id()?, enrolments(stage, host)?);
    stage.holdfast_ends(
        &["server", "patch", host.name, "--yes", "--without-package-rollback", "--probe-limit", "15"],
        ROLLED_BACK,
    )?;
    host.must_be(&before)?;
    ensure!(host.boot_id()? != boot, "the host was not started from the snapshot");
    let now = host.known()?;
    for field in ["name", "ipv4", "ipv6"] {
        ensure!(known[field] == now[field], "`{field}` was {} and is {}", known[field], now[field]);
    }
    ensure!(enrolments + 1 == self::enrolments(stage, host)?, "the agent has not made new keys");
    host.await_agent()?;
    ensure!(host.known()?["last_fault"] == Value::Null, "the agent is not trusted again");
    audited(stage, host, "disk snapshot")?;
    println!("a broken service: the disk is back, same name and addresses, the agent has new keys");
    Ok(())
}

fn enrolments(stage: &Stage, host: &Host<'_>) -> Result<usize> {
    Ok(stage.trail(host.name)?.iter().filter(|line| *line == "server.enrol done").count())
}

/// The newest run must be in the trail as a rollback, and its receipt must verify.
fn audited(stage: &Stage, host: &Host<'_>, how: &str) -> Result<()> {
    let run = stage.newest_run(host.name)?;
    let id = run["record"]["id"].as_str().unwrap_or_default();
    let lines = stage.json(&["audit", "list", "--limit", "1000", "--target", host.name])?;
    let entries = lines.as_array().into_iter().flatten().map(|line| &line["entry"]);
    let done = entries.filter(|entry| {
        entry["run"] == id && entry["action"] == "security.patch.rollback" && entry["outcome"] == "done"
    });
    ensure!(done.count() == 1, "the trail has no `security.patch.rollback` of {id}");
    let summary = run["record"]["summary"].as_str().unwrap_or_default();
    ensure!(summary.contains(how), "rolled back in another way: {summary}");
    let file = stage.data().join("receipt.json");
    std::fs::write(&file, stage.holdfast(&["receipt", "show", id])?)?;
    stage.holdfast(&["receipt", "verify", &file.display().to_string()]).map(drop)
}
