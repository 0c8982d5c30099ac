//! `holdfast lab tour`: the whole loop on a fresh lab host, told step by step.

use std::process::ExitCode;

use base::HostName;
use providers::lab::Canary;
use serde_json::{Value, json};

use super::{
    CliError, Context,
    client::Client,
    follow::follow,
    lab,
    server::{print_plan, started},
};
use crate::{hosts::api::Started, patching::PatchPlan};

/// The host of the tour.
const NAME: &str = "tour";

fn say(text: &str) {
    println!("\n── {text}");
}

/// Goes round the loop. The host is left for a closer look.
pub async fn run(context: &Context) -> Result<ExitCode, CliError> {
    let client = Client::open(context)?;
    let pages = client.pages();
    let name: HostName = NAME.parse().map_err(anyhow::Error::from)?;
    let known: Vec<Value> = client.get("/servers").await?;
    if known.iter().any(|server| server["name"] == NAME) {
        return Err(anyhow::anyhow!(
            "there is a `{NAME}` already; `holdfast server destroy {NAME}` makes room"
        )
        .into());
    }
    say("1. A new host: created, hardened by cloud-init alone, enrolled with a token that works once.");
    let order = json!({ "name": name, "provider": "lab", "release": "debian-12", "service": "bare" });
    let run: Started = client.post("/servers", order).await?;
    expect(started(context, &client, run, false).await?, ExitCode::SUCCESS)?;
    println!("   Its page: {pages}/servers/{NAME}");

    say("2. A small web server on it, and a probe: from now on it must answer before and after every patch.");
    let lab = lab::open(context).await?;
    lab.repo().publish(&[Canary::Good.package("1.0")]).await?;
    for argv in [&["apt-get", "update"][..], &["apt-get", "install", "-y", "lab-canary"]] {
        let output = lab.exec(&name, argv).await?;
        if output.code != Some(0) {
            return Err(anyhow::anyhow!("`{}` failed on the host: {}", argv.join(" "), output.stderr).into());
        }
    }
    let probes = json!([{ "probe": "http_ok", "address": "127.0.0.1", "port": Canary::PORT, "path": "/" }]);
    let _: Value = client.post(&format!("/servers/{NAME}/probes"), probes).await?;

    say("3. What touches it: real findings of real feeds, grouped by the update that fixes them.");
    let _: Value = client.post(&format!("/servers/{NAME}/refresh"), Value::Null).await?;
    let findings: Value = client.get(&format!("/servers/{NAME}/findings")).await?;
    println!("   {} in effect, {} fixable now", findings["summary"]["open"], findings["summary"]["fixable"]);
    println!("   {pages}/security");

    say("4. Patched: snapshot, exact versions, restart or reboot, and proof by a fresh look.");
    expect(patch(context, &client).await?, ExitCode::SUCCESS)?;
    let findings: Value = client.get(&format!("/servers/{NAME}/findings")).await?;
    println!("   Now {} in effect, {} fixable", findings["summary"]["open"], findings["summary"]["fixable"]);

    say("5. A broken update, on purpose: it installs without an error, and the web server is dead.");
    lab.repo().publish(&[Canary::ServiceFails.package("1.1")]).await?;
    expect(patch(context, &client).await?, ExitCode::from(3))?;

    say("That was the loop. The trail of it:");
    println!(
        "   holdfast audit list --target {NAME}\n   holdfast audit verify\n   {pages}/audit?target={NAME}"
    );
    println!("   `holdfast server destroy {NAME}` removes the host.");
    Ok(ExitCode::SUCCESS)
}

async fn patch(context: &Context, client: &Client) -> Result<ExitCode, CliError> {
    let plan: PatchPlan =
        client.post(&format!("/servers/{NAME}/plan"), json!({ "scope": "security" })).await?;
    print_plan(&plan);
    let run: Started = client.post(&format!("/servers/{NAME}/patch"), plan).await?;
    println!("   Live: {}/runs/{}", client.pages(), run.run);
    follow(client, run.run, context.json).await
}

fn expect(found: ExitCode, expected: ExitCode) -> Result<(), CliError> {
    if found == expected {
        return Ok(());
    }
    Err(anyhow::anyhow!("the tour ends here: the run did not end as it should; its page says why").into())
}
