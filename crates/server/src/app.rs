//! The control plane as one value: every service, put together.

use std::{net::IpAddr, os::unix::fs::DirBuilderExt, sync::Arc};

use anyhow::Context;
use axum::body::Bytes;
use base::{Clock, HostName, Problem, Sha256, SystemClock};
use providers::{
    VpsProvider,
    lab::{Lab, LabConfig},
};
use runs::{Engine, Hooks};

use crate::{
    access::Access,
    audit::{Actor, Audit, Outcome},
    certificates::{Acme, Certificates},
    config::Config,
    db,
    dns::Zones,
    exposure::{Acceptances, Exposure, Feeds},
    firewall::{FirewallSync, Firewalls},
    hosts::{
        Agents, Drifts, Enrolments, HttpsAgents, Inventories, LocalAgent, Origin, Outside, Provision,
        Provisioning, Regions, Servers, Watch, Welcome,
    },
    patching::{Keepsakes, Ledger, Patch, Patching, Reboot, Receipts, Resources, Rollback, RunTable},
    providers::Providers,
    secrets::Vault,
};

/// Every service of a control plane. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// What it was started with.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who may use it.
    pub access: Access,
    /// The trail.
    pub audit: Audit,
    /// The zones of DNS.
    pub zones: Zones,
    /// The certificates of servers.
    pub certificates: Certificates,
    /// The servers.
    pub servers: Servers,
    /// New servers.
    pub provisioning: Provisioning,
    /// Their agents.
    pub agents: Arc<dyn Agents>,
    /// Their inventories.
    pub inventories: Inventories,
    /// Their enrolment.
    pub enrolments: Enrolments,
    /// The regions.
    pub regions: Regions,
    /// Findings.
    pub exposure: Exposure,
    /// Feeds.
    pub feeds: Feeds,
    /// Firewalls.
    pub firewalls: Firewalls,
    /// What differs on hosts.
    pub drifts: Drifts,
    /// What was changed on them outside of runs.
    pub outside: Outside,
    /// Runs.
    pub patching: Patching,
    /// What the steps of runs reach.
    pub resources: Resources,
    /// How hosts find us.
    pub welcome: Arc<Welcome>,
}

/// What differs between a real control plane and one in a test.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Watches the moments of runs.
    pub hooks: Arc<dyn Hooks>,
    /// Instead of agents on real hosts.
    pub agents: Option<Arc<dyn Agents>>,
    /// Instead of the configured providers.
    pub providers: Option<Providers>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            hooks: crate::killpoints::from_environment(),
            agents: None,
            providers: None,
        }
    }
}

impl App {
    /// Opens the store and puts the services together. Starts nothing.
    pub async fn open(config: Config, parts: Parts) -> anyhow::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&config.data)
            .with_context(|| format!("cannot make the data directory `{}`", config.data.display()))?;
        let db = db::open_sqlite(&config.database())
            .await
            .with_context(|| format!("cannot open the database `{}`", config.database().display()))?;
        let vault = Vault::open(&config.master_key())?;
        let clock = parts.clock;
        let audit = Audit::new(
            db.clone(),
            clock.clone(),
            vault.key_for("chain the audit trail"),
            config.audit_head(),
        );
        let regions = Regions::new(db.clone(), vault.clone());
        let (providers, addresses) = match parts.providers {
            Some(providers) => (providers, vec![config.agent_listen.ip()]),
            None => providers_of(&config).await?,
        };
        let agent_program = read_agent(&config.agent_binary).await?;
        let welcome = Arc::new(Welcome {
            url: format!("https://{}", url_host(&addresses, config.agent_listen.port())),
            addresses: addresses.clone(),
            agent_sha256: Sha256::of(&agent_program),
            agent_program,
        });
        let servers = Servers::new(db.clone(), clock.clone());
        let acceptances = Acceptances::new(db.clone(), clock.clone(), audit.clone());
        let exposure = Exposure::new(db.clone(), clock.clone(), acceptances);
        let inventories = Inventories::new(db.clone(), clock.clone(), audit.clone(), exposure.clone());
        let firewalls =
            Firewalls::new(db.clone(), clock.clone(), audit.clone(), servers.clone(), &welcome.addresses);
        let enrolments = Enrolments::new(
            db.clone(),
            clock.clone(),
            audit.clone(),
            regions.clone(),
            vault.clone(),
            addresses,
        );
        let agents = parts.agents.unwrap_or_else(|| {
            Arc::new(HttpsAgents::new(regions.clone(), vault.clone(), Arc::new(LocalAgent)))
        });
        let runs = RunTable::new(db.clone());
        // The database is this process's alone (see `lock`), so whoever held a lease is gone.
        runs.release_all().await?;
        let resources = Resources {
            servers: servers.clone(),
            agents: agents.clone(),
            inventories: inventories.clone(),
            exposure: exposure.clone(),
            enrolments: enrolments.clone(),
            providers,
            ledger: Ledger::new(db.clone(), clock.clone()),
            audit: audit.clone(),
            receipts: Receipts::new(&vault, runs.clone()),
            runs: runs.clone(),
        };
        let drifts = Drifts::new(
            db.clone(),
            clock.clone(),
            audit.clone(),
            servers.clone(),
            agents.clone(),
            firewalls.clone(),
        );
        let outside = Outside::new(db.clone(), clock.clone(), audit.clone(), runs.clone());
        let provision =
            Provision { resources: resources.clone(), regions: regions.clone(), welcome: welcome.clone() };
        let engine = Arc::new(Engine::new(
            Arc::new(runs),
            clock.clone(),
            parts.hooks,
            base::SessionId::new().to_string(),
            vec![
                Arc::new(provision),
                Arc::new(Patch(resources.clone())),
                Arc::new(Reboot(resources.clone())),
                Arc::new(Rollback(resources.clone())),
            ],
        ));
        let patching = Patching::new(resources.clone(), engine);
        let zones = Zones::new(db.clone(), clock.clone(), audit.clone(), vault.clone());
        let acme = Acme::new(config.acme.clone(), db.clone(), vault)?;
        let certificates = Certificates::new(db.clone(), clock.clone(), audit.clone(), zones.clone(), acme);
        let feeds = Feeds::new(
            db.clone(),
            clock.clone(),
            audit.clone(),
            exposure.clone(),
            config.feeds.clone(),
            http_client()?,
            config.data.join("feeds"),
        );
        Ok(Self {
            access: Access::new(db, clock.clone(), audit.clone()),
            provisioning: Provisioning::new(
                servers.clone(),
                patching.clone(),
                resources.clone(),
                firewalls.clone(),
            ),
            config: Arc::new(config),
            clock,
            audit,
            zones,
            certificates,
            servers,
            agents,
            inventories,
            enrolments,
            regions,
            exposure,
            feeds,
            firewalls,
            drifts,
            outside,
            patching,
            resources,
            welcome,
        })
    }

    /// Adopts the machine that the control plane runs on, read-only: nothing on it is
    /// changed, and no run will ever touch it.
    pub async fn adopt_this_machine(&self) -> Result<(), Problem> {
        let known = self.servers.all().await?.into_iter().any(|server| server.origin == Origin::ThisMachine);
        if known {
            return Ok(());
        }
        let name = this_machine_name();
        self.audit
            .record(&Actor::System, "server.adopt", name.as_str(), Outcome::Begun, None, "read-only")
            .await?;
        self.servers.add(base::ServerId::new(), name, "none", Origin::ThisMachine).await.map(drop)
    }

    /// Keeps what is known of servers fresh.
    pub fn watch(&self) -> Watch {
        Watch {
            servers: self.servers.clone(),
            agents: self.agents.clone(),
            inventories: self.inventories.clone(),
            outside: self.outside.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Brings firewalls in line.
    pub fn firewall_sync(&self) -> FirewallSync {
        FirewallSync {
            firewalls: self.firewalls.clone(),
            agents: self.agents.clone(),
            providers: self.resources.providers.clone(),
            audit: self.audit.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Starts every reconciler and the engine. They end with the process.
    pub fn start(&self) {
        tokio::spawn(self.watch().serve());
        tokio::spawn(self.drifts.clone().serve());
        tokio::spawn(self.patching.engine().clone().serve(std::future::pending()));
        tokio::spawn(Keepsakes(self.resources.clone()).serve());
        tokio::spawn(self.clone().watch_acceptances());
        tokio::spawn(self.firewall_sync().serve());
        tokio::spawn(self.certificates.clone().serve());
        let (feeds, inventories) = (self.feeds.clone(), self.inventories.clone());
        tokio::spawn(async move {
            feeds.load().await;
            let judge = || async {
                if let Err(problem) = inventories.judge_all().await {
                    tracing::error!(%problem, "servers could not be judged by the new feeds");
                }
            };
            judge().await;
            feeds.serve(judge).await;
        });
    }
}

async fn providers_of(config: &Config) -> anyhow::Result<(Providers, Vec<IpAddr>)> {
    if !config.lab {
        return Ok((Providers::default(), vec![config.agent_listen.ip()]));
    }
    let lab = Lab::open(lab_config(config)?).await?;
    let (v4, v6) = lab.control_plane_addresses();
    let lab: Arc<dyn VpsProvider> = Arc::new(lab);
    Ok((Providers::new(vec![lab]), vec![v4.into(), v6.into()]))
}

/// Where labs keep images and downloaded packages (Filesystem Hierarchy Standard 5.5).
const LAB_CACHE: &str = "/var/cache/holdfast-lab";

/// The lab in the data directory of this control plane. Its two background processes are
/// this very program.
pub fn lab_config(config: &Config) -> anyhow::Result<LabConfig> {
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let mut lab = LabConfig::new(config.lab_state(), vec![program.into(), "lab".into(), "internal".into()]);
    // Images and packages outlive a lab: the next one starts in seconds.
    lab.cache_dir = std::env::var_os("HOLDFAST_LAB_CACHE").map_or_else(|| LAB_CACHE.into(), Into::into);
    lab.with_kernel = std::env::var_os("HOLDFAST_LAB_KERNEL").is_some();
    Ok(lab)
}

/// Host and port of the address that hosts use, IPv4 first: a lab host has both.
fn url_host(addresses: &[IpAddr], port: u16) -> String {
    match addresses.first() {
        Some(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Some(address) => format!("{address}:{port}"),
        None => format!("localhost:{port}"),
    }
}

/// The agent program. A control plane without one can still watch, so a missing one is
/// only said.
async fn read_agent(agent: &std::path::Path) -> anyhow::Result<Bytes> {
    match tokio::fs::read(agent).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tracing::warn!(agent = %agent.display(), "no agent program: hosts cannot be provisioned");
            Ok(Bytes::new())
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot read the agent program `{}`", agent.display()))
        }
    }
}

/// The client by which feeds are fetched.
pub fn http_client() -> anyhow::Result<reqwest::Client> {
    let mut roots = rustls::RootCertStore::empty();
    // A machine without certificates can still read feeds from directories.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(std::time::Duration::from_secs(10))
        .build()?;
    Ok(client)
}

/// The machine's own name, bent into one that we take.
fn this_machine_name() -> HostName {
    let found = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let first = found.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let plain: String =
        first.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-').collect();
    let plain = plain.trim_matches('-');
    let candidates = [plain.to_owned(), format!("host-{plain}"), "this-machine".to_owned()];
    match candidates.iter().find_map(|name| name.parse().ok()) {
        Some(name) => name,
        None => unreachable!("`this-machine` is a host name"),
    }
}
