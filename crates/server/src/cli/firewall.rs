//! `holdfast firewall …`

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use baseline::Network;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{CliError, Context, client::Client, table};

/// What can be done with firewalls.
#[derive(Debug, Subcommand)]
pub enum FirewallCommand {
    /// Show from where the control plane calls, and how each server's firewall stands.
    List,
    /// Set from where the control plane calls its hosts. One host is tried first; the others
    /// follow when it lets the control plane in.
    Addresses {
        /// Every address.
        #[arg(required = true)]
        addresses: Vec<String>,
    },
    /// Change who else may reach a server. Without a list, that list stays as it is.
    Open {
        /// The server.
        server: String,
        /// From where operators sign in by SSH; may be given several times.
        #[arg(long = "admin", value_name = "NETWORK", conflicts_with = "no_admins")]
        admins: Vec<Network>,
        /// Name no network for SSH: it is open to everyone, rate-limited and shown in red.
        #[arg(long)]
        no_admins: bool,
        /// From where tenants reach PostgreSQL; may be given several times.
        #[arg(long = "tenant", value_name = "NETWORK", conflicts_with = "no_tenants")]
        tenants: Vec<Network>,
        /// No tenant reaches PostgreSQL.
        #[arg(long)]
        no_tenants: bool,
    },
    /// Bring one server's firewall in line now, and wait for it.
    Sync {
        /// The server.
        server: String,
    },
}

/// How long `sync` waits for an end: longer than a trial that fails.
const PATIENCE: Duration = Duration::from_secs(90);

impl FirewallCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let client = Client::open(context)?;
        match self {
            Self::List => {
                let all: Value = client.get("/firewall").await?;
                if context.json {
                    table::json(&all);
                } else {
                    list(&all);
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Addresses { addresses } => {
                let set: Value = client.put("/firewall/addresses", json!({ "addresses": addresses })).await?;
                if context.json {
                    table::json(&set);
                } else {
                    println!("The control plane calls from {}.", words(&set["addresses"]));
                    println!("{}", in_words(&set["proof"]));
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Open { server, admins, no_admins, tenants, no_tenants } => {
                let list = |named: Vec<Network>, none: bool| (none || !named.is_empty()).then_some(named);
                let openings =
                    json!({ "admins": list(admins, no_admins), "tenants": list(tenants, no_tenants) });
                let _: Value = client.put(&format!("/servers/{server}/firewall"), openings).await?;
                sync(&client, context, &server).await
            }
            Self::Sync { server } => sync(&client, context, &server).await,
        }
    }
}

async fn sync(client: &Client, context: &Context, server: &str) -> Result<ExitCode, CliError> {
    let mut view: Value = client.post(&format!("/servers/{server}/firewall/sync"), json!({})).await?;
    let until = Instant::now() + PATIENCE;
    while view["asked"] == Value::Bool(true) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let all: Value = client.get("/firewall").await?;
        let known = all["servers"].as_array().into_iter().flatten().find(|view| view["name"] == *server);
        view = known.cloned().unwrap_or_default();
    }
    if context.json {
        table::json(&view);
    } else {
        let detail = view["detail"].as_str().map(|detail| format!(": {detail}")).unwrap_or_default();
        println!("{server} {}{detail}", state(&view));
    }
    Ok(if view["state"] == "in_line" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list(all: &Value) {
    println!("The control plane calls from {}.", words(&all["control_plane"]["addresses"]));
    println!("{}\n", in_words(&all["control_plane"]["proof"]));
    let servers = all["servers"].as_array().cloned().unwrap_or_default();
    let rows: Vec<_> = servers
        .iter()
        .map(|view| {
            let at = |name: &str| table::ago(view[name].as_str().and_then(|at| at.parse().ok()));
            let detail = view["detail"].as_str().unwrap_or("–").to_owned();
            vec![view["name"].as_str().unwrap_or_default().to_owned(), state(view), at("tried_at"), detail]
        })
        .collect();
    if rows.is_empty() {
        println!("No server yet whose firewall is kept in line.");
    } else {
        table::print(&["server", "firewall", "tried", "more"], &rows);
    }
}

fn state(view: &Value) -> String {
    match (view["state"].as_str(), view["is_current"].as_bool()) {
        (Some("in_line"), Some(true)) => "in line",
        (Some("in_line" | "waiting"), _) => "waiting",
        (Some("unreachable"), _) => "not answering",
        (Some("busy"), _) => "busy",
        (Some("shut_out"), _) => "put back",
        _ => "failed",
    }
    .to_owned()
}

fn in_words(proof: &Value) -> String {
    match proof["proof"].as_str() {
        Some("untried") => "They are on trial: one host is tried first.".to_owned(),
        Some("shut_out") => format!(
            "Refused: `{}` could not be reached under them and put its former rules back; no other host was touched.",
            proof["server"].as_str().unwrap_or_default()
        ),
        _ => "Hosts let it in under them.".to_owned(),
    }
}

fn words(addresses: &Value) -> String {
    let addresses = addresses.as_array().into_iter().flatten().filter_map(Value::as_str);
    addresses.collect::<Vec<_>>().join(", ")
}
