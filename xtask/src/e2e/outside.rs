//! `cargo xtask e2e outside`: what a host lets in, seen from other addresses, over IPv4
//! and IPv6.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{host::Host, stage::Stage};

/// Number of the probe address from which operators may sign in.
const ADMIN: &str = "201";
/// Number of a probe address that nobody knows.
const FOREIGN: &str = "202";

/// Runs the trial.
pub fn run() -> Result<()> {
    let stage = Stage::start("outside")?;
    let admin = addresses(&stage, ADMIN)?;
    let options: Vec<&str> = admin.iter().flat_map(|address| ["--admin", address.as_str()]).collect();
    let host = Host::provision(&stage, "out-1", &options)?;
    let known = host.known()?;
    let v4 = known["ipv4"].as_str().context("no IPv4 address")?.to_owned();
    let v6 = known["ipv6"].as_str().context("no IPv6 address")?.to_owned();
    for address in [v4.as_str(), v6.as_str()] {
        let family = if address.contains(':') { "IPv6" } else { "IPv4" };
        let foreign = open_ports(&stage, Some(FOREIGN), address, "1-65535")?;
        ensure!(foreign.is_empty(), "from a foreign address {address} has {foreign:?} open");
        let admin = open_ports(&stage, Some(ADMIN), address, "1-65535")?;
        ensure!(admin == ["22"], "from an admin address {address} has {admin:?} open, expected 22");
        let own = open_ports(&stage, None, address, "1-65535")?;
        ensure!(own == ["9099"], "from the control plane {address} has {own:?} open, expected 9099");
        println!(
            "{family}, all 65535 ports: nothing for a stranger, 22 for an admin, 9099 for the control plane"
        );
    }
    second_use_is_refused(&stage, &host)?;
    println!("a second use of the enrolment token: refused and audited");
    let other = Host::provision(&stage, "out-2", &[])?;
    another_servers_token_is_refused(&stage, &host, &other)?;
    println!("another server's bearer token: refused, and its own accepted again");
    Ok(())
}

/// The addresses of a probe.
fn addresses(stage: &Stage, number: &str) -> Result<Vec<String>> {
    let text = stage.holdfast(&[
        "lab", "probe", "--number", number, "--", "ip", "-o", "addr", "show", "scope", "global",
    ])?;
    let fields = text.lines().filter_map(|line| line.split_whitespace().nth(3));
    Ok(fields.filter_map(|field| field.split('/').next()).map(str::to_owned).collect())
}

/// Ports that answer. Dropped packets make a scan slow, so it does not wait long for them.
fn open_ports(stage: &Stage, probe: Option<&str>, address: &str, ports: &str) -> Result<Vec<String>> {
    let mut scan =
        vec!["nmap", "-n", "-Pn", "-sS", "--min-rate", "6000", "--max-retries", "1", "-oG", "-", "-p", ports];
    if address.contains(':') {
        scan.push("-6");
    }
    scan.push(address);
    let text = match probe {
        Some(number) => {
            stage.holdfast(&[&["lab", "probe", "--number", number, "--"], scan.as_slice()].concat())?
        }
        None => crate::command::output(scan[0], &scan[1..])?,
    };
    let listed =
        text.lines().filter_map(|line| line.split("Ports: ").nth(1)).flat_map(|ports| ports.split(", "));
    Ok(listed
        .filter(|port| port.contains("/open/"))
        .filter_map(|port| port.split('/').next())
        .map(|port| port.trim().to_owned())
        .collect())
}

/// Where an agent keeps whom it answers; it knows a token by its digest alone.
const IDENTITY: &str = "/var/lib/holdfast-agent/identity/identity.json";

/// Tokens never leave the control plane's vault, so the hosts trade what they expect: the
/// right caller, with a token that is good on the other host, has to be refused.
fn another_servers_token_is_refused(stage: &Stage, host: &Host<'_>, other: &Host<'_>) -> Result<()> {
    let digest = |of: &Host<'_>| -> Result<String> {
        let line = format!("sed -n 's/.*\"bearer_token_sha256\":\"\\([0-9a-f]*\\)\".*/\\1/p' {IDENTITY}");
        let digest = of.exec(&line)?.trim().to_owned();
        ensure!(digest.len() == 64, "`{}` keeps no digest of a token: {digest:?}", of.name);
        Ok(digest)
    };
    let (own, others) = (digest(host)?, digest(other)?);
    ensure!(own != others, "two servers have the same token");
    let expect = |was: &str, is: &str| {
        host.exec(&format!("sed -i s/{was}/{is}/ {IDENTITY} && systemctl restart holdfast-agent.service"))
    };
    expect(&own, &others)?;
    stage.until("the token is refused", Duration::from_secs(60), || {
        let refused = stage.try_holdfast(&["server", "refresh", host.name])?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        Ok(!refused.status.success() && said.contains("the bearer token is not this server's"))
    })?;
    expect(&others, &own)?;
    host.await_agent()
}

/// The user-data still has the token, as any process on a VPS could read it; it is dead.
fn second_use_is_refused(stage: &Stage, host: &Host<'_>) -> Result<()> {
    let user_data = host.exec("cat /var/lib/cloud/instance/user-data.txt")?;
    let marker = user_data.find("token").context("the user-data has no token")?;
    let token: String = user_data[marker + 5..]
        .chars()
        .skip_while(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    ensure!(token.len() == 43, "the token in the user-data has {} characters", token.len());
    let url = host.exec(
        "sed -n 's/.*\"control_plane_url\": *\"\\([^\"]*\\)\".*/\\1/p' /etc/holdfast-agent/bootstrap.json",
    )?;
    let body = format!(
        "{{\"token\":\"{token}\",\"csr_pem\":\"-----BEGIN CERTIFICATE REQUEST-----\",\"boot_id\":\"x\",\"agent_version\":\"0\"}}"
    );
    let line = format!(
        "curl -sk -o /dev/null -w '%{{http_code}}' -H 'content-type: application/json' --data '{body}' {}/agent/v1/enrol",
        url.trim()
    );
    let status = host.exec(&line)?;
    ensure!(status.trim() == "403", "a second use was answered with {status}");
    let trail = stage.trail(host.name)?;
    ensure!(
        trail.iter().any(|line| line == "server.enrol refused"),
        "the refusal is not in the trail: {trail:?}"
    );
    Ok(())
}
