//! `holdfast scan`: the same engine as the control plane's, without one. Keeps nothing and
//! changes nothing.
//!
//! Never says that nothing was found when no feed could have found it.

mod feeds;
mod subject;
mod table;
mod verdict;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use vulns::{
    ReleaseCoverage,
    report::{self, Report},
};

use self::{subject::Subject, verdict::FailOn};
use super::{CliError, Context};

/// What could not be scanned has an exit code of its own, so that it is never taken for
/// `--fail-on` having found something, nor for there being nothing.
const CANNOT_SCAN: u8 = 2;

/// Options of `holdfast scan`.
#[derive(Debug, Args)]
#[command(
    about = "Find what vulnerabilities touch a machine or an inventory, without a control plane",
    long_about = "Find what vulnerabilities touch a machine or an inventory, without a control plane.\n\n\
        Scans this machine unless an inventory or a package is named. Nothing is kept or changed.",
    after_long_help = "\
Examples:
  holdfast scan                                          this machine, feeds from the Internet
  holdfast scan --feeds /srv/feeds --format json         feeds from a directory
  holdfast scan --inventory status --release debian-12 --kernel 6.1.0-29-amd64
  ssh web-1 cat /var/lib/dpkg/status | holdfast scan --inventory - --release ubuntu-24.04
  holdfast scan --package openssl --installed-version 3.0.11-1 --release debian-12

Exit codes:
  0  scanned; with `--fail-on`, nothing of that kind was found
  1  `--fail-on` found something
  2  could not scan: an unreadable inventory, or no feed that speaks of the release"
)]
pub struct Scan {
    /// Read feeds from this directory instead of their public addresses. May be given
    /// several times: later ones add to and replace earlier ones.
    #[arg(long = "feeds", value_name = "DIR")]
    feeds: Vec<PathBuf>,
    #[command(flatten)]
    subject: subject::SubjectOptions,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// In the table, a line for each finding instead of one for each update.
    #[arg(long)]
    each: bool,
    /// Exit with 1 when a finding in effect is of this kind; may be given several times.
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    fail_on: Vec<FailOn>,
}

/// What a scan can print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One object with stable keys, each finding with its proof.
    Json,
    /// SARIF 2.1.0, for code hosts and editors.
    Sarif,
    /// OpenVEX 0.2.0.
    Openvex,
}

impl Scan {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> ExitCode {
        match self.scan(context).await {
            Ok(code) => code,
            Err(error) => {
                error.report(context.json);
                ExitCode::from(CANNOT_SCAN)
            }
        }
    }

    async fn scan(self, context: &Context) -> Result<ExitCode, CliError> {
        let subject = self.subject.read().await?;
        let feeds = feeds::read(self.feeds.clone()).await?;
        let coverage = feeds.index.coverage(&subject.host);
        if coverage.release != ReleaseCoverage::Covered {
            return Err(feeds.silent_about(subject.release, coverage.release).into());
        }
        verdict::must_be_decidable(&self.fail_on, &feeds.lines)?;
        subject.warn(&coverage);
        feeds.warn();
        let findings = report::one_each(&feeds.index.findings(&subject.host));
        let report = Report {
            tool_version: env!("CARGO_PKG_VERSION"),
            subject: &subject.name,
            scanned_at: Timestamp::now(),
            release: subject.release,
            kernel_running: subject.kernel_running(),
            feeds: &feeds.lines,
            coverage,
            findings: &findings,
        };
        self.print(context, &subject, &report)?;
        Ok(match verdict::reached(&self.fail_on, &findings) {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        })
    }

    fn print(&self, context: &Context, subject: &Subject, report: &Report<'_>) -> Result<(), CliError> {
        let format = if context.json && self.format == Format::Table { Format::Json } else { self.format };
        let document = match format {
            Format::Table => {
                table::print(subject, report, self.each);
                return Ok(());
            }
            Format::Json => Some(report::json::render(report)),
            Format::Sarif => Some(report::sarif::render(report)),
            Format::Openvex => report::openvex::render(report).transpose(),
        };
        match document.transpose().context("the report cannot be written")? {
            Some(text) => println!("{text}"),
            None => eprintln!("note: nothing was found, and OpenVEX has no document without a statement"),
        }
        Ok(())
    }
}
