//! `holdfast dns …`

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::Value;

use super::{CliError, Context, client::Client, table};
use crate::dns::{CheckReport, DnsName, KeyAlgorithm, ZoneOrder, ZoneView};

/// What can be done with DNS.
#[derive(Debug, Subcommand)]
pub enum DnsCommand {
    /// Zones in which the names of servers are.
    #[command(subcommand)]
    Zone(ZoneCommand),
}

/// What can be done with zones.
#[derive(Debug, Subcommand)]
pub enum ZoneCommand {
    /// Add a zone, or replace its settings. The first zone is the one that servers get their
    /// names in unless told otherwise.
    Set {
        /// Its name.
        name: DnsName,
        /// A server that takes updates and questions, such as `192.0.2.1:53`; may be given
        /// several times.
        #[arg(long = "server", value_name = "ADDRESS:PORT", required = true)]
        servers: Vec<SocketAddr>,
        /// An authoritative server at which a record must be seen; may be given several times
        /// [default: those of the zone's NS records].
        #[arg(long = "authoritative", value_name = "ADDRESS:PORT")]
        authoritative: Vec<SocketAddr>,
        /// Name of the key (TSIG) that may update it. Without one the zone is only read, to
        /// follow `_acme-challenge` CNAME records into another.
        #[arg(long, value_name = "NAME", requires = "secret_file")]
        key_name: Option<String>,
        /// How the key signs.
        #[arg(long, value_enum, default_value = "hmac-sha256")]
        algorithm: KeyAlgorithm,
        /// A file with the key's secret in base64.
        #[arg(long, value_name = "FILE", requires = "key_name")]
        secret_file: Option<PathBuf>,
    },
    /// List the zones. Secrets are never shown.
    List,
    /// Forget a zone and its key.
    Remove {
        /// Its name.
        name: DnsName,
    },
    /// Write a challenge record, see it at every authoritative server, and remove it.
    Test {
        /// The zone's name.
        name: DnsName,
    },
}

impl DnsCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let Self::Zone(command) = self;
        let client = Client::open(context)?;
        match command {
            ZoneCommand::Set { name, servers, authoritative, key_name, algorithm, secret_file } => {
                let secret = secret_file.map(read_secret).transpose()?;
                let algorithm = key_name.is_some().then_some(algorithm);
                let order = ZoneOrder { name, servers, authoritative, key_name, algorithm, secret };
                let zone: ZoneView = client.post("/dns/zones", &order).await?;
                if context.json {
                    table::json(&zone);
                } else {
                    println!("Zone `{0}` is set; `holdfast dns zone test {0}` tries it.", zone.name);
                }
            }
            ZoneCommand::List => list(context, &client.get::<Vec<ZoneView>>("/dns/zones").await?),
            ZoneCommand::Remove { name } => {
                client.delete(&format!("/dns/zones/{name}")).await?;
                if !context.json {
                    println!("Zone `{name}` is forgotten. Certificates in it can no longer be renewed.");
                }
            }
            ZoneCommand::Test { name } => {
                let report: CheckReport =
                    client.post(&format!("/dns/zones/{name}/test"), Value::Null).await?;
                if context.json {
                    table::json(&report);
                } else {
                    println!(
                        "`{}` in zone `{}` was seen at {} after {} ms, and is removed again.",
                        report.record,
                        report.zone,
                        join(&report.seen_at),
                        report.milliseconds
                    );
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Secrets come from files: an argument could be read by anybody on the machine.
fn read_secret(path: PathBuf) -> Result<String, CliError> {
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(text.trim().to_owned())
}

fn join(servers: &[SocketAddr]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn list(context: &Context, zones: &[ZoneView]) {
    if context.json {
        table::json(zones);
        return;
    }
    if zones.is_empty() {
        println!("No zones. `holdfast dns zone set NAME --server ADDRESS:PORT …` adds one.");
        return;
    }
    let rows: Vec<_> = zones
        .iter()
        .map(|zone| {
            vec![
                zone.name.to_string(),
                join(&zone.servers),
                if zone.authoritative.is_empty() {
                    "by NS records".to_owned()
                } else {
                    join(&zone.authoritative)
                },
                zone.key_name.clone().unwrap_or_else(|| "none, only read".to_owned()),
            ]
        })
        .collect();
    table::print(&["zone", "servers", "authoritative", "key"], &rows);
}
