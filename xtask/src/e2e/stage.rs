//! A control plane of a trial's own: data directory, ports, lab; all of it gone at the end.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command;

/// The folder below cargo's that holds the data directories of trials.
pub const TRIALS: &str = "trials";

/// A running control plane with an empty lab.
pub struct Stage {
    data: PathBuf,
    /// Further options of `holdfast up`.
    options: Vec<String>,
    /// Its process; none while it is dead on purpose.
    process: Option<Process>,
    /// A fresh sign-in link.
    pub sign_in: String,
}

struct Process {
    child: Child,
    /// The control plane ends when this closes, also when this program is killed.
    _lifeline: ChildStdin,
    /// Open for as long as it may print.
    _printed: BufReader<ChildStdout>,
}

impl Stage {
    /// Starts a control plane for the trial of this name.
    pub fn start(name: &str) -> Result<Self> {
        Self::start_with(name, &[])
    }

    /// Starts a control plane with further options of `holdfast up`.
    pub fn start_with(name: &str, options: &[&str]) -> Result<Self> {
        Self::start_in(name, options, &[])
    }

    /// Starts one likewise, with these variables in its environment.
    pub fn start_in(name: &str, options: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let data = command::binaries().join(TRIALS).join(format!("{name}-{}", std::process::id()));
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        std::fs::create_dir_all(&data)?;
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut stage = Self { data, options, process: None, sign_in: String::new() };
        stage.raise(environment)?;
        Ok(stage)
    }

    /// Starts the control plane again, with these variables in its environment.
    pub fn raise(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        let mut holdfast = self.command();
        holdfast.args(["up", "--listen", "127.0.0.1:0", "--agent-port", &self.agent_port()?.to_string()]);
        holdfast.arg("--until-stdin-closes").args(&self.options);
        for folder in super::feeds()? {
            holdfast.arg("--feeds").arg(folder);
        }
        let log = File::options().create(true).append(true).open(self.data.join("control-plane.log"))?;
        let mut child = holdfast
            .envs(environment.iter().copied())
            .env("HOLDFAST_LOG", "info,sqlx=warn")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start `holdfast up`")?;
        let lifeline = child.stdin.take().context("no lifeline")?;
        let mut printed = BufReader::new(child.stdout.take().context("no output")?);
        let mut line = String::new();
        while printed.read_line(&mut line)? > 0 {
            if let Some(link) = line.trim().strip_prefix("sign in  ") {
                self.sign_in = link.to_owned();
                self.process = Some(Process { child, _lifeline: lifeline, _printed: printed });
                return Ok(());
            }
            line.clear();
        }
        child.wait()?;
        bail!("`holdfast up` ended early; see {}", self.data.join("control-plane.log").display());
    }

    /// Hosts keep the address they were given, so a control plane that is raised again
    /// must listen at the same port.
    fn agent_port(&self) -> Result<u16> {
        let file = self.data.join("trial-port");
        if let Ok(port) = std::fs::read_to_string(&file) {
            return Ok(port.trim().parse()?);
        }
        let port = std::net::TcpListener::bind("[::]:0")?.local_addr()?.port();
        std::fs::write(&file, port.to_string())?;
        Ok(port)
    }

    /// Kills the control plane as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.child.kill()?;
            process.child.wait()?;
        }
        Ok(())
    }

    /// Waits until the control plane has died by itself, as a kill point makes it.
    pub fn await_death(&mut self, patience: Duration) -> Result<bool> {
        let Some(process) = &mut self.process else { return Ok(true) };
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if process.child.try_wait()?.is_some() {
                self.process = None;
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(false)
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    fn command(&self) -> Command {
        let mut holdfast = Command::new(command::binaries().join("holdfast"));
        holdfast.arg("--data").arg(&self.data);
        holdfast
    }

    /// Runs `holdfast` with these arguments, whatever comes of it.
    pub fn try_holdfast(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command().args(arguments).stdin(Stdio::null()).output()?)
    }

    /// Runs `holdfast`; it must end with this code. Gives what it printed.
    pub fn holdfast_ends(&self, arguments: &[&str], code: i32) -> Result<String> {
        let output = self.try_holdfast(arguments)?;
        let (said, erred) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.code() != Some(code) {
            let tail: Vec<&str> = said.lines().rev().take(25).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            bail!(
                "`holdfast {}` ended with {}, expected {code}:\n{}\n{}",
                arguments.join(" "),
                output.status,
                tail.join("\n"),
                erred.trim()
            );
        }
        Ok(said.into_owned())
    }

    /// Runs `holdfast`; it must succeed.
    pub fn holdfast(&self, arguments: &[&str]) -> Result<String> {
        self.holdfast_ends(arguments, 0)
    }

    /// Runs `holdfast --json`; it must succeed and print JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.holdfast(&[&["--json"], arguments].concat())?;
        serde_json::from_str(&text)
            .with_context(|| format!("`holdfast {}` printed no JSON", arguments.join(" ")))
    }

    /// Waits until `condition` holds, asking twice a second.
    pub fn until(
        &self,
        what: &str,
        patience: Duration,
        mut condition: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if condition()? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        bail!("waited {} s in vain until {what}", patience.as_secs());
    }

    /// Waits until every feed was read.
    pub fn await_feeds(&self) -> Result<()> {
        self.until("the feeds are read", Duration::from_secs(120), || {
            let feeds = self.json(&["feed", "list"])?;
            Ok(feeds
                .as_array()
                .is_some_and(|feeds| feeds.iter().all(|feed| feed["stale"] == Value::Bool(false))))
        })
    }

    /// The newest run of a server.
    pub fn newest_run(&self, server: &str) -> Result<Value> {
        let runs = self.json(&["run", "list", "--server", server])?;
        runs.get(0).cloned().with_context(|| format!("`{server}` has no run"))
    }

    /// The actions and outcomes of the trail about a server, oldest first.
    pub fn trail(&self, server: &str) -> Result<Vec<String>> {
        let lines = self.json(&["audit", "list", "--limit", "1000", "--target", server])?;
        let mut trail: Vec<String> = lines
            .as_array()
            .into_iter()
            .flatten()
            .map(|line| {
                let text = |name: &str| line["entry"][name].as_str().unwrap_or_default().to_owned();
                format!("{} {}", text("action"), text("outcome"))
            })
            .collect();
        trail.reverse();
        Ok(trail)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("the control plane of the trial could not be ended: {error:#}");
        }
        // After a failure the log and the database are wanted; hosts and bridges never are.
        let cleaned = self.command().args(["lab", "clean", "--here"]).output();
        if !cleaned.is_ok_and(|output| output.status.success()) {
            eprintln!("the lab of the trial could not be removed; `holdfast lab clean` does");
        }
        if std::thread::panicking() {
            return;
        }
        if std::env::var_os("HOLDFAST_KEEP_TRIALS").is_none() {
            let _ = std::fs::remove_dir_all(&self.data);
        }
    }
}
