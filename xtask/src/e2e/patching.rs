//! `cargo xtask e2e loop`: from cloud-init to a verified receipt, on a real host with its
//! real security updates.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{host::Host, stage::Stage};
use crate::command;

/// Packages whose pending updates the feeds of late 2026 explain.
const EXPLAINED: [&str; 4] = ["openssl", "perl", "expat", "python3.11"];

/// Runs the trial.
pub fn run() -> Result<()> {
    let stage = Stage::start("loop")?;
    stage.await_feeds()?;
    let host = Host::provision(&stage, "loop-1", &[])?;
    println!("provisioned and enrolled by cloud-init alone");
    ensure!(host.exec("cloud-init status")?.contains("done"), "cloud-init is not done");
    pending_is_what_apt_says(&stage, &host)?;
    let before = findings(&stage)?;
    for package in EXPLAINED {
        ensure!(count(&before, package, "fixable") > 0, "no fixable finding of `{package}`");
    }
    println!("{} findings fixable now, among them {}", before["summary"]["fixable"], EXPLAINED.join(", "));
    let boot = host.boot_id()?;

    let said = stage.holdfast(&["server", "patch", "loop-1", "--yes"])?;
    println!("{}", said.lines().last().unwrap_or_default());
    let run = stage.newest_run("loop-1")?;
    let id = run["record"]["id"].as_str().context("a run without an id")?;
    ensure!(run["record"]["outcome"] == "done", "the run did not end well");
    let reboot_was_needed = said.contains("A reboot is needed");
    ensure!(
        (host.boot_id()? != boot) == reboot_was_needed,
        "the boot's identity must change exactly when a reboot was needed"
    );
    println!("reboot {}", if reboot_was_needed { "needed and proven" } else { "not needed" });

    let simulated = host.exec("apt-get -s dist-upgrade | grep ^Inst || true")?;
    ensure!(simulated.trim().is_empty(), "still pending on the host: {simulated}");
    let after = findings(&stage)?;
    for package in EXPLAINED {
        ensure!(count(&after, package, "fixable") == 0, "`{package}` still has fixable findings");
    }
    ensure!(after["summary"]["fixable"] == 0, "still fixable: {}", after["summary"]["fixable"]);
    println!("after: {} in effect, none fixable", after["summary"]["open"]);

    let file = stage.data().join("receipt.json");
    std::fs::write(&file, stage.holdfast(&["receipt", "show", id])?)?;
    let receipt = stage.json(&["receipt", "verify", &file.display().to_string()])?;
    let receipt = &receipt["receipt"];
    ensure!(receipt["snapshot"].is_string(), "the receipt names no snapshot");
    let closed: usize = receipt["closed"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|change| change["closed"].as_array().map_or(0, Vec::len))
        .sum();
    ensure!(closed == before["summary"]["fixable"], "the receipt closes {closed} findings");
    println!("receipt verified: {closed} findings closed");
    std::fs::write(&file, std::fs::read_to_string(&file)?.replace("loop-1", "loop-2"))?;
    stage.holdfast_ends(&["receipt", "verify", &file.display().to_string()], 1)?;

    println!("{}", stage.holdfast(&["audit", "verify"])?.trim());
    let trail = stage.trail("loop-1")?;
    for entry in ["server.provision done", "server.enrol done", "security.patch begun", "security.patch done"]
    {
        ensure!(trail.iter().any(|line| line == entry), "the trail has no `{entry}`: {trail:?}");
    }
    Ok(())
}

/// The control plane must know exactly what apt's own simulation on the host says.
fn pending_is_what_apt_says(stage: &Stage, host: &Host<'_>) -> Result<()> {
    let simulated = host.exec("apt-get -s dist-upgrade | awk '/^Inst/ { print $2 }'")?;
    let by_apt: BTreeSet<&str> = simulated.lines().collect();
    ensure!(!by_apt.is_empty(), "the host has no pending update to try this with");
    let plan = stage.json(&["server", "patch", host.name, "--plan"])?;
    let changes = plan["upgrade"]["changes"].as_array().cloned().unwrap_or_default();
    let planned: BTreeSet<&str> = changes.iter().filter_map(|change| change["name"].as_str()).collect();
    if by_apt != planned {
        bail!("apt would install {by_apt:?}, the plan has {planned:?}");
    }
    let known = stage.json(&["server", "refresh", host.name])?;
    ensure!(known["facts"]["pending"] == by_apt.len(), "the inventory counts {}", known["facts"]["pending"]);
    println!("{} pending security updates, the same set as apt's own simulation", by_apt.len());
    Ok(())
}

fn findings(stage: &Stage) -> Result<Value> {
    stage.json(&["finding", "list", "loop-1"])
}

fn count(findings: &Value, package: &str, fixability: &str) -> usize {
    let list = findings["list"].as_array().into_iter().flatten();
    list.filter(|finding| finding["source_package"] == package && finding["fixability"] == fixability).count()
}

/// What apt says of this very machine.
pub fn pending_here() -> Result<usize> {
    let simulated = command::output("apt-get", &["-s", "upgrade"])?;
    Ok(simulated.lines().filter(|line| line.starts_with("Inst ")).count())
}
