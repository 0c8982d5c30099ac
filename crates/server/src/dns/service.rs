//! Zones: setting, listing, removing and trying them.

use std::sync::Arc;

use base::{Clock, Problem, Redacted};
use base64::{Engine, engine::general_purpose::STANDARD};
use sea_orm::DatabaseConnection;

use super::{
    ChallengePlace, CheckReport, DnsError, DnsName, UpdateKey, Zone, ZoneOrder, ZoneView,
    store::{self, Model},
    zone::SERVERS,
};
use crate::{
    audit::{Actor, Audit, Outcome},
    db::{now, storage_problem},
    secrets::{Token, Vault},
};

/// The zones of this control plane.
#[derive(Clone)]
pub struct Zones {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
    vault: Vault,
}

/// The label under which a zone's secret is sealed.
fn label(zone: &DnsName) -> String {
    format!("update key of zone {zone}")
}

impl Zones {
    /// The zones in this database.
    pub fn new(db: DatabaseConnection, clock: Arc<dyn Clock>, audit: Audit, vault: Vault) -> Self {
        Self { db, clock, audit, vault }
    }

    /// Adds a zone or replaces its settings as a whole.
    pub async fn set(&self, actor: &Actor, order: &ZoneOrder) -> Result<ZoneView, Problem> {
        let zone = check(order)?;
        let view = zone.view();
        let secret_sealed = match &zone.key {
            Some(key) => {
                let sealed = self.vault.seal(&label(&zone.name), key.secret.expose());
                Some(sealed.map_err(|error| broken(&zone.name, &error))?)
            }
            None => None,
        };
        let settings = serde_json::to_string(&view).map_err(|error| broken(&zone.name, &error))?;
        let detail = format!(
            "servers {}; key {}",
            view.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            view.key_name.as_deref().unwrap_or("none")
        );
        let name = zone.name.as_str();
        self.audit.record(actor, "dns.zone_set", name, Outcome::Begun, None, detail).await?;
        let row = Model { name: name.to_owned(), settings, secret_sealed, created_at: now(&*self.clock) };
        store::put(&self.db, row).await.map_err(|error| storage_problem("keep a zone", &error))?;
        self.audit.record(actor, "dns.zone_set", name, Outcome::Done, None, "").await?;
        Ok(view)
    }

    /// Every zone, oldest first. The first is the one that new servers get their names in.
    pub async fn all(&self) -> Result<Vec<Zone>, Problem> {
        let rows = store::all(&self.db).await.map_err(|error| storage_problem("list the zones", &error))?;
        rows.into_iter().map(|row| self.open(row)).collect()
    }

    /// What may be shown of every zone.
    pub async fn views(&self) -> Result<Vec<ZoneView>, Problem> {
        Ok(self.all().await?.iter().map(Zone::view).collect())
    }

    /// Forgets a zone and its key.
    pub async fn remove(&self, actor: &Actor, name: &str) -> Result<(), Problem> {
        let name: DnsName = name.parse().map_err(|_| unknown(name))?;
        self.named(&name).await?;
        self.audit.record(actor, "dns.zone_remove", name.as_str(), Outcome::Begun, None, "").await?;
        let removed = store::remove(&self.db, name.as_str()).await;
        removed.map_err(|error| storage_problem("remove a zone", &error))?;
        self.audit.record(actor, "dns.zone_remove", name.as_str(), Outcome::Done, None, "").await
    }

    /// The zone of this name.
    pub async fn named(&self, name: &DnsName) -> Result<Zone, Problem> {
        let all = self.all().await?;
        all.into_iter().find(|zone| zone.name == *name).ok_or_else(|| unknown(name.as_str()))
    }

    /// Where the challenge of this name is answered.
    pub async fn place(&self, name: &DnsName) -> Result<ChallengePlace, DnsError> {
        let zones = self.all().await.map_err(|source| DnsError::Settings { source })?;
        ChallengePlace::find(&zones, name).await
    }

    /// Writes a challenge record of a made-up host, waits until all servers have it, and
    /// removes it: what issuing a certificate will need.
    pub async fn test(&self, actor: &Actor, name: &str) -> Result<CheckReport, Problem> {
        let zone = self.named(&name.parse().map_err(|_| unknown(name))?).await?.name;
        self.audit.record(actor, "dns.zone_test", zone.as_str(), Outcome::Begun, None, "").await?;
        let tried = self.try_record(&zone).await;
        let outcome = if tried.is_ok() { Outcome::Done } else { Outcome::Failed };
        let detail = tried.as_ref().err().map(ToString::to_string).unwrap_or_default();
        self.audit.record(actor, "dns.zone_test", zone.as_str(), outcome, None, detail).await?;
        tried.map_err(|error| dns_problem(&format!("use the zone `{zone}`"), &error))
    }

    async fn try_record(&self, zone: &DnsName) -> Result<CheckReport, DnsError> {
        let host =
            DnsName::below("holdfast-test", zone).map_err(|_| DnsError::NoZone { name: zone.clone() })?;
        let started = tokio::time::Instant::now();
        let place = self.place(&host).await?;
        let value = Token::generate();
        let answered = place.answer(value.reveal(), self.clock.clone()).await;
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let cleared = place.clear(value.reveal(), self.clock.clone()).await;
        let seen_at = answered?;
        cleared?;
        Ok(CheckReport { record: place.record, zone: place.zone.name, seen_at, milliseconds })
    }

    fn open(&self, row: Model) -> Result<Zone, Problem> {
        let view: ZoneView = serde_json::from_str(&row.settings).map_err(|error| {
            tracing::error!(%error, zone = row.name, "the settings of a zone cannot be read");
            Problem::new("dns.zone_broken", format!("could not read the settings of zone `{}`", row.name))
                .next("set the zone again")
        })?;
        let key = match (view.key_name, view.algorithm, &row.secret_sealed) {
            (Some(name), Some(algorithm), Some(sealed)) => {
                let secret = self.vault.unseal(&label(&view.name), sealed);
                let secret = secret.map_err(|error| broken(&view.name, &error))?;
                Some(UpdateKey { name, algorithm, secret })
            }
            _ => None,
        };
        Ok(Zone { name: view.name, servers: view.servers, authoritative: view.authoritative, key })
    }
}

/// How a fault of DNS looks to a person.
pub fn dns_problem(what: &str, error: &DnsError) -> Problem {
    Problem::new("dns.failed", format!("could not {what}"))
        .found(agent::daemon::chain(error))
        .state("No record was left behind that would harm")
        .next(error.hint())
}

fn unknown(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::new("dns.zone_unknown", format!("there is no zone `{name}`"))
        .next("`holdfast dns zone list` shows those that are set")
}

fn broken(zone: &DnsName, error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error, %zone, "the key of a zone cannot be sealed or opened");
    Problem::new("dns.zone_broken", format!("could not use the key of zone `{zone}`"))
        .state("Nothing was changed")
        .next("set the zone again; see whether `master.key` is the one this database was made with")
}

/// Checks what was typed.
fn check(order: &ZoneOrder) -> Result<Zone, Problem> {
    let refused = |found: &str| {
        Problem::new("dns.zone_order", format!("could not set the zone `{}`", order.name))
            .found(found)
            .state("Nothing was changed")
    };
    if order.servers.is_empty() || order.servers.len() > SERVERS || order.authoritative.len() > SERVERS {
        return Err(refused(&format!("expected 1 to {SERVERS} servers")));
    }
    let key = match (&order.key_name, order.algorithm, &order.secret) {
        (None, None, None) => None,
        (Some(name), Some(algorithm), Some(secret)) => {
            let plain = name.trim_end_matches('.');
            let is_name = (1..=253).contains(&plain.len())
                && plain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            if !is_name {
                return Err(refused("the key's name is not a domain name such as `holdfast`"));
            }
            let secret = STANDARD.decode(secret.trim()).map_err(|_| refused("the secret is not base64"))?;
            // RFC 8945 §8: as long as the digest; half of the shortest one is the least taken.
            if !(16..=128).contains(&secret.len()) {
                return Err(refused("the secret has less than 16 or more than 128 bytes"));
            }
            Some(UpdateKey { name: plain.to_owned(), algorithm, secret: Redacted::new(secret) })
        }
        _ => return Err(refused("a key needs its name, its algorithm and its secret")),
    };
    Ok(Zone {
        name: order.name.clone(),
        servers: order.servers.clone(),
        authoritative: order.authoritative.clone(),
        key,
    })
}
