//! A host of a trial, seen from inside.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use super::stage::Stage;

/// A provisioned host.
pub struct Host<'a> {
    /// Its control plane.
    pub stage: &'a Stage,
    /// Its name.
    pub name: &'static str,
}

/// Everything of a host that a rollback must bring back, list by list.
const PICTURE: &[(&str, &str)] = &[
    ("packages and states", "dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package} ${Version}\\n'"),
    ("automatic marks", "apt-mark showauto | sort"),
    ("manual marks", "apt-mark showmanual | sort"),
    ("holds", "apt-mark showhold | sort"),
    ("conffiles", "dpkg-query -W -f '${Package} ${Conffiles}\\n' | grep -v ' newconffile$'"),
    ("dpkg --verify", "dpkg --verify || true"),
    ("dpkg --audit", "dpkg --audit"),
    ("diversions", "dpkg-divert --list | sort"),
    // The named few: caches and databases that are rebuilt, lists whose order means nothing, logs, and
    // what a boot or a clock writes anew.
    (
        "files",
        "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp \
         -o -path /var/log -o -path /var/cache/apt -o -path /var/lib/apt -o -path /var/lib/holdfast-agent \
         -o -path /var/lib/systemd -o -path /var/lib/cloud -o -path /etc/holdfast-agent -o -path /root/.cache \
         -o -path /var/cache/ldconfig -o -path /var/lib/dbus -o -path /var/lib/aide -o -path /var/lib/private \\) -prune -o -type f \
         ! -name '*-old' ! -path /var/lib/dpkg/triggers/File ! -path /var/lib/dpkg/lock ! -path '/var/lib/dpkg/lock*' \
         ! -path /var/cache/debconf/'*-old' ! -name '*.pyc' ! -path /etc/ld.so.cache ! -path /etc/resolv.conf \
         ! -path /var/lib/dpkg/status ! -path '/var/lib/dpkg/available*' -print0 | sort -z | xargs -0 sha256sum",
    ),
    (
        "types, modes and owners",
        "find /etc /usr /boot /opt /srv -xdev ! -name '*.pyc' ! -name __pycache__ ! -name '*-old' \
         ! -path '/etc/holdfast-agent*' ! -path /etc/ld.so.cache ! -path /etc/resolv.conf \
         -printf '%y %m %u %g %p %l\\n' | sort",
    ),
];

impl<'a> Host<'a> {
    /// Provisions a host with these further options, and gives it a small web server with
    /// a probe.
    pub fn provision(stage: &'a Stage, name: &'static str, options: &[&str]) -> Result<Self> {
        stage.holdfast(&[&["server", "provision", name], options].concat())?;
        Ok(Self { stage, name })
    }

    /// Installs the canary in version 1.0 and sets a probe on it.
    pub fn add_canary(&self) -> Result<()> {
        self.stage.holdfast(&["lab", "canary", "good", "--version", "1.0"])?;
        self.exec("apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install lab-canary")?;
        self.stage.holdfast(&["server", "probes", self.name, "--http-port", "9100"]).map(drop)
    }

    /// Runs a shell line as root inside; it must succeed.
    pub fn exec(&self, line: &str) -> Result<String> {
        let output = self.try_exec(line)?;
        if !output.status.success() {
            bail!("`{line}` failed on `{}`: {}", self.name, String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a shell line as root inside, whatever comes of it.
    pub fn try_exec(&self, line: &str) -> Result<std::process::Output> {
        self.stage.try_holdfast(&["lab", "exec", self.name, "--", "/bin/sh", "-c", line])
    }

    /// What the control plane knows of it.
    pub fn known(&self) -> Result<Value> {
        self.stage.json(&["server", "show", self.name])
    }

    /// Its boot's identity.
    pub fn boot_id(&self) -> Result<String> {
        Ok(self.exec("cat /proc/sys/kernel/random/boot_id")?.trim().to_owned())
    }

    /// Every list of [`PICTURE`].
    pub fn picture(&self) -> Result<Vec<(&'static str, String)>> {
        PICTURE.iter().map(|(list, line)| Ok((*list, self.exec(line)?))).collect()
    }

    /// Fails with the first differences if the host is not as in this picture.
    pub fn must_be(&self, before: &[(&'static str, String)]) -> Result<()> {
        let mut faults = Vec::new();
        for ((list, was), (_, is)) in before.iter().zip(self.picture()?) {
            if *was != is {
                let (was, is): (Vec<_>, Vec<_>) = (was.lines().collect(), is.lines().collect());
                let gone =
                    was.iter().filter(|line| !is.contains(line)).take(5).map(|line| format!("- {line}"));
                let new =
                    is.iter().filter(|line| !was.contains(line)).take(5).map(|line| format!("+ {line}"));
                faults.push(format!("{list}:\n    {}", gone.chain(new).collect::<Vec<_>>().join("\n    ")));
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        bail!("`{}` is not the former host.\n  {}", self.name, faults.join("\n  "));
    }

    /// Waits until its agent answers again.
    pub fn await_agent(&self) -> Result<()> {
        self.stage.until("the agent answers", Duration::from_secs(90), || {
            Ok(self.stage.try_holdfast(&["server", "refresh", self.name])?.status.success())
        })
    }
}
