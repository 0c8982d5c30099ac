//! `holdfast feed …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::{CliError, Context, client::Client, table};

/// What can be done with feeds.
#[derive(Debug, Subcommand)]
pub enum FeedCommand {
    /// List the feeds and how they stand.
    List,
    /// Read every feed now.
    Refresh,
}

impl FeedCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let client = Client::open(context)?;
        let feeds: Vec<Value> = match self {
            Self::List => client.get("/feeds").await?,
            Self::Refresh => client.post("/feeds/refresh", Value::Null).await?,
        };
        if context.json {
            table::json(&feeds);
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = feeds
            .iter()
            .map(|feed| {
                let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
                let at = |name: &str| table::ago(feed[name].as_str().and_then(|at| at.parse().ok()));
                let stale = feed["stale"] == Value::Bool(true);
                vec![
                    text(&feed["kind"]),
                    if stale { "stale".to_owned() } else { "fresh".to_owned() },
                    feed["records"].to_string(),
                    text(&feed["as_of"]),
                    at("last_success_at"),
                    at("last_attempt_at"),
                    text(&feed["source"]),
                ]
            })
            .collect();
        table::print(&["feed", "state", ">records", "as of", "read", "tried", "from"], &rows);
        for feed in &feeds {
            if let Some(fault) = feed["fault"].as_str() {
                println!("{} failed when last tried: {fault}", feed["kind"].as_str().unwrap_or_default());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
