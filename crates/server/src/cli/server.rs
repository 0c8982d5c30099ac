//! `holdfast server …`

use std::{io::IsTerminal, net::IpAddr, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use base::{HostName, Release};
use baseline::{Network, Service, SshPublicKey, Tenancy};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use wire::{Probe, UpgradeScope};

use super::{CliError, Context, client::Client, follow::follow, table};
use crate::{
    exposure::Gap,
    hosts::{Order, api::Started},
    patching::PatchPlan,
};

/// What can be done with servers.
#[derive(Debug, Subcommand)]
pub enum ServerCommand {
    /// List the servers and their risk.
    List,
    /// Show one server.
    Show {
        /// Its name.
        name: String,
    },
    /// Make a new, hardened host and enrol it.
    Provision {
        /// Its name.
        name: HostName,
        /// Where.
        #[arg(long, default_value = "lab")]
        provider: String,
        /// Its operating system.
        #[arg(long, default_value = "debian-12")]
        release: Release,
        /// What it is for.
        #[arg(long, value_enum, default_value_t = Purpose::Bare)]
        service: Purpose,
        /// From where operators may sign in by SSH; may be given several times.
        #[arg(long = "admin", value_name = "NETWORK")]
        admin_networks: Vec<Network>,
        /// Many tenants share it.
        #[arg(long)]
        shared: bool,
        /// From where tenants reach PostgreSQL; may be given several times.
        #[arg(long = "tenant", value_name = "NETWORK")]
        tenant_networks: Vec<Network>,
        /// A file with the public SSH key of an operator; may be given several times.
        #[arg(long = "ssh-key", value_name = "FILE")]
        ssh_keys: Vec<PathBuf>,
        /// Its time zone.
        #[arg(long, default_value = "UTC")]
        time_zone: String,
        /// Do not follow the run.
        #[arg(long)]
        detach: bool,
    },
    /// Install pending updates: snapshot, patch, reboot if needed, verify, or roll back.
    Patch {
        /// Its name.
        name: String,
        /// Take in every pending update, not only those of security archives.
        #[arg(long)]
        all: bool,
        /// Only show the plan.
        #[arg(long)]
        plan: bool,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
        /// Do not follow the run.
        #[arg(long)]
        detach: bool,
        /// How long the probes may take to be answered after the update.
        #[arg(long, value_name = "SECONDS")]
        probe_limit: Option<u32>,
        /// Keep the run from putting packages back, so that a trial reaches the disk snapshot.
        #[arg(long, hide = true)]
        without_package_rollback: bool,
    },
    /// Reboot.
    Reboot {
        /// Its name.
        name: String,
        /// Do not follow the run.
        #[arg(long)]
        detach: bool,
    },
    /// Undo the newest patch run.
    Rollback {
        /// Its name.
        name: String,
        /// Do not follow the run.
        #[arg(long)]
        detach: bool,
    },
    /// Show how the host differs from its description, and what was changed outside of runs.
    Drift {
        /// Its name.
        name: String,
        /// Look at the host now instead of showing what the daily look has found.
        #[arg(long)]
        look: bool,
        /// Bring the host back: files, units and firewall.
        #[arg(long)]
        repair: bool,
    },
    /// Observe it now.
    Refresh {
        /// Its name.
        name: String,
    },
    /// Set what must work on it before and after a patch. Without options: nothing.
    Probes {
        /// Its name.
        name: String,
        /// A unit that must be active.
        #[arg(long = "unit")]
        units: Vec<String>,
        /// A local port at which HTTP must answer 200 at `/`.
        #[arg(long = "http-port")]
        ports: Vec<u16>,
    },
    /// Destroy a provisioned server with its disk.
    Destroy {
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

/// What a server is for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Purpose {
    /// Hardened and patched, nothing more.
    Bare,
    /// Object storage.
    Minio,
    /// Databases.
    Postgres,
}

impl From<Purpose> for Service {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Bare => Self::Bare,
            Purpose::Minio => Self::Minio,
            Purpose::Postgres => Self::Postgres,
        }
    }
}

impl ServerCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let client = Client::open(context)?;
        match self {
            Self::List => list(context, client.get("/servers").await?),
            Self::Show { name } => show(context, client.get(&format!("/servers/{name}")).await?),
            Self::Provision {
                name,
                provider,
                release,
                service,
                admin_networks,
                shared,
                tenant_networks,
                ssh_keys,
                time_zone,
                detach,
            } => {
                let operator_keys = ssh_keys.iter().map(read_key).collect::<Result<_, _>>()?;
                let service = service.into();
                let order = Order {
                    name,
                    provider,
                    release,
                    service,
                    tenancy: if shared { Tenancy::Shared } else { Tenancy::Dedicated },
                    admin_networks,
                    tenant_networks,
                    operator_keys,
                    time_zone,
                };
                return started(context, &client, client.post("/servers", order).await?, detach).await;
            }
            Self::Patch { name, all, plan, yes, detach, probe_limit, without_package_rollback } => {
                let scope = if all { UpgradeScope::All } else { UpgradeScope::Security };
                let mut made: PatchPlan =
                    client.post(&format!("/servers/{name}/plan"), json!({ "scope": scope })).await?;
                made.probe_limit_seconds = probe_limit.unwrap_or(made.probe_limit_seconds);
                made.without_package_rollback = without_package_rollback;
                if plan && context.json {
                    table::json(&made);
                    return Ok(ExitCode::SUCCESS);
                }
                if !context.json {
                    print_plan(&made);
                }
                if plan || made.upgrade.changes.is_empty() {
                    return Ok(ExitCode::SUCCESS);
                }
                if !yes && !confirm(&format!("Patch `{name}` now?"))? {
                    println!("Nothing was changed.");
                    return Ok(ExitCode::SUCCESS);
                }
                return started(
                    context,
                    &client,
                    client.post(&format!("/servers/{name}/patch"), made).await?,
                    detach,
                )
                .await;
            }
            Self::Reboot { name, detach } => {
                let run = client.post(&format!("/servers/{name}/reboot"), Value::Null).await?;
                return started(context, &client, run, detach).await;
            }
            Self::Rollback { name, detach } => {
                let run = client.post(&format!("/servers/{name}/rollback"), Value::Null).await?;
                return started(context, &client, run, detach).await;
            }
            Self::Drift { name, look, repair } => {
                if repair {
                    let _: Value = client.post(&format!("/servers/{name}/repair"), Value::Null).await?;
                } else if look {
                    let _: Value = client.post(&format!("/servers/{name}/drift"), Value::Null).await?;
                }
                drift(context, &client.get(&format!("/servers/{name}/drift")).await?);
            }
            Self::Refresh { name } => {
                show(context, client.post(&format!("/servers/{name}/refresh"), Value::Null).await?);
            }
            Self::Probes { name, units, ports } => {
                let mut probes: Vec<Probe> =
                    units.into_iter().map(|unit| Probe::UnitActive { unit }).collect();
                probes.extend(ports.into_iter().map(|port| Probe::HttpOk {
                    address: IpAddr::from([127, 0, 0, 1]),
                    port,
                    path: "/".to_owned(),
                }));
                show(context, client.post(&format!("/servers/{name}/probes"), probes).await?);
            }
            Self::Destroy { name, yes } => {
                if !yes && !confirm(&format!("Destroy `{name}` and everything on its disk?"))? {
                    println!("Nothing was changed.");
                    return Ok(ExitCode::SUCCESS);
                }
                client.delete(&format!("/servers/{name}")).await?;
                if !context.json {
                    println!("`{name}` is destroyed.");
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read_key(path: &PathBuf) -> Result<SshPublicKey, CliError> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(text.trim().parse().with_context(|| format!("`{}` is not an SSH public key", path.display()))?)
}

/// Says that a run was started, and follows it unless that is not wanted.
pub async fn started(
    context: &Context,
    client: &Client,
    started: Started,
    detach: bool,
) -> Result<ExitCode, CliError> {
    if detach {
        if context.json {
            table::json(&started);
        } else {
            println!("Started run {}; `holdfast run follow {}` shows it.", started.run, started.run);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !context.json {
        println!("Run {}, also at {}/runs/{}", started.run, client.pages(), started.run);
    }
    follow(client, started.run, context.json).await
}

fn confirm(question: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(anyhow::anyhow!("this needs a yes: add `--yes`").into());
    }
    print!("{question} [y/N] ");
    std::io::Write::flush(&mut std::io::stdout())?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Prints what a plan will do.
pub fn print_plan(plan: &PatchPlan) {
    if plan.upgrade.changes.is_empty() {
        println!("Nothing to patch on `{}`.", plan.name);
        return;
    }
    let rows: Vec<_> = plan
        .upgrade
        .changes
        .iter()
        .map(|change| {
            let from = change.from.as_ref().map_or("new".to_owned(), ToString::to_string);
            let origin = if change.security { "security" } else { "" };
            vec![change.name.to_string(), from, change.to.to_string(), origin.to_owned()]
        })
        .collect();
    table::print(&["package", "from", "to", ""], &rows);
    println!("{} packages, {:.1} MB to download", rows.len(), plan.upgrade.download_bytes as f64 / 1e6);
    for way in plan.ways_back() {
        println!("way back: {way}");
    }
}

fn drift(context: &Context, seen: &Value) {
    if context.json {
        table::json(seen);
        return;
    }
    let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    match seen["drift"]["deviations"].as_array() {
        None => println!("Nobody has looked yet; `--look` does."),
        Some(none) if none.is_empty() => println!("As described."),
        Some(deviations) => {
            let rows: Vec<_> = deviations
                .iter()
                .map(|deviation| {
                    ["severity", "item", "expected", "found"].map(|name| text(&deviation[name])).to_vec()
                })
                .collect();
            table::print(&["", "what", "described", "found"], &rows);
        }
    }
    for change in seen["outside"].as_array().into_iter().flatten() {
        let packages = change["packages"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let rebooted = (change["rebooted"] == Value::Bool(true)).then_some("rebooted");
        let what: Vec<&str> = rebooted.into_iter().chain(packages).collect();
        println!("outside of runs, {}: {}", text(&change["noticed_at"]), what.join(", "));
    }
}

fn list(context: &Context, servers: Vec<Value>) {
    if context.json {
        table::json(&servers);
        return;
    }
    if servers.is_empty() {
        println!("No servers yet. `holdfast server provision NAME` makes one.");
        return;
    }
    let rows: Vec<_> = servers.iter().map(row).collect();
    let headings = [
        "name",
        "state",
        "system",
        ">pending",
        ">security",
        ">kev",
        ">critical",
        ">high",
        ">fixable",
        "reboot",
        "seen",
    ];
    table::print(&headings, &rows);
}

fn row(server: &Value) -> Vec<String> {
    let (facts, risk) = (&server["facts"], &server["risk"]);
    let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    let count = |value: &Value| value.as_u64().map_or("–".to_owned(), |count| count.to_string());
    let reboot = facts["reboot_reasons"].as_array().is_some_and(|reasons| !reasons.is_empty());
    let seen = server["last_seen_at"].as_str().and_then(|at| at.parse().ok());
    vec![
        text(&server["name"]),
        text(&server["state"]),
        text(&facts["os"]),
        count(&facts["pending"]),
        count(&facts["pending_security"]),
        count(&risk["kev"]),
        count(&risk["critical"]),
        count(&risk["high"]),
        count(&risk["fixable"]),
        if reboot { "due".to_owned() } else { String::new() },
        table::ago(seen),
    ]
}

fn show(context: &Context, server: Value) {
    if context.json {
        table::json(&server);
        return;
    }
    let (facts, risk) = (&server["facts"], &server["risk"]);
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        Value::Array(list) => {
            list.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    };
    let lines = [
        ("name", &server["name"]),
        ("state", &server["state"]),
        ("origin", &server["origin"]),
        ("IPv4", &server["ipv4"]),
        ("IPv6", &server["ipv6"]),
        ("system", &facts["os"]),
        ("kernel", &facts["kernel_running"]),
        ("packages", &facts["packages"]),
        ("pending updates", &facts["pending"]),
        ("of these security", &facts["pending_security"]),
        ("reboot due because", &facts["reboot_reasons"]),
        ("findings in effect", &risk["open"]),
        ("known exploited", &risk["kev"]),
        ("fixable now", &risk["fixable"]),
        ("accepted besides", &risk["accepted"]),
        ("last fault", &server["last_fault"]),
    ];
    for (word, value) in lines {
        println!("{word:>20}  {}", text(value));
    }
    let gaps = risk["gaps"].as_array().cloned().unwrap_or_default();
    for gap in gaps.into_iter().filter_map(|gap| serde_json::from_value::<Gap>(gap).ok()) {
        println!("{:>20}  {}", "feeds cannot say", gap.in_short());
    }
    if facts["kernel_shared"] == Value::Bool(true) {
        println!("{:>20}  the kernel belongs to the machine below this container", "");
    }
}
