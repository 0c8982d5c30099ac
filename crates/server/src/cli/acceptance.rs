//! `holdfast finding accept`, `acceptances` and `revoke`.

use base::Problem;
use clap::Args;
use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{CliError, Context, client::Client, table};
use crate::exposure::{AcceptanceOrder, OrderScope};

/// A risk to accept.
#[derive(Debug, Args)]
pub struct Accept {
    /// The CVE.
    cve: String,
    #[command(flatten)]
    place: Place,
    /// Why it is accepted.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who answers for it [default: you].
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    owner: String,
    #[command(flatten)]
    end: End,
}

/// Where it is accepted.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// On this server only.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// On every server, also on those to come.
    #[arg(long)]
    fleet: bool,
}

/// Until when.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct End {
    /// Until this day begins (UTC), or this moment; at most 365 days ahead [default: 90 days].
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// For this long, such as `90d` or `2w`.
    #[arg(long = "for", value_name = "TIME")]
    span: Option<Span>,
}

/// Which acceptances to list.
#[derive(Debug, Args)]
pub struct Acceptances {
    /// Only those that are in this state.
    #[arg(long, value_parser = ["active", "expired", "revoked"])]
    standing: Option<String>,
}

/// An acceptance to take back.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Its id, as `holdfast finding acceptances` shows it.
    id: String,
}

impl Accept {
    /// Runs the command.
    pub async fn run(self, client: &Client, context: &Context) -> Result<(), CliError> {
        let order = AcceptanceOrder {
            until: self.end.in_words(Timestamp::now())?,
            scope: match self.place.server {
                Some(server) => OrderScope::Server(server),
                None => OrderScope::Fleet,
            },
            cve: self.cve,
            reason: self.reason,
            owner: self.owner,
        };
        let accepted: Value = client.post("/acceptances", &order).await?;
        tell(context, &accepted, "Accepted");
        Ok(())
    }
}

impl End {
    fn in_words(&self, now: Timestamp) -> Result<String, CliError> {
        match (&self.until, self.span) {
            (Some(until), _) => Ok(until.clone()),
            (None, Some(span)) => {
                // Days and weeks are those of UTC, so that no change of clocks matters.
                let end = now.to_zoned(TimeZone::UTC).checked_add(span).map_err(|error| {
                    Problem::new("acceptance.malformed", "could not accept it")
                        .found(format!("`--for` leads nowhere: {error}"))
                        .state("Nothing was changed")
                })?;
                Ok(end.timestamp().to_string())
            }
            (None, None) => Ok(String::new()),
        }
    }
}

impl Acceptances {
    /// Runs the command.
    pub async fn run(self, client: &Client, context: &Context) -> Result<(), CliError> {
        let only = self.standing.map(|standing| format!("?standing={standing}")).unwrap_or_default();
        let list: Vec<Value> = client.get(&format!("/acceptances{only}")).await?;
        if context.json {
            table::json(&list);
        } else if list.is_empty() {
            println!("No risk has been accepted. `holdfast finding accept CVE` accepts one.");
        } else {
            let rows: Vec<_> = list.iter().map(row).collect();
            table::print(&["cve", "where", "state", "until", "owner", "reason", "id"], &rows);
        }
        Ok(())
    }
}

impl Revoke {
    /// Runs the command.
    pub async fn run(self, client: &Client, context: &Context) -> Result<(), CliError> {
        // An id has letters, digits and an underscore; anything else would lead to another path.
        let plain = !self.id.is_empty() && self.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain {
            return Err(Problem::new("acceptance.unknown", format!("there is no acceptance `{}`", self.id))
                .next("`holdfast finding acceptances` lists the known ones")
                .into());
        }
        let revoked: Value = client.post(&format!("/acceptances/{}/revoke", self.id), json!({})).await?;
        tell(context, &revoked, "Revoked the acceptance of");
        Ok(())
    }
}

fn tell(context: &Context, acceptance: &Value, did: &str) {
    if context.json {
        table::json(acceptance);
        return;
    }
    let cells = row(acceptance);
    println!("{did} {} on {}, until {}, owner {}: {}", cells[0], cells[1], cells[3], cells[4], cells[5]);
    println!("  {}", cells[6]);
}

fn row(acceptance: &Value) -> Vec<String> {
    let text = |name: &str| acceptance[name].as_str().unwrap_or("–").to_owned();
    let place = acceptance["scope"]["server"]["name"].as_str().unwrap_or("the whole fleet");
    let until = text("until").get(..16).unwrap_or_default().replace('T', " ");
    vec![text("cve"), place.to_owned(), text("standing"), until, text("owner"), text("reason"), text("id")]
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        accept: Accept,
    }

    fn end_of(arguments: &[&str]) -> Option<String> {
        let line = ["x", "CVE-2026-0001"].iter().chain(arguments);
        let accept = Line::try_parse_from(line).ok()?.accept;
        accept.end.in_words("2026-03-10T12:00:00Z".parse().unwrap()).ok()
    }

    #[test]
    fn one_place_and_at_most_one_end() {
        assert_eq!(end_of(&["--fleet", "--reason", "x"]).as_deref(), Some(""));
        let for_ = |span| end_of(&["--server", "web-1", "--reason", "x", "--for", span]);
        assert_eq!(for_("90d").as_deref(), Some("2026-06-08T12:00:00Z"));
        assert_eq!(for_("2w").as_deref(), Some("2026-03-24T12:00:00Z"));
        assert_eq!(for_("soon"), None);
        assert_eq!(
            end_of(&["--fleet", "--reason", "x", "--until", "2026-05-01"]).as_deref(),
            Some("2026-05-01")
        );
        for wrong in [
            &["--reason", "x"][..],
            &["--fleet", "--server", "web-1", "--reason", "x"],
            &["--fleet"],
            &["--fleet", "--reason", "x", "--for", "9d", "--until", "2026-05-01"],
        ] {
            assert_eq!(end_of(wrong), None, "{wrong:?}");
        }
    }
}
