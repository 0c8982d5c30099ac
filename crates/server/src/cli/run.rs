//! `holdfast run …`

use std::process::ExitCode;

use base::RunId;
use clap::Subcommand;
use runs::SignalKind;
use serde_json::{Value, json};

use super::{CliError, Context, client::Client, follow::follow, table};

/// What can be done with runs.
#[derive(Debug, Subcommand)]
pub enum RunCommand {
    /// List the newest runs.
    List {
        /// Of one server only.
        #[arg(long)]
        server: Option<String>,
    },
    /// Show a run with its journal.
    Show {
        /// The run.
        run: RunId,
    },
    /// Follow a run to its end.
    Follow {
        /// The run.
        run: RunId,
    },
    /// Go on after a pause or a question.
    Resume {
        /// The run.
        run: RunId,
    },
    /// Rest after the present step.
    Pause {
        /// The run.
        run: RunId,
    },
    /// Stop, and undo what was done.
    Cancel {
        /// The run.
        run: RunId,
    },
}

impl RunCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let client = Client::open(context)?;
        match self {
            Self::List { server } => {
                let query = server.map(|server| format!("?server={server}")).unwrap_or_default();
                list(context, client.get(&format!("/runs{query}")).await?);
            }
            Self::Show { run } => {
                let view: Value = client.get(&format!("/runs/{run}")).await?;
                let journal: Vec<Value> = client.get(&format!("/runs/{run}/journal")).await?;
                show(context, view, journal);
            }
            Self::Follow { run } => return follow(&client, run, context.json).await,
            Self::Resume { run } => signal(context, &client, run, SignalKind::Resume).await?,
            Self::Pause { run } => signal(context, &client, run, SignalKind::Pause).await?,
            Self::Cancel { run } => signal(context, &client, run, SignalKind::Cancel).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn signal(context: &Context, client: &Client, run: RunId, kind: SignalKind) -> Result<(), CliError> {
    let view: Value = client.post(&format!("/runs/{run}/signals"), json!({ "kind": kind })).await?;
    if context.json {
        table::json(&view);
    } else {
        println!("Told run {run} to {}; `holdfast run follow {run}` shows what it does.", kind.name());
    }
    Ok(())
}

fn standing(record: &Value) -> String {
    let word = record["outcome"].as_str().or(record["status"].as_str()).unwrap_or_default();
    word.replace('_', " ")
}

fn list(context: &Context, runs: Vec<Value>) {
    if context.json {
        table::json(&runs);
        return;
    }
    if runs.is_empty() {
        println!("No runs yet.");
        return;
    }
    let rows: Vec<_> = runs
        .iter()
        .map(|view| {
            let record = &view["record"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let created = record["created_at"].as_str().and_then(|at| at.parse().ok());
            vec![
                text(&record["id"]),
                text(&record["kind"]),
                text(&view["server"]),
                standing(record),
                text(&record["step"]),
                table::ago(created),
            ]
        })
        .collect();
    table::print(&["run", "kind", "server", "state", "step", "started"], &rows);
}

fn show(context: &Context, view: Value, journal: Vec<Value>) {
    if context.json {
        table::json(&json!({ "run": view, "journal": journal }));
        return;
    }
    let record = &view["record"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    println!("{} of `{}`: {}", text(&record["kind"]), text(&view["server"]), standing(record));
    for step in view["steps"].as_array().into_iter().flatten() {
        let sign = match step["state"].as_str() {
            Some("done") => "✓",
            Some("current") => "▸",
            Some("failed") => "✗",
            _ => " ",
        };
        println!("  {sign} {}", text(&step["title"]));
    }
    for line in journal {
        println!(
            "{}  {:<18} {}",
            text(&line["at"]).get(..19).unwrap_or_default(),
            text(&line["event"]),
            text(&line["detail"])
        );
    }
}
