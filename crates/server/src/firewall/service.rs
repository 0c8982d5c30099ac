//! What people see and change of firewalls. Bringing hosts in line is [`super::FirewallSync`]'s.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use base::{Clock, Problem, ServerId, Sha256};
use baseline::{Baseline, Description, Network, Service};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use wire::FirewallRule;

use super::{ControlPlaneAddresses, Proof, Standing, addresses, store};
use crate::{
    audit::{Actor, Audit, Outcome},
    db::storage_problem,
    hosts::{Server, Servers},
};

/// Firewalls and the addresses they let in.
#[derive(Clone)]
pub struct Firewalls {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
    servers: Servers,
    /// The addresses found at the start, in force until others are set.
    found: Arc<[IpAddr]>,
    /// Woken when there is something to do.
    pub(super) wake: Arc<Notify>,
}

/// A server beside how its firewall stands.
#[derive(Debug, Clone, Serialize)]
pub struct FirewallView {
    /// Its name.
    pub name: String,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Whether these are the rules that are described now.
    pub is_current: bool,
}

/// Who else may reach a server. What is not named stays as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Openings {
    /// From where operators sign in by SSH; empty opens it to everyone, rate-limited.
    pub admins: Option<Vec<Network>>,
    /// From where tenants reach PostgreSQL.
    pub tenants: Option<Vec<Network>>,
}

impl Openings {
    fn in_words(&self, before: &Description) -> String {
        let list = |networks: &[Network]| match networks {
            [] => "nobody by name".to_owned(),
            named => named.iter().map(Network::to_string).collect::<Vec<_>>().join(", "),
        };
        let change = |what: &str, new: &Option<Vec<Network>>, was: &[Network]| {
            new.as_ref().map(|new| format!("{what}: {} instead of {}", list(new), list(was)))
        };
        let admins = change("admins", &self.admins, &before.admin_networks);
        let tenants = change("tenants", &self.tenants, &before.tenant_networks);
        admins.into_iter().chain(tenants).collect::<Vec<_>>().join("; ")
    }
}

/// The rules of a server, with the digest by which they are known.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(super) rules: Vec<FirewallRule>,
    pub(super) digest: Sha256,
}

impl Firewalls {
    /// Firewalls that let these addresses in until others are set.
    pub fn new(
        db: DatabaseConnection,
        clock: Arc<dyn Clock>,
        audit: Audit,
        servers: Servers,
        found: &[IpAddr],
    ) -> Self {
        Self { db, clock, audit, servers, found: found.into(), wake: Arc::default() }
    }

    /// From where the control plane calls.
    pub async fn addresses(&self) -> Result<ControlPlaneAddresses, Problem> {
        let set = store::addresses::find(&self.db).await;
        let set = set.map_err(|error| storage_problem("read the addresses of the control plane", &error))?;
        Ok(set.unwrap_or_else(|| ControlPlaneAddresses::found(&self.found)))
    }

    /// Sets from where the control plane calls. One host is tried first.
    pub async fn set_addresses(
        &self,
        actor: &Actor,
        entered: &[String],
    ) -> Result<ControlPlaneAddresses, Problem> {
        let wanted = addresses::check(entered)?;
        let present = self.addresses().await?;
        if wanted == present.addresses && present.proof == Proof::Good {
            return Ok(present);
        }
        let anyone = self.managed().await?.is_empty();
        let set = ControlPlaneAddresses {
            // What shut a host out is nothing to go back to.
            former: if present.proof == Proof::Good { present.addresses.clone() } else { present.former },
            proof: if anyone { Proof::Good } else { Proof::Untried },
            changed_at: Some(self.clock.now()),
            changed_by: Some(actor.to_string()),
            addresses: wanted,
        };
        let words = |list: &[IpAddr]| list.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
        let detail = format!("{} instead of {}", words(&set.addresses), words(&present.addresses));
        let audit = &self.audit;
        audit.record(actor, "firewall.addresses", "all", Outcome::Begun, None, detail.clone()).await?;
        self.keep_addresses(&set).await?;
        audit.record(actor, "firewall.addresses", "all", Outcome::Done, None, detail).await?;
        self.wake.notify_one();
        Ok(set)
    }

    pub(super) async fn keep_addresses(&self, addresses: &ControlPlaneAddresses) -> Result<(), Problem> {
        let kept = store::addresses::put(&self.db, addresses).await;
        kept.map_err(|error| storage_problem("keep the addresses of the control plane", &error))
    }

    /// Has one server brought in line now, whatever was tried before.
    pub async fn ask(&self, actor: &Actor, name: &str) -> Result<(), Problem> {
        let server = self.servers.named(name).await?;
        let cannot = |found: &str| {
            Problem::new("firewall.not_ours", format!("could not sync the firewall of `{name}`"))
                .found(found)
                .state("Nothing was changed")
        };
        if let Some(reason) = server.unmanaged_because() {
            return Err(cannot(reason));
        }
        if server.baseline.is_none() {
            return Err(cannot("it has no description to be brought in line with"));
        }
        self.audit.record(actor, "firewall.sync", name, Outcome::Begun, None, "asked for").await?;
        let failed = |error: sea_orm::DbErr| storage_problem("ask for a firewall", &error);
        if !store::standing::ask(&self.db, server.id).await.map_err(failed)? {
            let standing = Standing { asked: true, ..Standing::untried(server.id) };
            self.note(&standing).await?;
        }
        // Whoever was shut out may try once more, on this host.
        let mut present = self.addresses().await?;
        if matches!(present.proof, Proof::ShutOut { .. }) {
            present.proof = Proof::Untried;
            self.keep_addresses(&present).await?;
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Changes who else may reach a server, and has its host follow.
    pub async fn open(&self, actor: &Actor, name: &str, openings: Openings) -> Result<FirewallView, Problem> {
        let server = self.servers.named(name).await?;
        let cannot = |found: String| {
            Problem::new("firewall.openings", format!("could not change who may reach `{name}`"))
                .found(found)
                .state("Nothing was changed")
        };
        if let Some(reason) = server.unmanaged_because() {
            return Err(cannot(reason.to_owned()));
        }
        let text = server.baseline.as_deref().ok_or_else(|| cannot("it has no description".to_owned()))?;
        let mut described: Description = serde_json::from_str(text)
            .map_err(|error| cannot(format!("its description is unreadable: {error}")))?;
        if openings.tenants.as_ref().is_some_and(|tenants| !tenants.is_empty())
            && described.service != Service::Postgres
        {
            return Err(cannot("tenants have a way of their own into PostgreSQL only".to_owned()));
        }
        let detail = openings.in_words(&described);
        described.admin_networks = openings.admins.unwrap_or(described.admin_networks);
        described.tenant_networks = openings.tenants.unwrap_or(described.tenant_networks);
        let checked = Baseline::try_from(described).map_err(|error| cannot(error.to_string()))?;
        let kept = serde_json::to_string(&checked).map_err(|error| cannot(error.to_string()))?;
        self.audit.record(actor, "firewall.open", name, Outcome::Begun, None, detail.clone()).await?;
        let server = self.servers.change(server.id, move |server| server.baseline = Some(kept)).await?;
        self.audit.record(actor, "firewall.open", name, Outcome::Done, None, detail).await?;
        self.wake.notify_one();
        self.of(&server).await?.ok_or_else(|| cannot("it is gone".to_owned()))
    }

    /// Every server that has a firewall of ours, by name.
    pub async fn all(&self) -> Result<Vec<FirewallView>, Problem> {
        let addresses = self.addresses().await?;
        let mut standings = self.standings().await?;
        let managed = self.managed().await?;
        let view = |server: Server| {
            let rules = Rules::of(&server, &addresses.addresses)?;
            let standing = standings.remove(&server.id).unwrap_or_else(|| Standing::untried(server.id));
            let is_current = standing.applied == Some(rules.digest);
            Some(FirewallView { name: server.name.to_string(), standing, is_current })
        };
        Ok(managed.into_iter().filter_map(view).collect())
    }

    /// One server's; none where it has no firewall of ours.
    pub async fn of(&self, server: &Server) -> Result<Option<FirewallView>, Problem> {
        if !server.is_managed() {
            return Ok(None);
        }
        let Some(rules) = Rules::of(server, &self.addresses().await?.addresses) else { return Ok(None) };
        let found = store::standing::find(&self.db, server.id).await;
        let found = found.map_err(|error| storage_problem("read how a firewall stands", &error))?;
        let standing = found.unwrap_or_else(|| Standing::untried(server.id));
        let is_current = standing.applied == Some(rules.digest);
        Ok(Some(FirewallView { name: server.name.to_string(), standing, is_current }))
    }

    /// Servers whose hosts may be changed, by name.
    pub(super) async fn managed(&self) -> Result<Vec<Server>, Problem> {
        let servers = self.servers.all().await?;
        Ok(servers.into_iter().filter(|server| server.is_managed() && server.baseline.is_some()).collect())
    }

    pub(super) async fn standings(&self) -> Result<BTreeMap<ServerId, Standing>, Problem> {
        let all = store::standing::all(&self.db).await;
        let all = all.map_err(|error| storage_problem("read how the firewalls stand", &error))?;
        Ok(all.into_iter().map(|standing| (standing.server, standing)).collect())
    }

    pub(super) async fn note(&self, standing: &Standing) -> Result<(), Problem> {
        let noted = store::standing::put(&self.db, standing).await;
        noted.map_err(|error| storage_problem("note how a firewall stands", &error))
    }

    /// Forgets how the firewalls of servers stood that are not there any more.
    pub(super) async fn forget_others(&self, servers: &[ServerId]) -> Result<(), Problem> {
        let forgotten = store::standing::retain(&self.db, servers).await;
        forgotten.map_err(|error| storage_problem("forget the firewalls of former servers", &error))
    }
}

impl Rules {
    /// The rules of a server under these addresses; none for one without a readable
    /// description.
    pub fn of(server: &Server, addresses: &[IpAddr]) -> Option<Self> {
        let baseline = server.described(addresses)?;
        let rules: Vec<FirewallRule> = baseline.firewall().into_iter().map(FirewallRule::from).collect();
        let digest = Sha256::of(&serde_json::to_vec(&rules).ok()?);
        Some(Self { rules, digest })
    }
}
