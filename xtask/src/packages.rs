//! The Debian packages that the tasks need.

use anyhow::{Result, bail};

use crate::command;

/// What a lab of real hosts needs: a program on the path, or a file by its whole path, and its package.
pub const LAB: &[(&str, &str)] = &[
    ("systemd-nspawn", "systemd-container"),
    ("mmdebstrap", "mmdebstrap"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("apt-ftparchive", "apt-utils"),
    ("gpg", "gpg"),
    ("ip", "iproute2"),
    ("zstd", "zstd"),
];

/// What the trials need beside a lab.
pub const TRIALS: &[(&str, &str)] =
    &[("nmap", "nmap"), ("curl", "curl"), ("chromium", "chromium"), ("chromedriver", "chromium-driver")];

/// The name server and the CA that issue certificates in tests and trials, and what speaks with them.
pub const AUTHORITIES: &[(&str, &str)] = &[
    ("/usr/sbin/named", "bind9"),
    ("dig", "bind9-dnsutils"),
    ("pebble", "pebble"),
    ("setpriv", "util-linux"),
    ("openssl", "openssl"),
];

/// What judges a host from this machine.
pub const JUDGES: &[(&str, &str)] = &[("sslscan", "sslscan"), ("python3", "python3")];

/// What it takes to build libFuzzer.
pub const FUZZ: &[(&str, &str)] = &[("c++", "g++")];

/// What the benches are held against, and what it takes to build it.
pub const BENCHES: &[(&str, &str)] = &[("debsecan", "debsecan"), ("zstd", "zstd"), ("python3", "python3")];

/// What judges version order in the tests: dpkg's own library, told by its header.
pub const ORACLES: &[(&str, &str)] = &[("cc", "gcc"), ("/usr/include/dpkg/version.h", "libdpkg-dev")];

/// Those that are not installed.
pub fn missing(wanted: &[(&str, &'static str)]) -> Vec<&'static str> {
    wanted.iter().filter(|(program, _)| !command::exists(program)).map(|(_, package)| *package).collect()
}

/// Installs what is missing, as root; says what to install otherwise.
pub fn install(wanted: &[(&str, &'static str)]) -> Result<()> {
    install_named(&missing(wanted))
}

/// Installs packages by name, as root; says what to install otherwise.
pub fn install_named(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !command::is_root() {
        bail!("missing programs; as root: apt-get install {names}");
    }
    command::run("apt-get", &["-q", "update"])?;
    let mut arguments = vec!["-q", "-y", "--no-install-recommends", "install"];
    arguments.extend(missing);
    eprintln!("installing {names}");
    let status = std::process::Command::new("apt-get")
        .args(&arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()?;
    if !status.success() {
        bail!("apt-get could not install {names}");
    }
    Ok(())
}
