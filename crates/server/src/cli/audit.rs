//! `holdfast audit …`

use std::{process::ExitCode, sync::Arc};

use base::{Problem, SystemClock};
use clap::Subcommand;
use serde_json::Value;

use super::{CliError, Context, client::Client, table};
use crate::{audit::Audit, db, secrets::Vault};

/// What can be done with the trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List the newest entries.
    List {
        /// About one target only, such as a server's name.
        #[arg(long)]
        target: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
    /// Walk the whole chain and check every entry. Needs no running control plane.
    Verify,
    /// Print every entry as a line of JSON. Needs no running control plane.
    Export,
}

impl AuditCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::List { target, limit } => {
                let client = Client::open(context)?;
                let target = target.map(|target| format!("&target={target}")).unwrap_or_default();
                list(context, client.get(&format!("/audit?limit={limit}{target}")).await?);
                Ok(ExitCode::SUCCESS)
            }
            Self::Verify => verify(context).await,
            Self::Export => {
                open(context)
                    .await?
                    .export(|line| println!("{}", serde_json::to_string(&line).unwrap_or_default()))
                    .await?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

async fn open(context: &Context) -> Result<Audit, CliError> {
    let (database, key) = (context.data.join("holdfast.db"), context.data.join("master.key"));
    for file in [&database, &key] {
        if !file.exists() {
            return Err(Problem::new("audit.no_data", format!("there is no `{}`", file.display()))
                .next("name the data directory with `--data`")
                .into());
        }
    }
    let db = db::open_sqlite(&database).await.map_err(anyhow::Error::from)?;
    let vault = Vault::open(&key).map_err(anyhow::Error::from)?;
    let chain_key = vault.key_for("chain the audit trail");
    Ok(Audit::new(db, Arc::new(SystemClock), chain_key, context.data.join("audit.head")))
}

async fn verify(context: &Context) -> Result<ExitCode, CliError> {
    let found = open(context).await?.verify().await?;
    if context.json {
        table::json(&found);
    } else {
        match &found.fault {
            None => println!("{} entries, an unbroken chain; head {}", found.entries, found.head),
            Some(fault) => {
                println!("The audit trail is broken: {fault}. {} entries before it are good.", found.entries)
            }
        }
    }
    Ok(if found.fault.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list(context: &Context, lines: Vec<Value>) {
    if context.json {
        table::json(&lines);
        return;
    }
    let rows: Vec<_> = lines
        .iter()
        .rev()
        .map(|line| {
            let entry = &line["entry"];
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            vec![
                line["number"].to_string(),
                text("at").get(..19).unwrap_or_default().to_owned(),
                text("actor"),
                text("action"),
                text("target"),
                text("outcome"),
                text("detail"),
            ]
        })
        .collect();
    table::print(&[">", "at", "actor", "action", "target", "outcome", ""], &rows);
}
