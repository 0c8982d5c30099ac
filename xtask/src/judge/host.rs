//! The lab host that is judged, reached from outside.

use std::{
    fs::File,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A running lab host.
pub struct JudgedHost {
    holdfast: PathBuf,
    data: PathBuf,
    probe: Option<String>,
    /// Its name.
    pub name: String,
    /// Its IPv4 address.
    pub address: String,
    /// Its release, such as `Debian GNU/Linux 12 (bookworm)`.
    pub release: String,
    /// Its release's code name, such as `bookworm`.
    pub codename: String,
    /// Its release's number, such as `12`.
    pub version: String,
    /// True when it runs on this machine's kernel, as containers do.
    pub shares_kernel: bool,
    /// Where packages of its release are found.
    pub archive: String,
}

impl JudgedHost {
    /// Finds a host of the lab below `data`. With the number of a probe, SSH and TLS are
    /// looked at from that probe's address, as from an operator's.
    pub fn find(holdfast: PathBuf, data: &str, name: &str, probe: Option<&str>) -> Result<Self> {
        let data = PathBuf::from(data);
        let settings = data.join("lab/lab.json");
        let settings = std::fs::read_to_string(&settings)
            .with_context(|| format!("there is no lab in `{}`", data.display()))?;
        let settings: Value = serde_json::from_str(&settings)?;
        let mut host = Self {
            holdfast,
            data,
            probe: probe.map(str::to_owned),
            name: name.to_owned(),
            address: String::new(),
            release: String::new(),
            codename: String::new(),
            version: String::new(),
            shares_kernel: false,
            archive: settings["archives"]["debian"].as_str().context("the lab names no archive")?.to_owned(),
        };
        let listed: Value = serde_json::from_str(&text(host.lab(&["--json", "lab", "list"]).output()?)?)?;
        let known = listed.as_array().into_iter().flatten().find(|known| known["name"] == name);
        let known = known.with_context(|| format!("the lab has no host `{name}`"))?;
        host.address = known["ipv4"].as_str().context("the host has no address")?.to_owned();
        let about = host.exec(". /etc/os-release; echo \"$PRETTY_NAME\"; echo \"$VERSION_CODENAME\"; echo \"$VERSION_ID\"; systemd-detect-virt --container || true")?;
        let mut lines = about.lines().map(str::to_owned);
        host.release = lines.next().unwrap_or_default();
        host.codename = lines.next().unwrap_or_default();
        host.version = lines.next().unwrap_or_default();
        host.shares_kernel = lines.next().is_some_and(|kind| kind != "none");
        Ok(host)
    }

    fn lab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.holdfast);
        command.arg("--data").arg(&self.data).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a shell line as root inside, whatever comes of it.
    pub fn try_exec(&self, line: &str) -> Result<Output> {
        Ok(self.lab(&["lab", "exec", &self.name, "--", "/bin/sh", "-c", line]).output()?)
    }

    /// Runs a shell line as root inside; it must succeed.
    pub fn exec(&self, line: &str) -> Result<String> {
        text(self.try_exec(line)?).with_context(|| format!("`{line}` failed on `{}`", self.name))
    }

    /// Runs a shell line as root inside, with a file of this machine as its input.
    pub fn exec_with(&self, line: &str, input: File) -> Result<String> {
        let mut command = self.lab(&["lab", "exec", "--stdin", &self.name, "--", "/bin/sh", "-c", line]);
        text(command.stdin(input).output()?).with_context(|| format!("`{line}` failed on `{}`", self.name))
    }

    /// Runs a program of this machine where an operator would sit.
    pub fn outside(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let output = match &self.probe {
            Some(number) => {
                self.lab(&["lab", "probe", "--number", number, "--", program]).args(arguments).output()
            }
            None => Command::new(program).args(arguments).stdin(Stdio::null()).output(),
        };
        output.with_context(|| format!("cannot start `{program}`"))
    }
}

/// What a program printed, if it succeeded.
fn text(output: Output) -> Result<String> {
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
