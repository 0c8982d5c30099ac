//! `holdfast up`: the control plane on this machine.

use std::{
    fs::File,
    net::{Ipv6Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use base::Redacted;
use clap::Args;
use nix::fcntl::{Flock, FlockArg};
use tokio::net::TcpListener;
use vulns::FeedKind;

use super::{CliError, Context, client, client::Client, table};
use crate::{
    access,
    app::{App, Parts},
    audit::Actor,
    certificates::{AcmeConfig, LETS_ENCRYPT},
    config::Config,
    exposure::{FeedSource, FeedSources},
    http,
};

/// Who the first sign-in link is for.
const FIRST_OPERATOR: &str = "operator";

/// Options of `holdfast up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Read feeds from this directory instead of their public addresses. May be given
    /// several times: later ones add to and replace earlier ones.
    #[arg(long = "feeds", value_name = "DIR")]
    feeds: Vec<PathBuf>,
    /// Read one feed from elsewhere: `nvd=https://mirror.example/nvd` or `epss=DIR`. May be
    /// given once for each feed; `holdfast feed list` shows their names.
    #[arg(long = "feed", value_name = "NAME=SOURCE", value_parser = own_source)]
    own_feeds: Vec<(FeedKind, FeedSource)>,
    /// A file with the key for NVD's API, which lets it be asked ten times as often.
    #[arg(long, value_name = "FILE")]
    nvd_key_file: Option<PathBuf>,
    /// Where pages and API are served.
    #[arg(long, default_value = "127.0.0.1:8420")]
    listen: SocketAddr,
    /// The port at which hosts enrol and fetch their agent.
    #[arg(long, default_value_t = 8443)]
    agent_port: u16,
    /// The directory of the CA (ACME) that signs the certificates of servers. With the first
    /// order an account is made there, which agrees to the CA's terms of service.
    #[arg(long, value_name = "URL", default_value = LETS_ENCRYPT)]
    acme_directory: String,
    /// A file with root certificates (PEM) that the CA's own address is checked by, beside
    /// those of this machine.
    #[arg(long, value_name = "FILE")]
    acme_root: Option<PathBuf>,
    /// Whom the CA may write to, such as `mailto:ops@example.org`.
    #[arg(long, value_name = "ADDRESS")]
    acme_contact: Option<String>,
    /// The certificate profile to order, where the CA has several.
    #[arg(long, value_name = "NAME")]
    acme_profile: Option<String>,
    /// Do not offer hosts on this machine, even as root.
    #[arg(long)]
    no_lab: bool,
    /// The agent program that hosts fetch [default: `holdfast-agent` beside this program].
    #[arg(long, value_name = "FILE")]
    agent_binary: Option<PathBuf>,
    /// Stop when standard input ends, as when the program that started this one dies.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

impl Up {
    /// Where feeds are read from.
    fn sources(&self) -> Result<FeedSources, CliError> {
        if let Some(folder) = self.feeds.iter().find(|folder| !folder.is_dir()) {
            let folder = folder.display();
            return Err(anyhow::anyhow!("`{folder}` is not a directory; `--feeds` takes one").into());
        }
        let all = FeedSources::from(FeedSource::of(self.feeds.clone()));
        let sources = self.own_feeds.iter().cloned().fold(all, |all, (kind, own)| all.with(kind, own));
        let Some(file) = &self.nvd_key_file else { return Ok(sources) };
        let key = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the key for NVD from `{}`", file.display()))?;
        Ok(sources.with_nvd_key(Redacted::new(key.trim().to_owned())))
    }

    /// Starts the control plane and serves until it is told to stop.
    pub async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let _lock = lock(context)?;
        let feeds = self.sources()?;
        let pages = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another with `--listen`", self.listen))?;
        let lab = self.lab();
        let door = match &lab {
            Ok(()) => {
                let every = SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.agent_port));
                let bound = TcpListener::bind(every).await;
                Some(bound.with_context(|| {
                    format!("cannot listen on port {}; choose another with `--agent-port`", self.agent_port)
                })?)
            }
            Err(_) => None,
        };
        let beside = std::env::current_exe().context("cannot tell where this program lies")?;
        let agent_listen = match &door {
            Some(door) => door.local_addr().context("cannot tell the port that hosts use")?,
            None => SocketAddr::from((Ipv6Addr::LOCALHOST, self.agent_port)),
        };
        let config = Config {
            data: context.data.clone(),
            listen: pages.local_addr().context("cannot tell the address of the pages")?,
            agent_listen,
            feeds,
            agent_binary: self
                .agent_binary
                .clone()
                .unwrap_or_else(|| beside.with_file_name("holdfast-agent")),
            lab: lab.is_ok(),
            acme: AcmeConfig {
                directory: self.acme_directory.clone(),
                root: self.acme_root.clone(),
                contact: self.acme_contact.clone(),
                profile: self.acme_profile.clone(),
            },
        };
        let app = App::open(config, Parts::default()).await?;
        app.adopt_this_machine().await?;
        let token = app.access.issue_command_line(FIRST_OPERATOR).await?;
        client::leave(&app.config.command_line(), app.config.listen, token.reveal())?;
        let link = app.access.issue_link(&Actor::System, FIRST_OPERATOR).await?;
        app.start();
        self.greet(&app, link.reveal(), &lab);
        let door = async {
            match door {
                Some(door) => http::serve_door(app.clone(), door).await.map_err(CliError::from),
                None => std::future::pending().await,
            }
        };
        let routes = http::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::select! {
            served = axum::serve(pages, routes) => served.context("the pages can no longer be served")?,
            served = door => served?,
            () = told_to_stop(self.until_stdin_closes) => eprintln!("Stopped. Runs that are open go on at the next start."),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn lab(&self) -> Result<(), String> {
        if self.no_lab {
            return Err("switched off".to_owned());
        }
        if !nix::unistd::Uid::effective().is_root() {
            return Err("needs root".to_owned());
        }
        let state = std::path::Path::new("/nonexistent");
        let blocking = providers::lab::doctor(state)
            .into_iter()
            .find(|finding| finding.severity == providers::lab::Severity::Blocks);
        match blocking {
            Some(finding) => Err(format!("{}; {}", finding.what, finding.hint)),
            None => Ok(()),
        }
    }

    fn greet(&self, app: &App, link: &str, lab: &Result<(), String>) {
        let pages = format!("http://{}", app.config.listen);
        println!("Holdfast {}", env!("CARGO_PKG_VERSION"));
        println!("  sign in  {pages}/sign-in?link={link}");
        println!("           works once, within 15 minutes; `holdfast sign-in` prints another");
        println!("  data     {}", app.config.data.display());
        if !app.config.listen.ip().is_loopback() {
            eprintln!(
                "warning: pages are served without TLS on {}; put a proxy with TLS in front",
                app.config.listen
            );
        }
        app.config.feeds.describe().iter().for_each(|source| println!("  feeds    {source}"));
        match lab {
            Ok(()) => println!("  lab      `holdfast lab tour` shows the whole loop on a real host"),
            Err(why) => println!("  lab      not available: {why}"),
        }
    }
}

/// `NAME=SOURCE`: a feed, and the address or directory it is read from.
fn own_source(text: &str) -> Result<(FeedKind, FeedSource), String> {
    let (name, source) = text.split_once('=').ok_or("write `NAME=ADDRESS` or `NAME=DIRECTORY`")?;
    let kind: FeedKind = name.parse().map_err(|error: vulns::UnknownFeed| error.to_string())?;
    if source.starts_with("https://") || source.starts_with("http://") {
        return Ok((kind, FeedSource::Mirror(source.trim_end_matches('/').to_owned())));
    }
    let folder = PathBuf::from(source);
    match folder.is_dir() {
        true => Ok((kind, FeedSource::Directories(vec![folder]))),
        false => Err(format!("`{source}` is neither a web address nor a directory")),
    }
}

/// One control plane per data directory: two would carry the same runs.
fn lock(context: &Context) -> Result<Flock<File>, CliError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&context.data)
        .with_context(|| format!("cannot make the data directory `{}`", context.data.display()))?;
    let path = context.data.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        anyhow::anyhow!(
            "another control plane runs on `{}`; stop it, or name another directory with `--data`",
            context.data.display()
        )
        .into()
    })
}

async fn told_to_stop(until_stdin_closes: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    let input_ends = async {
        if !until_stdin_closes {
            return std::future::pending().await;
        }
        // Anything but an end or an error is not for us.
        let drain = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = tokio::task::spawn_blocking(drain).await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = input_ends => {}
    }
}

/// `holdfast sign-in`: another link.
pub async fn sign_in(context: &Context) -> Result<ExitCode, CliError> {
    let client = Client::open(context)?;
    let link: access::api::Link = client.post("/sign-in-links", serde_json::Value::Null).await?;
    let address = format!("{}{}", client.pages(), link.path);
    if context.json {
        table::json(&serde_json::json!({ "address": address }));
    } else {
        println!("{address}\nworks once, within 15 minutes");
    }
    Ok(ExitCode::SUCCESS)
}
