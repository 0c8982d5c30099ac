//! The command line: `holdfast <noun> <verb>`, with `--json` everywhere.
//!
//! Commands talk to the running control plane of this machine over its API; `scan`, `audit
//! verify`, `audit export` and `receipt verify` read files and need none.

mod acceptance;
mod audit;
mod certificate;
mod client;
mod dns;
mod error;
mod feed;
mod finding;
mod firewall;
mod follow;
mod lab;
mod receipt;
mod run;
mod scan;
mod server;
mod table;
mod tour;
mod up;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

pub use error::CliError;

use crate::config::default_data_dir;

/// Finds what touches your servers, patches them, and proves it.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, about, max_term_width = 100)]
pub struct Cli {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Data directory [default: /var/lib/holdfast for root, ~/.local/share/holdfast otherwise].
    #[arg(long, global = true, env = "HOLDFAST_DATA")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the control plane on this machine.
    Up(up::Up),
    /// Find what vulnerabilities touch a machine or an inventory, without a control plane.
    Scan(scan::Scan),
    /// Print a new sign-in link.
    SignIn,
    /// Servers: list, show, provision, patch, reboot, roll back.
    #[command(subcommand)]
    Server(server::ServerCommand),
    /// Runs: list, show, follow, resume, cancel.
    #[command(subcommand)]
    Run(run::RunCommand),
    /// Findings: what vulnerabilities touch a server, and which risks are accepted.
    #[command(subcommand)]
    Finding(finding::FindingCommand),
    /// Vulnerability feeds: list, refresh.
    #[command(subcommand)]
    Feed(feed::FeedCommand),
    /// Firewalls: from where the control plane calls, and bringing hosts in line.
    #[command(subcommand)]
    Firewall(firewall::FirewallCommand),
    /// TLS certificates of servers: list, show, issue.
    #[command(subcommand)]
    Certificate(certificate::CertificateCommand),
    /// Zones of DNS, in which names are proven to be yours.
    #[command(subcommand)]
    Dns(dns::DnsCommand),
    /// The audit trail: list, verify, export.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Receipts of runs: show, verify.
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
    /// Real Debian hosts on this machine, for trying things out.
    #[command(subcommand)]
    Lab(lab::LabCommand),
}

/// What every command needs.
pub struct Context {
    /// Print JSON.
    pub json: bool,
    /// The data directory.
    pub data: PathBuf,
}

/// Runs the command line.
pub async fn main(cli: Cli) -> ExitCode {
    let context = Context { json: cli.json, data: cli.data.unwrap_or_else(default_data_dir) };
    let outcome = match cli.command {
        Command::Up(up) => up.run(&context).await,
        Command::Scan(scan) => Ok(scan.run(&context).await),
        Command::SignIn => up::sign_in(&context).await,
        Command::Server(command) => command.run(&context).await,
        Command::Run(command) => command.run(&context).await,
        Command::Finding(command) => command.run(&context).await,
        Command::Feed(command) => command.run(&context).await,
        Command::Firewall(command) => command.run(&context).await,
        Command::Certificate(command) => command.run(&context).await,
        Command::Dns(command) => command.run(&context).await,
        Command::Audit(command) => command.run(&context).await,
        Command::Receipt(command) => command.run(&context).await,
        Command::Lab(command) => command.run(&context).await,
    };
    outcome.unwrap_or_else(|error| error.report(context.json))
}
