//! `holdfast lab …`

use std::{
    path::PathBuf,
    process::{ExitCode, Stdio},
    sync::Arc,
};

use base::{HostName, Release};
use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use providers::{
    HostSpec, HostState, VpsProvider,
    lab::{self, Canary, Lab},
};
use serde_json::json;

use super::{CliError, Context, table, tour};
use crate::{app::lab_config, config::Config, exposure::FeedSource};

/// What can be done with the lab.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Make a host that no control plane knows: plain, as a cloud would hand it over.
    Create {
        /// Its name.
        name: HostName,
        /// Its operating system.
        #[arg(long, default_value = "debian-12")]
        release: Release,
        /// A file with cloud-init user-data.
        #[arg(long, value_name = "FILE")]
        user_data: Option<PathBuf>,
    },
    /// List the hosts.
    List,
    /// Destroy a host with its disk and snapshots.
    Destroy {
        /// Its name.
        name: HostName,
    },
    /// Remove every host, and everything else that labs have left on this machine.
    Clean {
        /// Only the lab of this data directory.
        #[arg(long)]
        here: bool,
    },
    /// List the disk snapshots of a host.
    Snapshots {
        /// The host.
        name: HostName,
    },
    /// Say what this machine lacks for a lab, and what an earlier one has left.
    Doctor,
    /// Go round the whole loop on a fresh host: found, patched, proven; then broken on
    /// purpose and rolled back. Needs a running control plane.
    Tour,
    /// Run a program as root inside a host.
    Exec {
        /// Give it the standard input of this command; it has none otherwise.
        #[arg(long)]
        stdin: bool,
        /// The host.
        name: HostName,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
    /// Cut a host's power, as if its plug were pulled; `start` brings it back.
    PowerCut {
        /// The host.
        name: HostName,
    },
    /// Start a host that is off.
    Start {
        /// The host.
        name: HostName,
    },
    /// Publish the package `lab-canary`, a small web server, as a security update.
    Canary {
        /// How it behaves.
        flavour: Flavour,
        /// Its version.
        #[arg(long, default_value = "1.1")]
        version: String,
        /// Withdraw every other package that was published before.
        #[arg(long)]
        replace: bool,
    },
    /// Run a program in a network namespace with an address of its own beside the hosts.
    Probe {
        /// Which of the probe addresses, 200 to 249.
        #[arg(long, default_value_t = 200)]
        number: u8,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
    /// The lab's own background processes.
    #[command(subcommand, hide = true)]
    Internal(Internal),
}

/// The two background processes.
#[derive(Debug, Subcommand)]
pub enum Internal {
    Mirror {
        #[arg(long)]
        state: PathBuf,
    },
    Supervise {
        #[arg(long)]
        state: PathBuf,
        name: HostName,
    },
}

/// Behaviours of the canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flavour {
    /// It works.
    Good,
    /// Configuring it fails.
    PostinstFails,
    /// Unpacking it fails.
    PreinstFails,
    /// It works, and asks for a reboot.
    NeedsReboot,
    /// It installs, but its service does not run.
    ServiceFails,
    /// It installs, but the host has no network after the next boot.
    BreaksAtReboot,
    /// Configuring it takes half a minute.
    Slow,
    /// It fills the disk.
    FillsDisk,
}

impl From<Flavour> for Canary {
    fn from(flavour: Flavour) -> Self {
        match flavour {
            Flavour::Good => Self::Good,
            Flavour::PostinstFails => Self::PostinstFails,
            Flavour::PreinstFails => Self::PreinstFails,
            Flavour::NeedsReboot => Self::NeedsReboot,
            Flavour::ServiceFails => Self::ServiceFails,
            Flavour::BreaksAtReboot => Self::BreaksAtReboot,
            Flavour::Slow => Self::SlowPostinst { seconds: 30 },
            Flavour::FillsDisk => Self::FillsDisk,
        }
    }
}

/// The lab of this data directory, its image builds shown as a progress bar.
pub async fn open(context: &Context) -> Result<Lab, CliError> {
    let config = Config {
        data: context.data.clone(),
        listen: ([127, 0, 0, 1], 0).into(),
        agent_listen: ([127, 0, 0, 1], 0).into(),
        feeds: FeedSource::Public.into(),
        agent_binary: PathBuf::new(),
        lab: true,
        acme: crate::certificates::AcmeConfig::default(),
    };
    let mut settings = lab_config(&config)?;
    let bar = if context.json { ProgressBar::hidden() } else { ProgressBar::new(100) };
    let style = ProgressStyle::with_template("{bar:30} {pos:>3}%  {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    settings.progress = Some(Arc::new(move |progress: lab::Progress| {
        bar.set_position(progress.percent.into());
        bar.set_message(progress.message);
        if progress.percent == 100 {
            bar.finish_and_clear();
        }
    }));
    Ok(Lab::open(settings).await?)
}

impl LabCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Create { name, release, user_data } => {
                let user_data = match user_data {
                    Some(file) => std::fs::read_to_string(file)?,
                    None => "#cloud-config\n".to_owned(),
                };
                let host = open(context).await?.create(&HostSpec { name, release, user_data }).await?;
                match context.json {
                    true => table::json(&host),
                    false => println!("`{}` runs at {} and {}", host.name, host.ipv4, host.ipv6),
                }
            }
            Self::List => list(context, &open(context).await?.list().await?),
            Self::Destroy { name } => {
                open(context).await?.destroy(&name).await?;
                if !context.json {
                    println!("`{name}` is destroyed.");
                }
            }
            Self::Clean { here: true } => lab::clean(&context.data.join("lab")).await?,
            Self::Clean { here: false } => {
                let cleaned = lab::clean_all().await?;
                match context.json {
                    true => table::json(&cleaned.iter().map(|lab| lab.as_str()).collect::<Vec<_>>()),
                    false => println!("{} labs were removed from this machine.", cleaned.len()),
                }
            }
            Self::Snapshots { name } => snapshots(context, &open(context).await?.snapshots(&name).await?),
            Self::Doctor => return doctor(context),
            Self::Tour => return tour::run(context).await,
            Self::Exec { name, argv, stdin } => {
                let input = if stdin { Stdio::inherit() } else { Stdio::null() };
                let output = open(context).await?.exec_with_input(&name, argv, input).await?;
                return Ok(pass_on(&output));
            }
            Self::PowerCut { name } => open(context).await?.power_cut(&name).await?,
            Self::Start { name } => open(context).await?.start(&name).await?,
            Self::Canary { flavour, version, replace } => {
                let repo = open(context).await?.repo();
                if replace {
                    repo.clear().await?;
                }
                repo.publish(&[Canary::from(flavour).package(&version)]).await?;
            }
            Self::Probe { number, argv } => {
                let probe = open(context).await?.probe(number).await?;
                return Ok(pass_on(&probe.run(argv).await?));
            }
            Self::Internal(Internal::Mirror { state }) => lab::serve_mirror(&state).await?,
            Self::Internal(Internal::Supervise { state, name }) => lab::supervise(&state, &name).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints what a program printed and ends as it ended.
fn pass_on(output: &lab::Output) -> ExitCode {
    print!("{}", output.stdout);
    eprint!("{}", output.stderr);
    ExitCode::from(output.code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn list(context: &Context, hosts: &[providers::Host]) {
    if context.json {
        table::json(hosts);
        return;
    }
    if hosts.is_empty() {
        println!(
            "No hosts. `holdfast lab create NAME` makes a plain one, `holdfast server provision NAME` a managed one."
        );
        return;
    }
    let rows: Vec<_> = hosts
        .iter()
        .map(|host| {
            let state = match host.state {
                HostState::Running => "running",
                HostState::Stopped => "stopped",
                HostState::Changing => "changing",
            };
            vec![
                host.name.to_string(),
                host.release.to_string(),
                state.to_owned(),
                host.ipv4.to_string(),
                host.ipv6.to_string(),
                table::ago(Some(host.created_at)),
            ]
        })
        .collect();
    table::print(&["name", "release", "state", "IPv4", "IPv6", "made"], &rows);
}

fn snapshots(context: &Context, snapshots: &[providers::Snapshot]) {
    if context.json {
        table::json(snapshots);
        return;
    }
    let row =
        |snapshot: &providers::Snapshot| vec![snapshot.name.to_string(), table::ago(Some(snapshot.taken_at))];
    table::print(&["snapshot", "taken"], &snapshots.iter().map(row).collect::<Vec<_>>());
}

fn doctor(context: &Context) -> Result<ExitCode, CliError> {
    let found = lab::doctor(&context.data.join("lab"));
    let word = |severity| match severity {
        lab::Severity::Blocks => "blocks",
        lab::Severity::Degrades => "degrades",
        lab::Severity::Leftover => "left over",
    };
    if context.json {
        let found: Vec<_> = found
            .iter()
            .map(|finding| json!({ "severity": word(finding.severity), "what": finding.what, "hint": finding.hint }))
            .collect();
        table::json(&found);
    } else if found.is_empty() {
        println!("This machine is ready for a lab, and nothing is left of an earlier one.");
    } else {
        for finding in &found {
            println!("{:>9}: {}\n           {}", word(finding.severity), finding.what, finding.hint);
        }
    }
    let blocked = found.iter().any(|finding| finding.severity == lab::Severity::Blocks);
    Ok(if blocked { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
