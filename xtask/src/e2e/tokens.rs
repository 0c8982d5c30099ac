//! `cargo xtask e2e tokens`: a token is good once, or on one host, and nowhere else.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{host::Host, stage::Stage};

/// Runs the trial.
pub fn run() -> Result<()> {
    let stage = Stage::start("tokens")?;
    let host = Host::provision(&stage, "tok-1", &[])?;
    second_use_is_refused(&stage, &host)?;
    println!("a second use of the enrolment token: refused and audited");
    let other = Host::provision(&stage, "tok-2", &[])?;
    another_servers_token_is_refused(&stage, &host, &other)?;
    println!("another server's bearer token: refused, and its own accepted again");
    Ok(())
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
