//! Port scans of hosts from addresses beside them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::stage::Stage;
use crate::command;

/// From where a scan comes.
#[derive(Clone, Copy)]
pub enum From {
    /// The machine of the control plane.
    ControlPlane,
    /// The probe address of this number.
    Probe(&'static str),
}

/// The addresses of a probe, IPv4 and IPv6.
pub fn addresses(stage: &Stage, number: &str) -> Result<Vec<String>> {
    let text = stage.holdfast(&[
        "lab", "probe", "--number", number, "--", "ip", "-o", "addr", "show", "scope", "global",
    ])?;
    let fields = text.lines().filter_map(|line| line.split_whitespace().nth(3));
    Ok(fields.filter_map(|field| field.split('/').next()).map(str::to_owned).collect())
}

/// The open ports of each target. All must be of one family.
pub fn open_ports(
    stage: &Stage,
    from: From,
    targets: &[&str],
    ports: &str,
) -> Result<BTreeMap<String, Vec<u16>>> {
    // Dropped packets make a scan slow, so it does not wait long for them.
    let mut scan = vec!["nmap", "-n", "-Pn", "-sS", "--min-rate", "20000", "--max-retries", "1"];
    scan.extend(["--min-hostgroup", "64", "-oG", "-", "-p", ports]);
    if targets.iter().any(|target| target.contains(':')) {
        scan.push("-6");
    }
    scan.extend(targets);
    let text = match from {
        From::Probe(number) => {
            stage.holdfast(&[&["lab", "probe", "--number", number, "--"], scan.as_slice()].concat())?
        }
        From::ControlPlane => command::output(scan[0], &scan[1..])?,
    };
    let mut found: BTreeMap<String, Vec<u16>> =
        targets.iter().map(|target| ((*target).to_owned(), Vec::new())).collect();
    for line in text.lines().filter(|line| line.contains("Ports: ")) {
        let host = line.split_whitespace().nth(1).context("a line of nmap without a host")?;
        let listed = line.split("Ports: ").nth(1).unwrap_or_default().split(", ");
        let open = listed.filter(|port| port.contains("/open/"));
        let open = open.filter_map(|port| port.split('/').next()?.trim().parse::<u16>().ok());
        found.entry(host.to_owned()).or_default().extend(open);
    }
    Ok(found)
}
