//! Keeping the feeds: read, checked, and put in place of the last good copy only when
//! they are good.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base::{Clock, Problem};
use jiff::Timestamp;
use reqwest::Client;
use sea_orm::DatabaseConnection;
use serde::Serialize;
use tokio::sync::Mutex;
use vulns::{FeedData, FeedError, FeedFile, FeedKind, Index};

use super::{
    Exposure,
    source::{Asked, FeedSources, Fetched, Layer, SourceError, Validators},
    store::feed as store,
};
use crate::{
    audit::{Actor, Audit, Outcome},
    db::{moment, now, storage_problem},
};

/// Without a success for this long, a feed counts as stale (requirement V2).
pub const STALE_AFTER: Duration = Duration::from_secs(6 * 3600);

/// Between two refreshes (requirement V1: hourly).
const REFRESH: Duration = Duration::from_secs(3600);

/// Files of a feed that is asked by time, before it is asked as a whole again.
const PIECES: usize = 120;

/// How a feed stands.
#[derive(Debug, Clone, Serialize)]
pub struct FeedState {
    /// Which feed.
    pub kind: FeedKind,
    /// Its name for people.
    pub title: &'static str,
    /// Where it is read from.
    pub source: String,
    /// The time of which it tells.
    pub as_of: Option<String>,
    /// Its records.
    pub records: i64,
    /// When it was last read with success.
    pub last_success_at: Option<Timestamp>,
    /// When it was last tried.
    pub last_attempt_at: Option<Timestamp>,
    /// Why the last try failed.
    pub fault: Option<String>,
    /// No success for six hours, or never.
    pub stale: bool,
}

/// Why a refresh did not replace the last good copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum RefreshError {
    #[error("could not read it")]
    Source(#[source] SourceError),
    #[error("`{path}` was refused")]
    Refused {
        path: String,
        #[source]
        source: FeedError,
    },
    #[error("the new copy as a whole was refused")]
    RefusedWhole(#[source] FeedError),
    #[error("could not keep it")]
    Keep(#[source] std::io::Error),
    #[error("the reader of feeds has died")]
    Died,
}

/// The feeds.
#[derive(Clone)]
pub struct Feeds {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
    exposure: Exposure,
    source: FeedSources,
    client: Client,
    /// The last good copies lie here, a folder per feed.
    folder: PathBuf,
    good: Arc<Mutex<BTreeMap<FeedKind, Arc<FeedData>>>>,
}

impl Feeds {
    /// Feeds read from `source`, their last good copies kept in `folder`.
    pub fn new(
        db: DatabaseConnection,
        clock: Arc<dyn Clock>,
        audit: Audit,
        exposure: Exposure,
        source: FeedSources,
        client: Client,
        folder: PathBuf,
    ) -> Self {
        Self { db, clock, audit, exposure, source, client, folder, good: Arc::default() }
    }

    /// Reads the last good copies, so that a restart knows what it knew before.
    pub async fn load(&self) {
        let mut good = self.good.lock().await;
        for kind in FeedKind::all() {
            let folder = self.folder.join(kind.name());
            let loaded = tokio::task::spawn_blocking(move || load_kept(&folder, kind)).await;
            match loaded {
                Ok(Ok(Some(data))) => {
                    good.insert(kind, Arc::new(data));
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    tracing::error!(%kind, error = &error as &dyn std::error::Error, "the last good copy is unreadable");
                }
                Err(_) => tracing::error!(%kind, "reading the last good copy died"),
            }
        }
        self.index(&good).await;
    }

    /// Refreshes every feed. True when the index has changed.
    pub async fn refresh_all(&self) -> Result<bool, Problem> {
        let mut good = self.good.lock().await;
        let mut changed = false;
        let mut fault = None;
        for kind in FeedKind::all() {
            match self.refresh(kind, &mut good).await {
                Ok(new) => changed |= new,
                // What was kept before the fault must reach the index all the same.
                Err(problem) => (changed, fault) = (true, fault.or(Some(problem))),
            }
        }
        if changed || self.exposure.index().is_none() {
            self.index(&good).await;
        }
        fault.map_or(Ok(changed), Err)
    }

    /// Refreshes for ever, calling `judge` after each time.
    pub async fn serve<F: Future<Output = ()>>(self, judge: impl Fn() -> F) {
        loop {
            if let Err(problem) = self.refresh_all().await {
                tracing::error!(%problem, "feeds could not be refreshed");
            }
            judge().await;
            tokio::time::sleep(REFRESH).await;
        }
    }

    async fn refresh(
        &self,
        kind: FeedKind,
        good: &mut BTreeMap<FeedKind, Arc<FeedData>>,
    ) -> Result<bool, Problem> {
        let failed = |error: sea_orm::DbErr| storage_problem("note how a feed stands", &error);
        let mut state = store::find(&self.db, kind.name()).await.map_err(failed)?.unwrap_or_default();
        let before = good.get(&kind).cloned();
        state.kind = kind.name().to_owned();
        let source = self.source.of(kind).describe(kind);
        // Another source may rightly be smaller or older than the one before it.
        let guard = before.filter(|_| state.source == source);
        let asked = match &guard {
            // Without a copy there is nothing for the answer "unchanged" to refer to.
            None => Asked::default(),
            Some(_) => Asked {
                validators: Validators {
                    etag: state.etag.clone(),
                    last_modified: state.last_modified.clone(),
                },
                changed: self.since(kind, state.last_success_at.map(moment)),
            },
        };
        state.source = source;
        state.last_attempt_at = Some(now(&*self.clock));
        let outcome = self.fetch(kind, &asked, guard).await;
        let changed = match outcome {
            Ok(None) => false,
            Ok(Some((data, validators))) => {
                state.as_of = data.as_of().map(|moment| moment.to_string());
                state.records = i64::try_from(data.records()).unwrap_or(i64::MAX);
                (state.etag, state.last_modified) = (validators.etag, validators.last_modified);
                let detail = format!("{} records", data.records());
                good.insert(kind, Arc::new(data));
                self.audit
                    .record(&Actor::System, "cve_feed_refresh", kind.name(), Outcome::Done, None, detail)
                    .await?;
                true
            }
            // Nobody publishes it: where the operator has none, or has it no longer, nothing is at fault.
            Err(RefreshError::Source(SourceError::Missing | SourceError::OwnOnly)) if kind.is_local() => {
                state.records = 0;
                self.forget(kind).await;
                good.remove(&kind).is_some()
            }
            Err(error) => {
                let said = chain(&error);
                tracing::warn!(%kind, fault = %said, "a feed could not be refreshed");
                // One entry for one fault, not one an hour.
                if state.fault.as_deref() != Some(said.as_str()) {
                    self.audit
                        .record(
                            &Actor::System,
                            "cve_feed_refresh.failed",
                            kind.name(),
                            Outcome::Failed,
                            None,
                            said.clone(),
                        )
                        .await?;
                }
                state.fault = Some(said);
                store::put(&self.db, state).await.map_err(failed)?;
                return Ok(false);
            }
        };
        state.fault = None;
        state.last_success_at = Some(now(&*self.clock));
        store::put(&self.db, state).await.map_err(failed)?;
        Ok(changed)
    }

    /// Removes the copy of a feed that the operator has taken away, so that a restart does not bring it back.
    async fn forget(&self, kind: FeedKind) {
        let folder = self.folder.join(kind.name());
        let former = folder.with_extension("former");
        for folder in [folder, former] {
            match tokio::fs::remove_dir_all(&folder).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(%kind, %error, "the copy of a feed that is gone could not be removed");
                }
                _ => {}
            }
        }
    }

    /// The time of which a feed that is asked by time must still tell. None where it is
    /// asked as a whole: at first, and when it has come to lie in many small pieces.
    fn since(&self, kind: FeedKind, last_success_at: Option<Timestamp>) -> Option<Range<Timestamp>> {
        let pieces =
            std::fs::read_dir(self.folder.join(kind.name())).map(Iterator::count).unwrap_or_default();
        let since = last_success_at.filter(|_| pieces < PIECES)?;
        Some(since..self.clock.now().max(since))
    }

    async fn fetch(
        &self,
        kind: FeedKind,
        asked: &Asked,
        guard: Option<Arc<FeedData>>,
    ) -> Result<Option<(FeedData, Validators)>, RefreshError> {
        let fetched = self.source.fetch(&self.client, kind, asked).await.map_err(RefreshError::Source)?;
        let folder = self.folder.join(kind.name());
        let present = self.clock.now();
        let checked = tokio::task::spawn_blocking(move || {
            let (layers, validators) = match fetched {
                Fetched::Unchanged => return Ok(None),
                Fetched::Layers(layers, validators) => (layers, validators),
                Fetched::Added(added) => (with_kept(&folder, added)?, Validators::default()),
            };
            if guard.is_some() && is_kept(&folder, &layers) {
                return Ok(None);
            }
            let data = parse_layers(kind, &layers)?;
            vulns::future_guard(present, &data).map_err(RefreshError::RefusedWhole)?;
            if let Some(before) = &guard {
                vulns::shrink_guard(before, &data).map_err(RefreshError::RefusedWhole)?;
                vulns::age_guard(before, &data).map_err(RefreshError::RefusedWhole)?;
            }
            keep(&folder, &layers).map_err(RefreshError::Keep)?;
            Ok(Some((data, validators)))
        });
        checked.await.map_err(|_| RefreshError::Died)?
    }

    async fn index(&self, good: &BTreeMap<FeedKind, Arc<FeedData>>) {
        if good.is_empty() {
            return;
        }
        let feeds: Vec<Arc<FeedData>> = good.values().cloned().collect();
        let built =
            tokio::task::spawn_blocking(move || Index::of(feeds.iter().map(|feed| Cow::Borrowed(&**feed))));
        match built.await {
            Ok(index) => self.exposure.replace(index),
            Err(_) => tracing::error!("building the index of the feeds died; the former one stays"),
        }
    }

    /// How every feed stands.
    pub async fn states(&self) -> Result<Vec<FeedState>, Problem> {
        let mut states = Vec::new();
        for kind in FeedKind::all() {
            let state = store::find(&self.db, kind.name()).await;
            let state = state.map_err(|error| storage_problem("read how the feeds stand", &error))?;
            let known = state.is_some();
            let state = state.unwrap_or_default();
            let last_success_at = state.last_success_at.map(moment);
            let age = last_success_at.map(|at| self.clock.now().duration_since(at).unsigned_abs());
            states.push(FeedState {
                kind,
                title: kind.title(),
                source: if known { state.source } else { self.source.of(kind).describe(kind) },
                as_of: state.as_of,
                records: state.records,
                last_success_at,
                last_attempt_at: state.last_attempt_at.map(moment),
                // A local list that is not there is as fresh as can be; one that is unfit is not.
                stale: (!kind.is_local() || state.fault.is_some()) && age.is_none_or(|age| age > STALE_AFTER),
                fault: state.fault,
            });
        }
        Ok(states)
    }
}

/// An error with all its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    said
}

pub(super) fn parse_layers(kind: FeedKind, layers: &[Layer]) -> Result<FeedData, RefreshError> {
    let mut whole: Option<FeedData> = None;
    for layer in layers {
        let parsed = vulns::parse(kind, FeedFile { path: &layer.path, bytes: &layer.bytes })
            .map_err(|source| RefreshError::Refused { path: layer.path.clone(), source })?;
        match &mut whole {
            Some(whole) => whole.merge(parsed),
            None => whole = Some(parsed),
        }
    }
    whole.ok_or(RefreshError::RefusedWhole(FeedError::Empty))
}

/// Where the n-th file of a feed is kept: its own name behind its place in the order.
fn kept_name(number: usize, path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{number:04}-{name}")
}

fn is_kept(folder: &Path, layers: &[Layer]) -> bool {
    let same = |(number, layer): (usize, &Layer)| {
        std::fs::read(folder.join(kept_name(number, &layer.path))).is_ok_and(|bytes| bytes == layer.bytes)
    };
    let count = std::fs::read_dir(folder).map(Iterator::count).unwrap_or_default();
    count == layers.len() && layers.iter().enumerate().all(same)
}

/// Puts a good copy in place of the former one: written aside, then renamed.
fn keep(folder: &Path, layers: &[Layer]) -> std::io::Result<()> {
    let (aside, former) = (folder.with_extension("new"), folder.with_extension("former"));
    for leftover in [&aside, &former] {
        if leftover.exists() {
            std::fs::remove_dir_all(leftover)?;
        }
    }
    std::fs::create_dir_all(&aside)?;
    for (number, layer) in layers.iter().enumerate() {
        std::fs::write(aside.join(kept_name(number, &layer.path)), &layer.bytes)?;
    }
    if folder.exists() {
        std::fs::rename(folder, &former)?;
    }
    std::fs::rename(&aside, folder)?;
    if former.exists() {
        std::fs::remove_dir_all(&former)?;
    }
    Ok(())
}

fn load_kept(folder: &Path, kind: FeedKind) -> Result<Option<FeedData>, RefreshError> {
    // Killed between the two renames, only the former copy is there.
    let former = folder.with_extension("former");
    let folder = if folder.exists() { folder } else { former.as_path() };
    let layers = kept(folder).map_err(RefreshError::Keep)?;
    if layers.is_empty() { Ok(None) } else { parse_layers(kind, &layers).map(Some) }
}

/// The files of the last good copy, in their order; none when there is no copy.
fn kept(folder: &Path) -> std::io::Result<Vec<Layer>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The place in the order is given anew.
        let name = name.split_once('-').map_or(&*name, |(_, name)| name).to_owned();
        Ok(Layer { bytes: std::fs::read(&path)?, path: name })
    };
    paths.into_iter().map(read).collect()
}

/// The last good copy and what has come since. A page that is known already, because a
/// look goes further back than the last one, is not kept twice.
fn with_kept(folder: &Path, added: Vec<Layer>) -> Result<Vec<Layer>, RefreshError> {
    let mut layers = kept(folder).map_err(RefreshError::Keep)?;
    for layer in added {
        if layers.iter().all(|kept| kept.bytes != layer.bytes) {
            layers.push(layer);
        }
    }
    Ok(layers)
}
