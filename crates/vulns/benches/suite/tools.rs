//! The other tools that match a Debian host, each run as a whole process on the same host and
//! the same data as published for it.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{clock, data};

/// A tool's name and the processor time of one run.
pub struct Run {
    pub name: &'static str,
    pub cost: Duration,
}

/// Every tool that is there, quickest first. What is not there is said.
pub fn runs() -> Result<Vec<Run>, String> {
    let mut runs = Vec::new();
    let status = data::path("inventory/debian-12.status")?;

    let mut debsecan = Command::new("debsecan");
    let source = data::path("debian/debsecan")?.canonicalize().map_err(|error| error.to_string())?;
    debsecan.args(["--suite", "bookworm", "--source"]).arg(format!("file://{}", source.display()));
    debsecan.arg("--status").arg(&status);
    match run(debsecan, &[0]) {
        Some(cost) => runs.push(Run { name: "debsecan", cost }),
        None => eprintln!("  NOT AVAILABLE: `debsecan`; install the Debian package"),
    }

    // Set by `cargo xtask bench`: the folder with the program and its prepared data.
    let folder = std::env::var_os("HOLDFAST_BENCH_TOOLS").map(PathBuf::from).unwrap_or_default();
    let mut scanner = Command::new(folder.join("bin/osv-scanner"));
    scanner.args(["scan", "source", "--offline-vulnerabilities", "--format", "json", "-L"]);
    scanner.arg(format!("dpkg-status:{}", status.display()));
    scanner.env("OSV_SCALIBR_LOCAL_DB_CACHE_DIRECTORY", folder.join("osv"));
    // It ends with 1 when it has found something.
    match run(scanner, &[1]) {
        Some(cost) => runs.push(Run { name: "osv-scanner", cost }),
        None => eprintln!("  NOT AVAILABLE: `osv-scanner`; `cargo xtask bench --install-tools` builds it"),
    }
    runs.sort_by_key(|run| run.cost);
    Ok(runs)
}

fn run(mut command: Command, good: &[i32]) -> Option<Duration> {
    let before = clock::of_children();
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    ended.code().filter(|code| good.contains(code))?;
    Some(clock::of_children().saturating_sub(before))
}
