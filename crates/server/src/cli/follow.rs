//! Following a run: its journal line by line, its progress as a bar, its end as an exit
//! code.

use std::{process::ExitCode, time::Duration};

use base::RunId;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::Value;

use super::{CliError, client::Client, table};

/// How often a cut connection to the control plane is tried again: it may be restarting.
const RECONNECTS: u32 = 120;

/// Follows a run to its end. Exit code 0 for done, 3 for rolled back, 4 for failed or
/// cancelled before anything was changed, 5 when it waits for a person.
pub async fn follow(client: &Client, run: RunId, json: bool) -> Result<ExitCode, CliError> {
    let bar = if json { ProgressBar::hidden() } else { bar() };
    let mut follower = Follower { after: 0, state: Value::Null, bar, json };
    let mut tries = 0;
    loop {
        let response =
            client.send(Method::GET, &format!("/runs/{run}/events?after={}", follower.after), None).await;
        match response {
            Ok(response) => {
                tries = 0;
                if follower.read(response).await {
                    break;
                }
            }
            Err(CliError::Problem(problem)) if problem.code.0 != "command.no_control_plane" => {
                return Err(problem.into());
            }
            Err(error) => {
                tries += 1;
                if tries > RECONNECTS {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    follower.bar.finish_and_clear();
    Ok(follower.conclude())
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(100);
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos:>3}%  {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

struct Follower {
    after: i64,
    state: Value,
    bar: ProgressBar,
    json: bool,
}

impl Follower {
    /// Reads events until the stream ends. True when the run is at rest.
    async fn read(&mut self, response: reqwest::Response) -> bool {
        let mut stream = response.bytes_stream();
        let mut text = String::new();
        while let Some(Ok(chunk)) = stream.next().await {
            text.push_str(&String::from_utf8_lossy(&chunk));
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                self.take(&event);
                if self.is_at_rest() {
                    return true;
                }
            }
        }
        self.is_at_rest()
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.status(), "finished" | "needs_operator" | "paused")
    }

    fn status(&self) -> &str {
        self.state["record"]["status"].as_str().unwrap_or_default()
    }

    fn take(&mut self, event: &str) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let (Some(kind), Some(data)) = (field("event:"), field("data:")) else { return };
        let Ok(data) = serde_json::from_str::<Value>(data) else { return };
        match kind {
            "journal" => {
                self.after = data["number"].as_i64().unwrap_or(self.after);
                self.print(&data);
            }
            "state" => self.state = data,
            "progress" => {
                self.bar.set_position(data["percent"].as_f64().unwrap_or(0.0) as u64);
                self.bar.set_message(data["message"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }

    fn print(&self, line: &Value) {
        if self.json {
            println!("{line}");
            return;
        }
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        let sign = match text("event") {
            "step_started" => "▸",
            "step_finished" => "✓",
            "rollback_started" | "undo_started" | "undo_finished" => "↩",
            "undo_stuck" | "asked_operator" | "deadline_missed" => "!",
            "finished" => "■",
            "log" => " ",
            _ => "·",
        };
        let time = text("at").get(11..19).unwrap_or_default();
        self.bar.println(format!("{time} {sign} {}", text("detail")));
        if !self.bar.is_hidden() && text("event") == "step_started" {
            self.bar.set_position(0);
            self.bar.set_message(text("detail").to_owned());
        }
        if self.bar.is_hidden() {
            println!("{time} {sign} {}", text("detail"));
        }
    }

    fn conclude(&self) -> ExitCode {
        if self.json {
            table::json(&self.state);
        }
        let record = &self.state["record"];
        let summary = record["summary"].as_str().unwrap_or_default();
        let code = match (self.status(), record["outcome"].as_str()) {
            ("finished", Some("done")) => 0,
            ("finished", Some("rolled_back")) => 3,
            ("finished", _) => 4,
            _ => 5,
        };
        if !self.json {
            let word = record["outcome"].as_str().unwrap_or(self.status()).replace('_', " ");
            println!("{word}: {summary}");
            let problem = serde_json::from_value::<base::Problem>(record["problem"].clone());
            if let (true, Ok(problem)) = (code != 0, problem) {
                println!("  {problem}");
            }
        }
        ExitCode::from(code)
    }
}
