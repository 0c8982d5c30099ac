//! `holdfast-agent`, the program on every managed host. See the library for what its
//! parts do.

use std::process::ExitCode;

use agent::{Places, certificate, daemon, firewall, helper, install, jobs};
use clap::{Parser, Subcommand};
use wire::JobKey;

/// Observes and updates this host on behalf of its Holdfast control plane.
#[derive(Parser)]
#[command(name = "holdfast-agent", version)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Installs users, folders and systemd units, and starts them. Needs root.
    Install,
    /// Serves the control plane. Started by systemd.
    Daemon,
    /// Does as root what the daemon asks for. Started by systemd.
    Helper,
    /// Works on one job. Started by the helper.
    Job {
        /// The job's key.
        key: JobKey,
    },
    /// Puts the former firewall rules back, as nobody confirmed the new ones. Started by systemd.
    FormerFirewall {
        /// The job that set the new ones.
        set: JobKey,
    },
    /// Asks the control plane for this host's TLS certificate and puts it to use. Started by
    /// a timer. Needs root.
    Certificate,
    /// Passes one question about the certificate on, without privilege. Started by
    /// `certificate`.
    #[command(hide = true)]
    CertificateAsk,
    /// Prints what is observed on this host as JSON. Changes nothing.
    Inventory,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // journald adds time and colour is noise there.
    tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(std::io::stderr).init();
    let places = Places::default();
    let ended = match Arguments::parse().part {
        Part::Install => install::run(&places).await.map_err(|error| (1, daemon::chain(&error))),
        Part::Daemon => {
            daemon::run(&places).await.map_err(|error| (error.exit_code(), daemon::chain(&error)))
        }
        Part::Helper => helper::run(&places).await.map_err(|error| (1, daemon::chain(&error))),
        Part::Job { key } => jobs::work(&places, &key).await.map_err(|error| (1, daemon::chain(&error))),
        Part::FormerFirewall { set } => {
            firewall::run_out(&places, &set).await.map_err(|error| (1, daemon::chain(&error)))
        }
        Part::Certificate => {
            certificate::run(&places).await.map_err(|error| (error.exit_code(), daemon::chain(&error)))
        }
        Part::CertificateAsk => {
            certificate::pass_on(&places).await.map_err(|error| (error.exit_code(), daemon::chain(&error)))
        }
        Part::Inventory => print_inventory().await.map_err(|text| (1, text)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            tracing::error!("{text}");
            ExitCode::from(code)
        }
    }
}

async fn print_inventory() -> Result<(), String> {
    use std::io::Write;
    let inventory = agent::observe::inventory().await.map_err(|error| daemon::chain(&error))?;
    let text = serde_json::to_string_pretty(&inventory).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{text}").map_err(|error| error.to_string())
}
