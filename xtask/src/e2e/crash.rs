//! `cargo xtask e2e crash`: the control plane killed at every moment of a patch run, the
//! agent and the host killed in the middle of it. Every run must end, done or rolled
//! back, with one snapshot and one install.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{host::Host, stage::Stage};

/// Every step of a patch run that goes well.
const FORWARD: [&str; 9] = [
    "check_host",
    "enter_maintenance",
    "take_snapshot",
    "stage_packages",
    "install_packages",
    "reboot_if_needed",
    "await_host",
    "verify",
    "leave_maintenance",
];

/// Every place of its way back.
const BACK: [&str; 3] = ["undo install_packages", "undo enter_maintenance", "check undone"];

/// Steps that record how they are undone.
const RECORDING: [&str; 2] = ["enter_maintenance", "install_packages"];

/// A control plane that dies at each point.
const MOMENTS: [&str; 3] = ["before_step", "after_effect", "after_commit"];

/// Which kill points of the control plane are taken.
pub enum Points<'a> {
    /// Every one.
    All,
    /// A few that stand for the rest.
    Sample,
    /// This one, such as `install_packages:after_effect`, and nothing else.
    One(&'a str),
}

/// Runs the trial.
pub fn run(wanted: &Points<'_>) -> Result<()> {
    let mut stage = Stage::start("crash")?;
    Host::provision(&stage, "crash-1", &[])?.add_canary()?;
    // The real updates would only make every round longer.
    let host = Host { stage: &stage, name: "crash-1" };
    host.exec("apt-get -s dist-upgrade | awk '/^Inst/ { print $2 }' | xargs -r apt-mark hold")?;
    let mut round = 0;
    let mut killed = 0;
    for point in points(&FORWARD, wanted) {
        round += 1;
        control_plane_dies(&mut stage, round, "needs-reboot", &point)?;
        killed += 1;
    }
    for point in points(&BACK, wanted) {
        round += 1;
        control_plane_dies(&mut stage, round, "postinst-fails", &point)?;
        killed += 1;
    }
    if matches!(wanted, Points::One(_)) {
        ensure!(killed > 0, "there is no such kill point");
        return Ok(());
    }
    round += 1;
    agent_dies(&stage, round)?;
    round += 1;
    power_cut(&stage, round)?;
    round += 1;
    power_cut_on_the_way_back(&stage, round)?;
    println!("{killed} kill points of the control plane, one of the agent, two power cuts: every run ended");
    println!("{}", stage.holdfast(&["audit", "verify"])?.trim());
    Ok(())
}

fn points(places: &[&str], wanted: &Points<'_>) -> Vec<String> {
    let mut points = Vec::new();
    for place in places {
        for moment in MOMENTS {
            points.push(format!("{place}:{moment}"));
        }
        if RECORDING.contains(place) {
            points.push(format!("{place}:undo_recorded"));
        }
    }
    // A commit is seen from the place that it leads to, and none leads to the first.
    points.retain(|point| *point != format!("{}:after_commit", FORWARD[0]));
    // Between effect and commit is where an effect could happen twice.
    let sample =
        ["take_snapshot:after_effect", "install_packages:after_effect", "undo install_packages:after_effect"];
    points.retain(|point| match wanted {
        Points::All => true,
        Points::Sample => sample.contains(&point.as_str()),
        Points::One(one) => point == one,
    });
    points
}

fn version(round: u32) -> String {
    format!("1.{}", round + 1)
}

fn control_plane_dies(stage: &mut Stage, round: u32, flavour: &str, point: &str) -> Result<()> {
    let version = version(round);
    stage.holdfast(&["lab", "canary", flavour, "--version", &version])?;
    stage.kill()?;
    stage.raise(&[("HOLDFAST_DIE_AT", point)])?;
    let before = installs(stage, &version)?;
    // The command itself may lose its connection: the control plane dies under it.
    let asked = stage.try_holdfast(&["server", "patch", "crash-1", "--yes", "--detach"])?;
    ensure!(
        stage.await_death(Duration::from_secs(180))?,
        "the control plane did not die at {point}; `server patch` said:\n{}{}",
        String::from_utf8_lossy(&asked.stdout),
        String::from_utf8_lossy(&asked.stderr)
    );
    stage.raise(&[])?;
    let run = stage.newest_run("crash-1")?;
    let id = run["record"]["id"].as_str().unwrap_or_default().to_owned();
    let output = stage.try_holdfast(&["run", "follow", &id])?;
    let ended = stage.newest_run("crash-1")?;
    let outcome = ended["record"]["outcome"].as_str().unwrap_or("open").to_owned();
    let expected = if flavour == "postinst-fails" { "rolled_back" } else { "done" };
    ensure!(
        outcome == expected,
        "killed at {point}, the run is {outcome}:\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    ensure!(installs(stage, &version)? == before + 1, "killed at {point}, it was not installed exactly once");
    let snapshots = stage.json(&["lab", "snapshots", "crash-1"])?;
    let own = id.replace("run_", "hf-");
    let taken =
        snapshots.as_array().into_iter().flatten().filter(|snapshot| snapshot["name"] == own.as_str());
    ensure!(taken.count() == 1, "killed at {point}, there is not exactly one snapshot");
    println!("killed at {point}: {outcome}, one snapshot, one install");
    Ok(())
}

/// How often dpkg has begun to put this version of the canary in place of another.
fn installs(stage: &Stage, version: &str) -> Result<usize> {
    let host = Host { stage, name: "crash-1" };
    let line = format!("grep -c ' upgrade lab-canary:[a-z0-9]* [^ ]* {version}$' /var/log/dpkg.log || true");
    Ok(host.exec(&line)?.trim().parse()?)
}

fn slow_patch(stage: &Stage, round: u32) -> Result<String> {
    stage.holdfast(&["lab", "canary", "slow", "--version", &version(round)])?;
    stage.holdfast(&["server", "patch", "crash-1", "--yes", "--detach"])?;
    let host = Host { stage, name: "crash-1" };
    stage.until("dpkg configures the canary", Duration::from_secs(180), || {
        Ok(host.try_exec("pgrep -f [l]ab-canary.postinst")?.status.success())
    })?;
    let run = stage.newest_run("crash-1")?;
    Ok(run["record"]["id"].as_str().unwrap_or_default().to_owned())
}

fn agent_dies(stage: &Stage, round: u32) -> Result<()> {
    let run = slow_patch(stage, round)?;
    let host = Host { stage, name: "crash-1" };
    host.exec("systemctl kill --signal=KILL holdfast-agent.service holdfast-agent-helper.service")?;
    stage.holdfast(&["run", "follow", &run])?;
    println!("both halves of the agent killed during install: done");
    Ok(())
}

fn power_cut(stage: &Stage, round: u32) -> Result<()> {
    let run = slow_patch(stage, round)?;
    stage.holdfast(&["lab", "power-cut", "crash-1"])?;
    stage.holdfast(&["lab", "start", "crash-1"])?;
    stage.try_holdfast(&["run", "follow", &run])?;
    let ended = stage.newest_run("crash-1")?;
    let outcome = ended["record"]["outcome"].as_str().unwrap_or("open");
    ensure!(["done", "rolled_back"].contains(&outcome), "after a power cut the run is {outcome}");
    println!("power cut during install: {outcome}");
    Ok(())
}

/// The way back is cut short too, and begun anew.
fn power_cut_on_the_way_back(stage: &Stage, round: u32) -> Result<()> {
    stage.holdfast(&["lab", "canary", "postinst-fails", "--version", &version(round)])?;
    stage.holdfast(&["server", "patch", "crash-1", "--yes", "--detach"])?;
    let host = Host { stage, name: "crash-1" };
    let run = stage.newest_run("crash-1")?["record"]["id"].as_str().unwrap_or_default().to_owned();
    let restoring = format!("test -d /var/lib/holdfast-agent/jobs/{run}-restore-0");
    stage.until("the former packages are put back", Duration::from_secs(180), || {
        Ok(host.try_exec(&restoring)?.status.success())
    })?;
    stage.holdfast(&["lab", "power-cut", "crash-1"])?;
    stage.holdfast(&["lab", "start", "crash-1"])?;
    stage.try_holdfast(&["run", "follow", &run])?;
    let ended = stage.newest_run("crash-1")?;
    let summary = ended["record"]["summary"].as_str().unwrap_or_default();
    ensure!(summary.contains("package by package"), "after a power cut on the way back: {summary}");
    println!("power cut while packages were put back: {summary}");
    Ok(())
}
