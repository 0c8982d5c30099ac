//! `holdfast finding …`

use std::process::ExitCode;

use anyhow::Context as _;
use base::Problem;
use clap::Subcommand;
use serde_json::Value;
use vulns::Finding;

use super::{CliError, Context, acceptance, client::Client, table};
use crate::exposure::Gap;

/// What can be asked of findings.
#[derive(Debug, Subcommand)]
pub enum FindingCommand {
    /// List a server's findings, grouped by the update that fixes them.
    List {
        /// The server.
        server: String,
        /// One line a finding instead of one an update.
        #[arg(long)]
        each: bool,
    },
    /// Show why a CVE is believed to touch a server: the chain of facts, a sentence each.
    Show {
        /// The server.
        server: String,
        /// The CVE, such as `CVE-2024-6387`.
        cve: String,
    },
    /// Accept a risk for a while: it stays listed and is counted apart.
    Accept(acceptance::Accept),
    /// List the accepted risks, also those that are over.
    Acceptances(acceptance::Acceptances),
    /// Take an acceptance back.
    Revoke(acceptance::Revoke),
    /// Show what opened and closed on a server, newest first.
    History {
        /// The server.
        server: String,
    },
}

impl FindingCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let client = Client::open(context)?;
        match self {
            Self::List { server, each } => {
                let findings: Value = client.get(&format!("/servers/{server}/findings")).await?;
                match context.json {
                    true => table::json(&findings),
                    false => print(&findings, each),
                }
            }
            Self::Show { server, cve } => {
                let findings: Value = client.get(&format!("/servers/{server}/findings")).await?;
                show(context, &server, &cve, &findings)?;
            }
            Self::Accept(accept) => accept.run(&client, context).await?,
            Self::Acceptances(acceptances) => acceptances.run(&client, context).await?,
            Self::Revoke(revoke) => revoke.run(&client, context).await?,
            Self::History { server } => {
                let changes: Vec<Value> = client.get(&format!("/servers/{server}/history")).await?;
                match context.json {
                    true => table::json(&changes),
                    false => print_history(&changes),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(context: &Context, server: &str, cve: &str, findings: &Value) -> Result<(), CliError> {
    let of_it = findings["list"].as_array().into_iter().flatten();
    let of_it: Vec<&Value> = of_it
        .filter(|finding| finding["cve"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(cve)))
        .collect();
    if of_it.is_empty() {
        return Err(Problem::new("finding.none", format!("`{cve}` is no finding of `{server}`"))
            .found(
                "by its newest inventory and the feeds as they are, it is not affected, or they do not know",
            )
            .next(format!(
                "`holdfast finding history {server}` shows what closed; `holdfast feed list`, what is read"
            ))
            .into());
    }
    let mut told = Vec::new();
    for value in of_it {
        let finding: Finding = serde_json::from_value(value.clone())
            .context("the control plane tells of the finding in another form; is it of this version?")?;
        let facts = finding.explain();
        if !context.json {
            let Finding { cve, source_package, installed, fixability, severity, .. } = &finding;
            println!("{cve} in {source_package} {installed}: {severity}, {fixability}");
            for fact in &facts {
                println!("  {fact}");
            }
            if let Some(until) = value["accepted"]["until"].as_str() {
                println!("  The risk is accepted until {until}.");
            }
        }
        told.push((value, facts));
    }
    if context.json {
        let told = told.into_iter().map(|(value, facts)| {
            let mut value = value.clone();
            value["facts"] = facts.into();
            value
        });
        table::json(&told.collect::<Vec<_>>());
    }
    Ok(())
}

fn print(findings: &Value, each: bool) {
    let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    let summary = &findings["summary"];
    if each {
        let rows: Vec<_> = findings["list"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|finding| {
                let columns = ["cve", "source_package", "installed", "fixed", "fixability", "severity"];
                let mut row: Vec<_> = columns.iter().map(|column| text(&finding[column])).collect();
                let exploited = if finding["kev"].is_null() { String::new() } else { "exploited".to_owned() };
                let accepted = finding["accepted"]["until"].as_str().and_then(|until| until.get(..10));
                let accepted = accepted.map(|until| format!("accepted until {until}"));
                row.push([exploited, accepted.unwrap_or_default()].join(" ").trim().to_owned());
                row
            })
            .collect();
        table::print(&["cve", "package", "installed", "fixed", "can be fixed", "severity", ""], &rows);
    } else {
        let rows: Vec<_> = findings["updates"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|group| {
                vec![
                    text(&group["source_package"]),
                    text(&group["installed"]),
                    text(&group["to"]),
                    group["cves"].to_string(),
                    group["kev"].to_string(),
                    text(&group["worst"]),
                    text(&group["fixability"]),
                ]
            })
            .collect();
        table::print(&["package", "installed", "to", ">CVEs", ">exploited", "worst", "can be fixed"], &rows);
    }
    println!(
        "{} in effect: {} fixable now, {} known exploited",
        summary["open"], summary["fixable"], summary["kev"]
    );
    if findings["accepted"].as_u64().is_some_and(|accepted| accepted > 0) {
        println!(
            "{} more accepted, {} of them known exploited; `--each` marks them",
            findings["accepted"], findings["accepted_exploited"]
        );
    }
    print_coverage(&findings["coverage"]);
}

/// Packages in no feed that are named; the JSON has them all.
const NAMED: usize = 20;

/// Says what the feeds cannot say, so that a short list is not taken for good news.
fn print_coverage(coverage: &Value) {
    let list = |name: &str| coverage[name].as_array().cloned().unwrap_or_default();
    let gaps = list("gaps").into_iter().filter_map(|gap| serde_json::from_value::<Gap>(gap).ok());
    for gap in gaps {
        println!("note: {}", gap.in_words());
    }
    for (title, names) in [("of another builder", list("third_party")), ("in no feed", list("unnamed"))] {
        let first: Vec<&str> = names.iter().filter_map(Value::as_str).take(NAMED).collect();
        if !first.is_empty() {
            let more = if names.len() > NAMED {
                format!(" and {} more", names.len() - NAMED)
            } else {
                String::new()
            };
            println!("{title}: {}{more}", first.join(", "));
        }
    }
    for feed in list("silent_feeds") {
        let read = feed["last_success_at"].as_str().and_then(|at| at.parse().ok());
        println!("note: {} was last read: {}", feed["title"].as_str().unwrap_or_default(), table::ago(read));
    }
}

fn print_history(changes: &[Value]) {
    if changes.is_empty() {
        println!("Nothing has opened or closed since the server is known.");
        return;
    }
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
            let count = |name: &str| change[name].as_array().map_or(0, Vec::len).to_string();
            let at = text("at").get(..19).unwrap_or_default().to_owned();
            vec![at, text("source_package"), text("installed"), count("closed"), count("opened")]
        })
        .collect();
    table::print(&["at", "package", "was at", ">closed", ">opened"], &rows);
}
