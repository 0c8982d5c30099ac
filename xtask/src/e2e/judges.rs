//! `cargo xtask e2e judges`: what outside judges say of a hardened host that was patched
//! and rebooted, and that everything still works on it.

use anyhow::{Context, Result, ensure};

use super::{host::Host, scan, stage::Stage};
use crate::{command, judge};

/// Number of the probe address from which operators may sign in.
const ADMIN: &str = "201";

/// `holdfast server patch` ends with this code when the run was rolled back.
const ROLLED_BACK: i32 = 3;

/// Runs the trial.
pub fn run() -> Result<()> {
    // What judges look at beside a kernel, they look at on every VPS.
    let stage = Stage::start_in("judges", &[], &[("HOLDFAST_LAB_KERNEL", "1")])?;
    let admin = scan::addresses(&stage, ADMIN)?;
    let options: Vec<&str> = admin.iter().flat_map(|address| ["--admin", address.as_str()]).collect();
    let host = Host::provision(&stage, "judge-1", &options)?;
    as_described(&stage, &host)?;
    stage.holdfast(&["server", "patch", host.name, "--yes"])?;
    let boot = host.boot_id()?;
    stage.holdfast(&["server", "reboot", host.name])?;
    ensure!(host.boot_id()? != boot, "the host was not rebooted");

    let judged = judge::JudgedHost::find(
        command::binaries().join("holdfast"),
        &stage.data().display().to_string(),
        host.name,
        Some(ADMIN),
    )?;
    let inside = "find / -xdev -newer /var/tmp/before -not -path '/var/log/*' -not -path '/proc/*' -type f \
                  ! -path '/var/lib/systemd/*' ! -path '/var/lib/holdfast-agent/*' ! -path '/var/lib/aide/*'";
    host.exec("touch /var/tmp/before")?;
    let judgements = judge::judge(&judged)?;
    let written = host.exec(inside)?;
    ensure!(written.trim().is_empty(), "judging has written to the host's disk: {written}");
    ensure!(
        !host.try_exec("test -e /run/holdfast-judge")?.status.success(),
        "the judges' tools are still there"
    );
    judge::print(&judged, &judgements);
    for judgement in &judgements {
        ensure!(judgement.reached, "{}: {}, expected {}", judgement.judge, judgement.said, judgement.target);
    }
    println!("\nthe judges wrote nothing to the host's disk and left nothing behind");
    still_works(&stage, &host)
}

/// The host must say itself that it is as described.
fn as_described(stage: &Stage, host: &Host<'_>) -> Result<()> {
    let run = stage.newest_run(host.name)?;
    let id = run["record"]["id"].as_str().context("a run without an id")?;
    let journal = stage.holdfast(&["run", "show", id])?;
    let deviations: Vec<&str> = journal.lines().filter(|line| line.contains(": expected ")).collect();
    ensure!(deviations.is_empty(), "the new host deviates:\n{}", deviations.join("\n"));
    let failed = host.exec("systemctl --failed --no-legend --plain")?;
    ensure!(failed.trim().is_empty(), "units have failed: {failed}");
    println!("provisioned as described: no deviation, no failed unit");
    Ok(())
}

/// What a hardening is apt to break.
fn still_works(stage: &Stage, host: &Host<'_>) -> Result<()> {
    host.exec("sudo -n -u nobody true </dev/null && sudo -n -l >/dev/null </dev/null")?;
    host.exec(
        "useradd -m -G sudo -s /bin/bash ops && echo 'ops ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/ops \
         && runuser -u ops -- sudo -n sh -c 'apt-get -q -s install less' </dev/null >/dev/null; \
         found=$?; rm /etc/sudoers.d/ops; userdel -r ops 2>/dev/null; exit $found",
    )?;
    println!("sudo without a terminal: works, apt through it too");
    metadata_is_roots(host)?;
    host.await_agent()?;
    host.add_canary()?;
    println!("the agent answers; apt installs and starts a service, and its port is probed");
    stage.holdfast(&["lab", "canary", "postinst-fails", "--version", "1.1"])?;
    let before = host.picture()?;
    stage.holdfast_ends(&["server", "patch", host.name, "--yes"], ROLLED_BACK)?;
    host.must_be(&before)?;
    println!("a broken update: rolled back by packages; {} lists are equal", before.len());
    stage.holdfast(&["lab", "canary", "service-fails", "--version", "1.2"])?;
    let boot = host.boot_id()?;
    stage.holdfast_ends(
        &["server", "patch", host.name, "--yes", "--without-package-rollback", "--probe-limit", "15"],
        ROLLED_BACK,
    )?;
    ensure!(host.boot_id()? != boot, "the host was not started from the snapshot");
    host.await_agent()?;
    host.exec("sudo -n -u nobody true </dev/null")?;
    println!("a broken service: the disk is back, the host boots and the agent answers");
    Ok(())
}

/// A metadata service as a provider has it, at the same address; the lab itself has none.
fn metadata_is_roots(host: &Host<'_>) -> Result<()> {
    const START: &str = "ip addr add 169.254.169.254/32 dev lo && systemd-run --quiet --unit=trial-metadata --collect \
                         python3 -m http.server 80 --bind 169.254.169.254 --directory /usr/share/common-licenses \
                         && curl --silent --fail --retry 20 --retry-connrefused --retry-delay 1 \
                         --output /dev/null http://169.254.169.254/";
    const END: &str = "systemctl stop trial-metadata; ip addr del 169.254.169.254/32 dev lo";
    host.exec(START).context("root does not reach the metadata address")?;
    let others = host.try_exec("sudo -n -u nobody curl --silent --max-time 10 http://169.254.169.254/");
    host.exec(END)?;
    let others = others?;
    // Refused, or never answered: the address is the host's own here, so that the refusal
    // is itself a packet to it.
    ensure!(
        matches!(others.status.code(), Some(7 | 28)),
        "another than root was answered: {}",
        others.status
    );
    println!("the metadata address: root reaches it, another does not");
    Ok(())
}
