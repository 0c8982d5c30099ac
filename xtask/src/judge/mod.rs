//! `cargo xtask judge HOST`: what outside judges say of a lab host, beside what it must
//! reach.
//!
//! The host stays as it was: what has to run inside is unpacked in memory below `/run`
//! and removed afterwards; nothing is installed and nothing lies on its disk. Everything
//! else runs on this machine.

mod host;
mod lynis;
mod openscap;
mod reasons;
mod ssh_audit;
mod sslscan;
mod tools;
mod updates;

use anyhow::{Result, bail};
use serde_json::{Value, json};

pub use host::JudgedHost;

use crate::{command, packages};

/// One judge's word.
pub struct Judgement {
    /// The tool, and what it judges by, with versions.
    pub judge: String,
    /// What it says, in a few words, such as `80 of 100, 0 warnings`.
    pub said: String,
    /// What it must say.
    pub target: &'static str,
    /// Whether it does.
    pub reached: bool,
    /// What the host does not pass, each with its reason.
    pub failed: Vec<Failure>,
    /// What else there is to know, a sentence each.
    pub notes: Vec<String>,
}

/// Something that a host does not pass.
pub struct Failure {
    /// The judge's name for it.
    pub what: String,
    /// Why it is so.
    pub why: String,
}

/// Runs the task.
pub fn run(options: &[&str]) -> Result<()> {
    let (mut name, mut data, mut probe, mut as_json) = (None, "/var/lib/holdfast", None, false);
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match (*word, name) {
            ("--data", _) => data = words.next().copied().unwrap_or(data),
            ("--probe", _) => probe = words.next().copied(),
            ("--json", _) => as_json = true,
            (host, None) if !host.starts_with('-') => name = Some(host),
            _ => bail!("judge takes HOST, `--data DIR`, `--probe NUMBER` and `--json`, not `{word}`"),
        }
    }
    let Some(name) = name else { bail!("which host? `cargo xtask judge HOST`") };
    if !command::is_root() {
        bail!("judging a lab host needs root");
    }
    let holdfast = command::binaries().join("holdfast");
    if !holdfast.exists() {
        command::build()?;
    }
    let host = JudgedHost::find(holdfast, data, name, probe)?;
    let judgements = judge(&host)?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&rendered(&host, &judgements))?);
    } else {
        print(&host, &judgements);
    }
    match judgements.iter().filter(|judgement| !judgement.reached).count() {
        0 => Ok(()),
        missed => bail!("{missed} of {} targets are missed", judgements.len()),
    }
}

/// Asks every judge.
pub fn judge(host: &JudgedHost) -> Result<Vec<Judgement>> {
    packages::install(packages::JUDGES)?;
    let mut judgements = vec![ssh_audit::judge(host)?];
    judgements.extend(sslscan::judge(host)?);
    let inside = tools::bring(host)?;
    judgements.push(lynis::judge(host, &inside)?);
    judgements.push(openscap::judge(host, &inside)?);
    drop(inside);
    judgements.push(updates::judge(host)?);
    Ok(judgements)
}

/// For people.
pub fn print(host: &JudgedHost, judgements: &[Judgement]) {
    println!("`{}`, {}", host.name, host.release);
    for judgement in judgements {
        let mark = if judgement.reached { "reached" } else { "MISSED" };
        println!("\n{}\n  {}; target {}: {mark}", judgement.judge, judgement.said, judgement.target);
        for note in &judgement.notes {
            println!("  note: {note}");
        }
        for failure in &judgement.failed {
            println!("  - {}: {}", failure.what, failure.why);
        }
    }
}

fn rendered(host: &JudgedHost, judgements: &[Judgement]) -> Value {
    let judgements: Vec<Value> = judgements
        .iter()
        .map(|judgement| {
            let failed: Vec<Value> =
                judgement.failed.iter().map(|f| json!({"what": f.what, "why": f.why})).collect();
            json!({
                "judge": judgement.judge,
                "said": judgement.said,
                "target": judgement.target,
                "reached": judgement.reached,
                "failed": failed,
                "notes": judgement.notes,
            })
        })
        .collect();
    json!({ "host": host.name, "release": host.release, "judgements": judgements })
}
