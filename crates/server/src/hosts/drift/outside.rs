//! Changes of packages, and boots, that no run of ours explains.

use std::{collections::BTreeMap, sync::Arc};

use base::{Clock, Problem};
use jiff::Timestamp;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use wire::{Inventory, Package};

use crate::{
    audit::{Actor, Audit, Outcome},
    db::{now, storage_problem},
    hosts::{Server, store::outside_change as store},
    patching::RunTable,
};

/// Packages named in one entry; a distribution upgrade by hand changes hundreds.
const NAMED: usize = 50;

/// Runs of a server that may explain a change.
const RUNS: u64 = 10;

/// Something that happened on a host outside of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideChange {
    /// When it was noticed.
    pub noticed_at: Timestamp,
    /// The host has booted since.
    pub rebooted: bool,
    /// Packages that came, went or changed, such as `curl 7.88.1-10 → 7.88.1-11`; at most 50.
    pub packages: Vec<String>,
    /// How many there are in all.
    pub packages_in_all: usize,
}

/// Notices them.
#[derive(Clone)]
pub struct Outside {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
    runs: RunTable,
}

impl Outside {
    /// Notices what these runs do not explain.
    pub fn new(db: DatabaseConnection, clock: Arc<dyn Clock>, audit: Audit, runs: RunTable) -> Self {
        Self { db, clock, audit, runs }
    }

    /// Compares two inventories in a row of a server.
    pub async fn compare(
        &self,
        server: &Server,
        before: &Inventory,
        after: &Inventory,
    ) -> Result<Option<OutsideChange>, Problem> {
        let packages = changed(before, after);
        let rebooted = before.boot.id != after.boot.id;
        if packages.is_empty() && !rebooted {
            return Ok(None);
        }
        let runs = self.runs.newest(Some(&server.id.to_string()), RUNS).await?;
        // What a run does it does before its end, and looks at the host at last.
        let explains = |ended: Option<Timestamp>| ended.is_none_or(|ended| ended >= before.collected_at);
        if runs.iter().any(|run| explains(run.ended_at)) {
            return Ok(None);
        }
        let change = OutsideChange {
            noticed_at: self.clock.now(),
            rebooted,
            packages_in_all: packages.len(),
            packages: packages.into_iter().take(NAMED).collect(),
        };
        let name = server.name.as_str();
        let detail = change.in_words();
        self.audit.record(&Actor::System, "host.changed_outside", name, Outcome::Done, None, detail).await?;
        let kept = store::insert(&self.db, server.id, now(&*self.clock), &change).await;
        kept.map_err(|error| storage_problem("keep what was changed outside of runs", &error))?;
        Ok(Some(change))
    }

    /// What happened on a server of late, newest first.
    pub async fn of(&self, server: &Server, limit: u64) -> Result<Vec<OutsideChange>, Problem> {
        let found = store::newest(&self.db, server.id, limit).await;
        found.map_err(|error| storage_problem("read what was changed outside of runs", &error))
    }
}

impl OutsideChange {
    /// In one line.
    pub fn in_words(&self) -> String {
        let boot = self.rebooted.then(|| "rebooted".to_owned());
        let packages = (self.packages_in_all > 0).then(|| {
            let named = self.packages.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            let more = self.packages_in_all.saturating_sub(5);
            if more > 0 { format!("{named} and {more} more") } else { named }
        });
        boot.into_iter().chain(packages).collect::<Vec<_>>().join("; ")
    }
}

fn changed(before: &Inventory, after: &Inventory) -> Vec<String> {
    let list = |inventory: &Inventory| -> BTreeMap<(String, String), String> {
        let present = inventory.packages.iter().filter(|package| package.status.is_present());
        present
            .map(|package: &Package| {
                ((package.name.to_string(), package.architecture.clone()), package.version.to_string())
            })
            .collect()
    };
    let (was, is) = (list(before), list(after));
    let gone = was.iter().filter(|(key, _)| !is.contains_key(*key));
    let gone = gone.map(|((name, _), version)| format!("{name} {version} removed"));
    let new = is.iter().filter_map(|(key, version)| match was.get(key) {
        None => Some(format!("{} {version} installed", key.0)),
        Some(former) if former != version => Some(format!("{} {former} → {version}", key.0)),
        Some(_) => None,
    });
    gone.chain(new).collect()
}
