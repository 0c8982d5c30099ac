//! `holdfast certificate …`

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use wire::{ServedProof, TlsService};

use super::{CliError, Context, client::Client, table};
use crate::{
    certificates::api::{CertificateView, Issued},
    dns::DnsName,
};

/// What can be done with certificates.
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// List the certificates of all servers.
    List,
    /// Show the certificate of one server.
    Show {
        /// The server's name.
        server: String,
    },
    /// Order a certificate for a server, or another one now. The host makes the key.
    Issue {
        /// The server's name.
        server: String,
        /// The zone for its name [default: the one it is in, or the first one].
        #[arg(long)]
        zone: Option<DnsName>,
        /// Which service shows it [default: what the server is for].
        #[arg(long, value_enum)]
        service: Option<ShownBy>,
    },
}

/// Which service shows a certificate.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ShownBy {
    /// Nginx on port 443.
    Nginx,
    /// PostgreSQL on port 5432.
    Postgresql,
    /// None that Holdfast reloads.
    None,
}

impl From<ShownBy> for TlsService {
    fn from(service: ShownBy) -> Self {
        match service {
            ShownBy::Nginx => Self::Nginx,
            ShownBy::Postgresql => Self::Postgresql,
            ShownBy::None => Self::None,
        }
    }
}

impl CertificateCommand {
    /// Runs the command.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let client = Client::open(context)?;
        match self {
            Self::List => list(context, &client.get::<Vec<CertificateView>>("/certificates").await?),
            Self::Show { server } => {
                show(context, &client.get(&format!("/servers/{server}/certificate")).await?)
            }
            Self::Issue { server, zone, service } => {
                let order = json!({ "zone": zone, "service": service.map(TlsService::from) });
                let issued: Issued = client.post(&format!("/servers/{server}/certificate"), order).await?;
                if context.json {
                    table::json(&issued);
                    return Ok(ExitCode::SUCCESS);
                }
                println!("Ordered for `{}`.", issued.certificate.certificate.name);
                match issued.host_not_told {
                    None => println!(
                        "`{server}` asks for it now; `holdfast certificate show {server}` tells how it goes."
                    ),
                    Some(why) => {
                        println!("`{server}` could not be told ({why}); it asks by itself twice a day.")
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(context: &Context, certificates: &[CertificateView]) {
    if context.json {
        table::json(certificates);
        return;
    }
    if certificates.is_empty() {
        println!("No certificates. `holdfast certificate issue SERVER` orders one.");
        return;
    }
    let rows: Vec<_> = certificates
        .iter()
        .map(|CertificateView { certificate, trouble }| {
            let day =
                |at: Option<jiff::Timestamp>| at.map_or("–".to_owned(), |at| at.strftime("%F").to_string());
            vec![
                certificate.host.clone(),
                certificate.name.to_string(),
                certificate.state.name().to_owned(),
                day(certificate.not_after),
                day(certificate.renew_at),
                shown(certificate.served.as_ref().and_then(|served| served.proof)).to_owned(),
                trouble.clone().unwrap_or_default(),
            ]
        })
        .collect();
    table::print(&["server", "name", "state", "until", "renewal", "shown", "trouble"], &rows);
}

fn shown(proof: Option<ServedProof>) -> &'static str {
    match proof {
        Some(ServedProof::Served) => "yes",
        Some(ServedProof::NotServed) => "no",
        Some(ServedProof::NotRunning) => "not running",
        Some(ServedProof::NoService) => "by nobody",
        None => "–",
    }
}

fn show(context: &Context, view: &CertificateView) {
    if context.json {
        table::json(view);
        return;
    }
    let certificate = &view.certificate;
    let moment = |at: Option<jiff::Timestamp>| at.map_or("–".to_owned(), |at| at.to_string());
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let served = certificate.served.as_ref();
    for (word, value) in [
        ("server", certificate.host.clone()),
        ("name", certificate.name.to_string()),
        ("zone", certificate.zone.to_string()),
        ("state", certificate.state.name().to_owned()),
        ("serial", text(&certificate.serial)),
        ("valid from", moment(certificate.not_before)),
        ("valid until", moment(certificate.not_after)),
        ("renewal", moment(certificate.renew_at)),
        (
            "installed serial",
            served.and_then(|served| served.serial.clone()).unwrap_or_else(|| "–".to_owned()),
        ),
        ("shown by its service", shown(served.and_then(|served| served.proof)).to_owned()),
        ("host asked", table::ago(served.map(|served| served.at))),
        ("failed attempts", certificate.attempts.to_string()),
        ("next attempt", moment(certificate.next_attempt_at)),
        ("trouble", text(&view.trouble)),
    ] {
        println!("{word:>20}  {value}");
    }
    if let Some(next) = certificate.fault.as_ref().and_then(|fault| fault.next.as_ref()) {
        println!("{:>20}  {next}", "hint");
    }
}
