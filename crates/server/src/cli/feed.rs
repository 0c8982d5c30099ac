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
                let success = feed["last_success_at"].as_str().and_then(|at| at.parse().ok());
                let state = match (feed["stale"] == Value::Bool(true), feed["fault"].as_str()) {
                    (_, Some(fault)) => format!("failed: {fault}"),
                    (true, None) => "stale".to_owned(),
                    (false, None) => "fresh".to_owned(),
                };
                vec![
                    text(&feed["kind"]),
                    feed["records"].to_string(),
                    text(&feed["as_of"]),
                    table::ago(success),
                    state,
                ]
            })
            .collect();
        table::print(&["feed", ">records", "as of", "read", "state"], &rows);
        Ok(ExitCode::SUCCESS)
    }
}
