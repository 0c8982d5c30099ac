//! What is scanned: this machine, an inventory in a file, or one package.

use std::{io::Read as _, path::PathBuf};

use anyhow::Context as _;
use base::{Problem, Release};
use clap::Args;
use vulns::{Coverage, HostPackages, KernelCoverage, RunningKernel, inventory};

use crate::{cli::CliError, exposure::host_packages};

/// Options that name what is scanned.
#[derive(Debug, Args)]
pub struct SubjectOptions {
    /// Read this inventory: a dpkg status file, or tab-separated rows whose first line names the
    /// release, the kernel and the columns; plain or compressed. `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["this_machine", "package"])]
    inventory: Option<PathBuf>,
    /// Scan the machine that this runs on, which is the default.
    #[arg(long, conflicts_with_all = ["release", "kernel", "package"])]
    this_machine: bool,
    /// The release of the inventory: `debian-11|12|13` or `ubuntu-20.04|22.04|24.04|26.04`. Needed
    /// where the inventory does not name it.
    #[arg(long)]
    release: Option<Release>,
    /// The kernel that runs, as `uname -r` prints it, or the version of its package. Without it, the
    /// newest installed kernel of a dpkg status file stands for the one that runs.
    #[arg(long, value_name = "VERSION", requires = "inventory")]
    kernel: Option<String>,
    /// Ask about a single source package, such as `openssl`. Needs `--installed-version`, and
    /// `--release` for another release than this machine's.
    #[arg(long, value_name = "NAME", requires = "installed_version")]
    package: Option<String>,
    /// The version of that package.
    #[arg(long, value_name = "VERSION", requires = "package")]
    installed_version: Option<String>,
}

/// What is scanned.
pub struct Subject {
    /// In words.
    pub name: String,
    pub release: Release,
    pub host: HostPackages,
    /// The single package that was asked about.
    package: Option<String>,
}

impl SubjectOptions {
    /// Reads it.
    pub async fn read(&self) -> Result<Subject, CliError> {
        match (&self.package, &self.inventory) {
            (Some(name), _) => self.of_package(name),
            (None, Some(path)) => self.of_file(path),
            (None, None) if self.release.is_some() => Err(Problem::new(
                "scan.release_without_inventory",
                "`--release` says nothing about this machine",
            )
            .next("name an inventory with `--inventory`, or leave `--release` out")
            .into()),
            (None, None) => of_this_machine().await,
        }
    }

    fn of_package(&self, name: &str) -> Result<Subject, CliError> {
        let version = self.installed_version.as_deref().unwrap_or_default();
        let release = match self.release {
            Some(release) => release,
            None => release_of_this_machine()?,
        };
        let host = HostPackages::of_package(release, name, version);
        Ok(Subject { name: format!("{name} {version}"), release, host, package: Some(name.to_owned()) })
    }

    fn of_file(&self, path: &PathBuf) -> Result<Subject, CliError> {
        let stdin = path.as_os_str() == "-";
        let name = if stdin { "standard input".to_owned() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let limit = inventory::BYTES_MAX + 1;
        let read = if stdin {
            std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
        } else {
            std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
        };
        read.with_context(|| format!("cannot read the inventory `{name}`"))?;
        let mut host = inventory::read(&bytes)
            .with_context(|| format!("`{name}` is not an inventory that can be scanned"))?;
        let release = match (host.release, self.release) {
            (Some(told), Some(asked)) if told != asked => {
                return Err(Problem::new(
                    "scan.release_mismatch",
                    format!("`{name}` is of {told}, not of {asked}"),
                )
                .next("leave `--release` out, or name the right one")
                .into());
            }
            (told, asked) => asked.or(told).ok_or_else(|| {
                Problem::new("scan.release_unknown", format!("`{name}` does not name its release"))
                    .next("add `--release`, such as `--release debian-12`")
            })?,
        };
        host.release = Some(release);
        if let Some(kernel) = &self.kernel {
            host.kernel = RunningKernel::named(kernel, release, &host.packages);
        }
        Ok(Subject { name, release, host, package: None })
    }
}

async fn of_this_machine() -> Result<Subject, CliError> {
    let inventory = agent::observe::inventory().await.context("cannot observe this machine")?;
    let host = host_packages(&inventory);
    let release = host.release.ok_or_else(|| {
        Problem::new("scan.release_unknown", "this machine's release is not one that is known")
            .found(format!("`{}` in /etc/os-release", inventory.os.pretty_name))
            .next("known are Debian and Ubuntu releases; see `--release` in `holdfast scan --help`")
    })?;
    Ok(Subject { name: "this machine".to_owned(), release, host, package: None })
}

fn release_of_this_machine() -> Result<Release, CliError> {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    let release = Release::from_os_release(&field("ID"), &field("VERSION_ID"));
    Ok(release.ok_or_else(|| {
        Problem::new("scan.release_unknown", "this machine's release is not one that is known")
            .next("add `--release`, such as `--release debian-12`")
    })?)
}

impl Subject {
    /// The kernel that runs, as far as it is known.
    pub fn kernel_running(&self) -> Option<&str> {
        let kernel = &self.host.kernel;
        let release = Some(kernel.release.as_str()).filter(|release| !release.is_empty());
        release.or(kernel.package_version.as_deref())
    }

    /// Says what could make a reader believe more than was found.
    pub fn warn(&self, coverage: &Coverage) {
        if let Some(name) = &self.package {
            if coverage.sources_named == 0 {
                eprintln!(
                    "warning: no feed names a source package `{name}` in {}; feeds list source packages, such as `openssl` for `libssl3`",
                    self.release
                );
            }
            return;
        }
        if coverage.kernel == KernelCoverage::Unknown {
            match self.kernel_running() {
                Some(kernel) => eprintln!(
                    "warning: the running kernel {kernel} is none of the inventory's packages; the newest installed one stands for it"
                ),
                None => eprintln!(
                    "warning: which kernel runs is not known, so the newest installed one stands for it; `--kernel` names it"
                ),
            }
        }
    }
}
