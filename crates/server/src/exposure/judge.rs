//! Matching inventories against the index of the feeds.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use base::{Clock, InventoryId, Problem, Release, ServerId};
use sea_orm::DatabaseConnection;
use vulns::{
    Candidate, Coverage, Findings, HostPackages, InUse, Index, InstalledEngine, InstalledPackage,
    LivepatchModule, RunningKernel,
};
use wire::{Inventory, Package, Virtualization};

use super::{
    Acceptances, Due, DueSet, Risk,
    changes::{self, DatedChange, FindingChange},
    fleet::{Judged, ServerFleet, Turn},
    store::finding_change as store,
};
use crate::db::{moment, now, storage_problem};

/// Judges inventories by the newest index.
#[derive(Clone)]
pub struct Exposure {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    index: Arc<RwLock<Option<Arc<Index>>>>,
    fleet: Arc<Mutex<ServerFleet>>,
    acceptances: Acceptances,
    grounds: Arc<AtomicU64>,
}

/// What the feeds say about a server in short. [`Exposure::settle`] it once it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// In short.
    pub risk: Risk,
    server: ServerId,
    turn: Turn,
}

impl Judgement {
    /// Which server.
    pub fn server(&self) -> ServerId {
        self.server
    }
}

impl Exposure {
    /// Knows nothing until the feeds are read.
    pub fn new(db: DatabaseConnection, clock: Arc<dyn Clock>, acceptances: Acceptances) -> Self {
        let (index, fleet, grounds) = Default::default();
        Self { db, clock, index, fleet, acceptances, grounds }
    }

    /// What was accepted.
    pub fn acceptances(&self) -> &Acceptances {
        &self.acceptances
    }

    /// Changes with what servers are judged by: whoever finds it changed after storing a
    /// judgement may have stored an old one over a new one, and judges again.
    pub fn grounds(&self) -> u64 {
        self.grounds.load(Ordering::SeqCst)
    }

    pub(super) fn grounds_changed(&self) {
        self.grounds.fetch_add(1, Ordering::SeqCst);
    }

    /// The newest index; none until the feeds were read once.
    pub fn index(&self) -> Option<Arc<Index>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, index: Index) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
        self.grounds_changed();
    }

    /// The findings of a host; none while no feed was read, which is not the same as
    /// there being none.
    pub async fn findings(&self, inventory: &Inventory) -> Option<Findings> {
        self.matched(inventory).await.map(|(findings, _)| findings)
    }

    /// What the feeds can and cannot say about a host.
    pub async fn coverage(&self, inventory: &Inventory) -> Option<Coverage> {
        self.matched(inventory).await.map(|(_, coverage)| coverage)
    }

    /// The short form of a server's findings; none while no feed was read. The server is placed
    /// in the fleet by this inventory.
    pub async fn judge(
        &self,
        server: ServerId,
        id: InventoryId,
        inventory: &Inventory,
    ) -> Result<Option<Judgement>, Problem> {
        let host = host_packages(inventory);
        let judged = self.in_fleet(move |fleet| fleet.judge(server, id, &host)).await.flatten();
        let Some(judged) = judged else { return Ok(None) };
        self.judgement(server, &judged).await.map(Some)
    }

    /// The same for servers that have the same; none of those that have changed since.
    pub async fn judge_set(&self, due: &DueSet) -> Result<Vec<Judgement>, Problem> {
        let set = due.set;
        let judged = self.in_fleet(move |fleet| fleet.judge_set(set)).await.flatten();
        let Some(judged) = judged else { return Ok(Vec::new()) };
        let mut judgements = Vec::with_capacity(due.servers.len());
        for server in due.servers.keys() {
            judgements.push(self.judgement(*server, &judged).await?);
        }
        Ok(judgements)
    }

    async fn judgement(&self, server: ServerId, judged: &Judged) -> Result<Judgement, Problem> {
        let accepted = self.acceptances.here(server).await?;
        let risk = Risk::of(&judged.findings, &judged.coverage, &accepted);
        Ok(Judgement { risk, server, turn: judged.turn })
    }

    /// What is to be judged anew of these servers, each with its newest inventory. The fleet has
    /// no others.
    pub async fn due(&self, servers: BTreeMap<ServerId, InventoryId>) -> Due {
        self.in_fleet(move |fleet| fleet.due(&servers)).await.unwrap_or_default()
    }

    /// Notes that a judgement is stored.
    pub async fn settle(&self, judgement: &Judgement) {
        let (server, turn) = (judgement.server, judgement.turn);
        self.in_fleet(move |fleet| fleet.settle(server, turn)).await;
    }

    /// Has every server judged anew at the next occasion: something other than a feed has changed.
    pub(super) async fn all_due(&self) {
        self.grounds_changed();
        self.in_fleet(ServerFleet::make_all_due).await;
    }

    /// Works on the fleet as the newest index judges it; none while there is no index.
    async fn in_fleet<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut ServerFleet) -> T + Send + 'static,
    ) -> Option<T> {
        let exposure = self.clone();
        // Milliseconds for a server, a good part of a second for the hour's changes of a large fleet.
        let done = tokio::task::spawn_blocking(move || {
            let mut fleet = exposure.fleet.lock().unwrap_or_else(|poisoned| {
                // Whoever died here may have left it half-changed. An empty one fills again.
                exposure.fleet.clear_poison();
                let mut fleet = poisoned.into_inner();
                *fleet = ServerFleet::default();
                fleet
            });
            fleet.follow(&exposure.index()?);
            Some(work(&mut fleet))
        });
        done.await.ok().flatten()
    }

    /// The findings of a host, and what the feeds can and cannot say about it.
    pub async fn matched(&self, inventory: &Inventory) -> Option<(Findings, Coverage)> {
        let index = self.index()?;
        let host = host_packages(inventory);
        // Matching takes milliseconds, which is long enough to keep off the I/O threads.
        let matched =
            tokio::task::spawn_blocking(move || (index.findings(&host), index.coverage(&host))).await;
        matched.ok()
    }

    /// What opened and what closed between two inventories.
    pub async fn changes(&self, before: &Inventory, after: &Inventory) -> Option<Vec<FindingChange>> {
        let (before, after) = (self.findings(before).await?, self.findings(after).await?);
        Some(changes::by_package(&Findings::diff(&before, &after)))
    }

    /// What opened and closed on a server of late, newest first.
    pub async fn history(&self, server: ServerId, limit: u64) -> Result<Vec<DatedChange>, Problem> {
        let rows = store::newest(&self.db, server, limit).await;
        let rows = rows.map_err(|error| storage_problem("read the history of findings", &error))?;
        let dated = |row: store::Model| {
            Some(DatedChange { at: moment(row.at), change: serde_json::from_str(&row.detail).ok()? })
        };
        Ok(rows.into_iter().filter_map(dated).collect())
    }

    /// Keeps what opened and what closed in the server's history.
    pub async fn note_changes(
        &self,
        server: ServerId,
        before: &Inventory,
        after: &Inventory,
    ) -> Result<(), Problem> {
        let Some(changes) = self.changes(before, after).await else { return Ok(()) };
        if changes.is_empty() {
            return Ok(());
        }
        store::insert(&self.db, server, now(&*self.clock), &changes)
            .await
            .map_err(|error| storage_problem("keep the history of findings", &error))
    }
}

/// What matching needs of an inventory.
pub fn host_packages(inventory: &Inventory) -> HostPackages {
    let packages = inventory.packages.iter().filter(|package| package.status.is_present());
    let packages: Vec<InstalledPackage> = packages
        .map(|package| InstalledPackage {
            name: package.name.to_string(),
            architecture: package.architecture.clone(),
            version: package.version.to_string(),
            source: package.source.clone(),
            source_version: package.source_version.to_string(),
            held: package.held,
            in_use: in_use(inventory, package),
        })
        .collect();
    HostPackages {
        release: Release::from_os_release(&inventory.os.id, &inventory.os.version_id),
        kernel: RunningKernel {
            package_version: RunningKernel::package_version_of(
                &inventory.kernel.release,
                &inventory.kernel.version,
            ),
            release: inventory.kernel.release.clone(),
            shared_with_host: matches!(inventory.virtualization, Virtualization::SharedKernel { .. }),
            livepatches: inventory
                .kernel
                .livepatches
                .iter()
                .map(|module| LivepatchModule { name: module.name.clone(), version: module.version.clone() })
                .collect(),
        },
        engines: InstalledEngine::of_packages(&packages),
        packages,
        // Without apt's lists the host knows of no offers; that is not "nothing offered".
        pending: inventory.lists_updated_at.map(|_| {
            let offers = inventory.pending.iter();
            offers
                .map(|update| Candidate {
                    name: update.name.to_string(),
                    architecture: update.architecture.clone(),
                    version: update.candidate.to_string(),
                    source_version: None,
                    security: update.security,
                    held: update.held,
                    phased: false,
                })
                .collect()
        }),
    }
}

/// The earlier version of a package that still runs, as a version of its source.
fn in_use(inventory: &Inventory, package: &Package) -> Option<InUse> {
    let former = inventory
        .in_use
        .iter()
        .find(|former| former.name == package.name && former.architecture == package.architecture)?;
    let source_version = former_source_version(package, former.version.as_str())?;
    Some(InUse { source_version, units: former.units.clone() })
}

/// dpkg's log has versions of binary packages only. Most are those of their sources; a rebuild adds
/// `+b1`. Packages with a numbering of their own cannot be told: what they ran before is not known.
fn former_source_version(package: &Package, former: &str) -> Option<String> {
    let without_rebuild = |version: &str| match version.rsplit_once("+b") {
        Some((rest, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest.to_owned(),
        _ => version.to_owned(),
    };
    let same_numbering = without_rebuild(package.version.as_str()) == package.source_version.as_str();
    same_numbering.then(|| without_rebuild(former))
}
