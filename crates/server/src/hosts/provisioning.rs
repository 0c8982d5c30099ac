//! Ordering new servers.

use base::{HostName, Problem, Release, RunId, ServerId};
use baseline::{Baseline, Description, Network, Service, SshPublicKey, Tenancy};
use serde::{Deserialize, Serialize};

use super::{Origin, ProvisionPlan, Servers, provision::Provision};
use crate::{
    audit::{Actor, Outcome},
    firewall::Firewalls,
    patching::{Keepsake, Patching, Resources},
    providers::provider_problem,
};

/// What an operator asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The server's name.
    pub name: HostName,
    /// The provider; `lab` for a host on this machine.
    pub provider: String,
    /// Its operating system.
    pub release: Release,
    /// What it is for.
    pub service: Service,
    /// From where operators may sign in by SSH.
    #[serde(default)]
    pub admin_networks: Vec<Network>,
    /// How many tenants share it.
    #[serde(default)]
    pub tenancy: Tenancy,
    /// From where tenants reach PostgreSQL.
    #[serde(default)]
    pub tenant_networks: Vec<Network>,
    /// Who may sign in as root.
    #[serde(default)]
    pub operator_keys: Vec<SshPublicKey>,
    /// An IANA zone.
    #[serde(default = "utc")]
    pub time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Whether a zone is one of those on this machine. A machine that has none cannot tell.
fn is_known_zone(name: &str) -> bool {
    let zones = jiff::tz::db();
    name == "UTC" || zones.is_definitively_empty() || zones.get(name).is_ok()
}

/// Takes orders.
#[derive(Clone)]
pub struct Provisioning {
    servers: Servers,
    patching: Patching,
    resources: Resources,
    firewalls: Firewalls,
}

impl Provisioning {
    /// Takes orders for these providers.
    pub fn new(servers: Servers, patching: Patching, resources: Resources, firewalls: Firewalls) -> Self {
        Self { servers, patching, resources, firewalls }
    }

    /// Starts a provision run. The same name never makes two hosts.
    pub async fn order(&self, actor: &Actor, order: Order) -> Result<RunId, Problem> {
        let provider = self.resources.providers.get(&order.provider)?;
        let addresses = self.firewalls.addresses().await?.addresses;
        let description = Description {
            host: order.name.clone(),
            service: order.service,
            tenancy: order.tenancy,
            control_plane_addresses: addresses,
            admin_networks: order.admin_networks,
            tenant_networks: order.tenant_networks,
            operator_keys: order.operator_keys,
            time_zone: order.time_zone,
        };
        if let Err(error) = Baseline::try_from(description.clone()) {
            return Err(Problem::new("provision.baseline", format!("could not describe `{}`", order.name))
                .found(error.to_string())
                .state("Nothing was made"));
        }
        if !is_known_zone(&description.time_zone) {
            return Err(Problem::new("provision.baseline", format!("could not describe `{}`", order.name))
                .found(format!("there is no time zone `{}`", description.time_zone))
                .state("Nothing was made")
                .next("name one of the IANA list, such as `Europe/Vienna`"));
        }
        // A run that fails destroys the host it has made, so it must be one that it makes.
        let taken = provider.find(&order.name).await;
        let taken = taken.map_err(|error| provider_problem("look for hosts of that name", &error))?;
        if taken.is_some() {
            return Err(Problem::new(
                "provision.name_taken",
                format!("could not provision `{}`", order.name),
            )
            .found(format!("`{}` has a host of that name that no server here stands for", provider.name()))
            .state("Nothing was made")
            .next("choose another name, or destroy that host first"));
        }
        let server = ServerId::new();
        self.servers.add(server, order.name.clone(), provider.name(), Origin::Provisioned).await?;
        let kept = serde_json::to_string(&description).ok();
        self.servers.change(server, move |server| server.baseline = kept).await?;
        let plan = ProvisionPlan {
            server,
            name: order.name.clone(),
            provider: provider.name().to_owned(),
            release: order.release,
            baseline: description,
        };
        let started =
            self.patching.start::<Provision>(actor, order.name.as_str(), server.to_string(), &plan).await;
        if started.is_err() {
            self.servers.forget(server).await?;
        }
        started
    }

    /// Destroys a provisioned server: its host, its disk and what is known of it.
    pub async fn destroy(&self, actor: &Actor, name: &str) -> Result<(), Problem> {
        let server = self.servers.named(name).await?;
        let cannot = |found: &str| {
            Problem::new("server.keep", format!("could not destroy `{name}`"))
                .found(found)
                .state("Nothing was changed")
        };
        if server.origin != Origin::Provisioned {
            return Err(cannot("it was not made by Holdfast"));
        }
        let open = self.resources.runs.open().await?;
        if let Some(run) = open.iter().find(|run| run.subject == server.id.to_string()) {
            return Err(cannot(&format!("run `{}` is still open on it", run.id)));
        }
        let provider = self.resources.providers.get(&server.provider)?;
        self.resources.audit.record(actor, "server.destroy", name, Outcome::Begun, None, "").await?;
        provider
            .destroy(&server.name)
            .await
            .map_err(|error| provider_problem(&format!("destroy `{name}`"), &error))?;
        // Not every provider deletes a host's snapshots with it; kept packages went with the disk.
        for entry in self.resources.ledger.of(server.id).await? {
            if let Keepsake::Snapshot(snapshot) = &entry.keepsake {
                self.resources.delete_snapshot(&server, snapshot).await?;
            }
            self.resources.ledger.strike(entry.id).await?;
        }
        self.servers.forget(server.id).await?;
        self.resources.audit.record(actor, "server.destroy", name, Outcome::Done, None, "").await
    }
}
