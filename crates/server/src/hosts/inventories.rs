//! Inventories: asked for, checked, kept compressed, and handed on.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::{Clock, InventoryId, Problem, ServerId, Sha256};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use wire::{AgentApi, AgentError, Inventory, Package, PendingUpdate, limits};

use super::{
    Facts,
    model::Server,
    store::{self, inventory::Parts},
};
use crate::{
    audit::{Actor, Audit, Outcome},
    db::{now, storage_problem, stored},
    exposure::{Exposure, Risk},
};

/// How many inventories of a server are kept at least: two months of daily ones.
const KEPT: u64 = 60;

/// None is dropped that is younger: a run takes many looks within minutes, and compares
/// at its end, or when it is undone, with the one it began with. Snapshots and former
/// packages are kept for seven days; a day more, so that the last undo can still end.
const KEPT_FOR: Duration = Duration::from_secs(8 * 24 * 3600);

/// Collects and keeps inventories.
#[derive(Clone)]
pub struct Inventories {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
    exposure: Exposure,
}

impl Inventories {
    /// Keeps inventories in this database and has `exposure` judge each new one.
    pub fn new(db: DatabaseConnection, clock: Arc<dyn Clock>, audit: Audit, exposure: Exposure) -> Self {
        Self { db, clock, audit, exposure }
    }

    /// Observes the host now. A malformed or absurd inventory is refused and audited;
    /// the former one stays.
    pub async fn collect(
        &self,
        server: &Server,
        agent: &dyn AgentApi,
    ) -> Result<(InventoryId, Inventory), Problem> {
        match agent.inventory().await.and_then(believable) {
            Ok(inventory) => Ok((self.keep(server, &inventory).await?, inventory)),
            Err(error @ AgentError::Protocol { .. }) => {
                let problem = unobserved(server, &error);
                let detail = error.to_string();
                self.audit
                    .record(
                        &Actor::System,
                        "inventory.refused",
                        server.name.as_str(),
                        Outcome::Refused,
                        None,
                        detail,
                    )
                    .await?;
                Err(problem)
            }
            Err(error) => {
                let fault = error.to_string();
                store::server::change(&self.db, server.id, move |server| server.last_fault = Some(fault))
                    .await
                    .map_err(|error| storage_problem("note that a server does not answer", &error))?;
                Err(unobserved(server, &error))
            }
        }
    }

    async fn keep(&self, server: &Server, inventory: &Inventory) -> Result<InventoryId, Problem> {
        let failed = |error: sea_orm::DbErr| storage_problem("keep an inventory", &error);
        let id = InventoryId::new();
        let parts = divide(inventory).map_err(|error| {
            failed(sea_orm::DbErr::Custom(format!("cannot compress an inventory: {error}")))
        })?;
        let received_at = now(&*self.clock);
        store::inventory::insert(&self.db, &id.to_string(), server.id, received_at, parts)
            .await
            .map_err(failed)?;
        let droppable = stored(self.clock.now() - KEPT_FOR);
        store::inventory::prune(&self.db, server.id, KEPT, droppable).await.map_err(failed)?;
        let before = server.inventory;
        let facts = Facts::of(inventory);
        let release = base::Release::from_os_release(&inventory.os.id, &inventory.os.version_id);
        let grounds = self.exposure.grounds();
        let judgement = self.exposure.judge(server.id, id, inventory).await?;
        let risk = judgement.as_ref().map(|judgement| judgement.risk.clone());
        let seen = self.clock.now();
        store::server::change(&self.db, server.id, move |server| {
            server.inventory = Some(id);
            server.facts = Some(facts);
            server.risk = risk;
            server.release = release.or(server.release);
            server.last_seen_at = Some(seen);
            server.last_fault = None;
        })
        .await
        .map_err(failed)?;
        if let Some(judgement) = &judgement {
            self.exposure.settle(judgement).await;
        }
        if let Some(before) = before
            && let Some(before) = self.load(before).await?
        {
            self.exposure.note_changes(server.id, &before, inventory).await?;
        }
        if self.exposure.grounds() != grounds {
            self.judge(server.id).await?;
        }
        Ok(id)
    }

    /// A stored inventory; none if it is no longer kept.
    pub async fn load(&self, id: InventoryId) -> Result<Option<Inventory>, Problem> {
        let parts = store::inventory::find(&self.db, &id.to_string())
            .await
            .map_err(|error| storage_problem("read an inventory", &error))?;
        Ok(parts.and_then(join))
    }

    /// Judges anew every server of which the feeds say something else than is stored, and
    /// no other.
    pub async fn judge_all(&self) -> Result<Rejudged, Problem> {
        let failed = |error: sea_orm::DbErr| storage_problem("judge the servers anew", &error);
        let servers: BTreeMap<ServerId, Server> = store::server::all(&self.db)
            .await
            .map_err(failed)?
            .into_iter()
            .map(|server| (server.id, server))
            .collect();
        let newest = servers.values().filter_map(|server| Some((server.id, server.inventory?)));
        let due = self.exposure.due(newest.collect()).await;
        let mut rejudged = Rejudged { alone: due.unplaced.len(), ..Rejudged::default() };
        for server in &due.unplaced {
            self.judge(*server).await?;
        }
        for set in &due.sets {
            rejudged.sets += 1;
            let grounds = self.exposure.grounds();
            for judgement in self.exposure.judge_set(set).await? {
                rejudged.servers += 1;
                let server = judgement.server();
                if servers.get(&server).is_none_or(|known| known.risk.as_ref() != Some(&judgement.risk)) {
                    self.store(server, set.servers[&server], Some(judgement.risk.clone())).await?;
                }
                self.exposure.settle(&judgement).await;
                if self.exposure.grounds() != grounds {
                    self.judge(server).await?;
                }
            }
        }
        Ok(rejudged)
    }

    /// Judges a server's newest inventory anew.
    pub async fn judge(&self, server: ServerId) -> Result<(), Problem> {
        let failed = |error: sea_orm::DbErr| storage_problem("judge a server anew", &error);
        loop {
            let grounds = self.exposure.grounds();
            let known = store::server::find(&self.db, server).await.map_err(failed)?;
            let Some(id) = known.and_then(|server| server.inventory) else { return Ok(()) };
            let Some(inventory) = self.load(id).await? else { return Ok(()) };
            let judgement = self.exposure.judge(server, id, &inventory).await?;
            self.store(server, id, judgement.as_ref().map(|judgement| judgement.risk.clone())).await?;
            if let Some(judgement) = &judgement {
                self.exposure.settle(judgement).await;
            }
            if self.exposure.grounds() == grounds {
                return Ok(());
            }
        }
    }

    /// Stores what the feeds say about a server by this inventory.
    async fn store(&self, server: ServerId, id: InventoryId, risk: Option<Risk>) -> Result<(), Problem> {
        store::server::change(&self.db, server, move |server| {
            // A newer inventory has been judged by whoever kept it.
            if server.inventory == Some(id) {
                server.risk = risk;
            }
        })
        .await
        .map(drop)
        .map_err(|error| storage_problem("judge a server anew", &error))
    }

    /// The newest inventory of a server.
    pub async fn newest(&self, server: ServerId) -> Result<Option<Inventory>, Problem> {
        let server = store::server::find(&self.db, server)
            .await
            .map_err(|error| storage_problem("read a server", &error))?;
        match server.and_then(|server| server.inventory) {
            Some(id) => self.load(id).await,
            None => Ok(None),
        }
    }
}

/// What was judged anew. All other servers are judged as they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rejudged {
    /// Servers whose inventories were read for it.
    pub alone: usize,
    /// Distinct package sets.
    pub sets: usize,
    /// The servers that have these sets.
    pub servers: usize,
}

/// What alike hosts have alike.
#[derive(Serialize, Deserialize)]
struct PackageList {
    packages: Vec<Package>,
    pending: Vec<PendingUpdate>,
}

/// Packages apart from the rest, both compressed. Level 3: a list of 700 packages shrinks
/// from 150 to 15 kB in a millisecond.
fn divide(inventory: &Inventory) -> std::io::Result<Parts> {
    let mut rest = inventory.clone();
    let list = PackageList {
        packages: std::mem::take(&mut rest.packages),
        pending: std::mem::take(&mut rest.pending),
    };
    let list = serde_json::to_vec(&list)?;
    Ok(Parts {
        body_zstd: zstd::encode_all(serde_json::to_vec(&rest)?.as_slice(), 3)?,
        packages: Some((Sha256::of(&list), zstd::encode_all(list.as_slice(), 3)?)),
    })
}

/// The inventory that was divided; none if it cannot be read.
fn join(parts: Parts) -> Option<Inventory> {
    let whole = |bytes: &[u8]| zstd::bulk::decompress(bytes, limits::RESPONSE_BYTES).ok();
    let mut inventory: Inventory = serde_json::from_slice(&whole(&parts.body_zstd)?).ok()?;
    if let Some((_, list)) = parts.packages {
        let list: PackageList = serde_json::from_slice(&whole(&list)?).ok()?;
        (inventory.packages, inventory.pending) = (list.packages, list.pending);
    }
    Some(inventory)
}

/// Refuses what no host has. The connection bounds bytes; this bounds what they say.
fn believable(inventory: Inventory) -> Result<Inventory, AgentError> {
    let packages = inventory.packages.len();
    if packages > limits::PACKAGES {
        let reason = format!("{packages} packages; no host has more than {}", limits::PACKAGES);
        return Err(AgentError::Protocol { reason });
    }
    Ok(inventory)
}

fn unobserved(server: &Server, error: &AgentError) -> Problem {
    tracing::warn!(error = error as &dyn std::error::Error, server = %server.name, "no inventory");
    Problem::new("server.unobserved", format!("could not observe `{}`", server.name))
        .found(error.to_string())
        .state("What was known of it before stays")
        .next("see whether the host is up and its agent runs")
}
