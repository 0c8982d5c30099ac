//! Ubuntu's security metadata in the OSV format: CVE records (`UBUNTU-CVE-…`),
//! which say what is affected, and notices (`USN-…`), which say what was released.
//! Live-patch notices (`LSN-…`) say which modules fix a kernel while it runs.
//!
//! Formats: <https://ossf.github.io/osv-schema/> and
//! <https://documentation.ubuntu.com/security/security-updates/osv/>

use std::{collections::HashMap, sync::Arc};

use base::{Distribution, Release};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::{
    Content, Feed, FeedData, FeedError, FeedFile, FeedKind,
    json::{self, Text},
    unpack,
};
use crate::{
    advisories::{Advisories, Row},
    cve_facts::CveFacts,
    livepatch::LivepatchRow,
    proof::Statement,
    score::{Score, ScoreRole},
    severity::Severity,
    symbols::Symbol,
    version,
};

pub(super) struct UbuntuOsv;

const EXPECTED: &str = "an OSV record with `id`, `modified` and `affected`";

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    modified: Timestamp,
    withdrawn: Option<Timestamp>,
    #[serde(borrow, default)]
    upstream: Vec<Text<'a>>,
    #[serde(borrow, default)]
    related: Vec<Text<'a>>,
    #[serde(borrow, default)]
    severity: Vec<Rating<'a>>,
    #[serde(borrow, default)]
    affected: Vec<Affected<'a>>,
}

#[derive(Deserialize)]
struct Rating<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    score: Text<'a>,
}

#[derive(Deserialize)]
struct Affected<'a> {
    #[serde(borrow)]
    package: Package<'a>,
    #[serde(borrow, default)]
    ranges: Ranges<'a>,
    #[serde(borrow)]
    ecosystem_specific: Option<EcosystemSpecific<'a>>,
    #[serde(borrow)]
    database_specific: Option<DatabaseSpecific<'a>>,
}

#[derive(Deserialize)]
struct Package<'a> {
    #[serde(borrow)]
    ecosystem: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

/// The affected ranges of a package, as far as it matters where they end. Read without lists: this is
/// the innermost part of half a million entries.
#[derive(Default)]
struct Ranges<'a> {
    /// The latest version that ends a range.
    fixed: Option<Text<'a>>,
    /// Whether a range has no end.
    open: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Ranges<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut ranges = Self::default();
        json::each_item(deserializer, |Range { events: LastEvent(fixed) }: Range<'a>| match fixed {
            None => ranges.open = true,
            Some(end) if ranges.fixed.as_ref().is_none_or(|last| version::compare(last, &end).is_le()) => {
                ranges.fixed = Some(end);
            }
            Some(_) => {}
        })?;
        Ok(ranges)
    }
}

#[derive(Deserialize)]
struct Range<'a> {
    #[serde(borrow)]
    events: LastEvent<'a>,
}

/// What the last event of a range fixes, if it does.
struct LastEvent<'a>(Option<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for LastEvent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut last = None;
        json::each_item(deserializer, |event: Event<'a>| last = event.fixed)?;
        Ok(Self(last))
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    fixed: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct EcosystemSpecific<'a> {
    /// The priority of this package, where it differs from the CVE's.
    #[serde(borrow)]
    ubuntu_priority: Option<Text<'a>>,
    /// In live-patch notices, the pattern of the names of modules for this kernel.
    #[serde(borrow)]
    module_name_regex: Option<Text<'a>>,
    /// In live-patch notices, the first version of such a module with the fixes.
    #[serde(borrow)]
    module_version: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct DatabaseSpecific<'a> {
    #[serde(borrow)]
    cves_map: Option<CvesMap<'a>>,
}

#[derive(Deserialize)]
struct CvesMap<'a> {
    #[serde(borrow, default)]
    cves: Vec<NoticeCve<'a>>,
}

#[derive(Deserialize)]
struct NoticeCve<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow, default)]
    severity: Vec<Rating<'a>>,
}

impl Feed for UbuntuOsv {
    fn kind(&self) -> FeedKind {
        FeedKind::UbuntuOsv
    }

    fn title(&self) -> &'static str {
        "Ubuntu CVE records and security notices"
    }

    fn public_url(&self) -> &'static str {
        "https://security-metadata.canonical.com/osv/osv-all.tar.xz"
    }

    fn recognises(&self, folder: &str, name: &str) -> bool {
        let ours = folder.rsplit('/').next() == Some("ubuntu") || name.starts_with("ubuntu");
        name == "osv-all.tar" || ours && name.contains("osv") && name.ends_with(".jsonl")
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let mut reading = Reading::default();
        let mut newest = None;
        unpack::each_record(file.bytes, |number, bytes| {
            json::must_look_like_json(bytes)?;
            let record: Record<'_> =
                json::record(bytes).map_err(|error| json::refusal(error, bytes, Some(number), EXPECTED))?;
            newest = newest.max(Some(record.modified));
            reading.take(&record);
            Ok(())
        })?;
        let mut said = reading.said;
        said.settle();
        Ok(FeedData::new(self.kind(), newest, Content::Packages(said)))
    }
}

#[derive(Default)]
struct Reading {
    said: Advisories,
    /// Where the rows of a CVE's record stand.
    places: HashMap<Symbol, std::ops::Range<usize>>,
}

impl Reading {
    fn take(&mut self, record: &Record<'_>) {
        if let Some(cve) = record.id.strip_prefix("UBUNTU-") {
            self.take_cve(record, cve);
        } else if record.id.starts_with("USN-") {
            take_notice(&mut self.said, record);
        } else if record.id.starts_with("LSN-") {
            take_livepatch(&mut self.said, record);
        }
    }

    fn take_cve(&mut self, record: &Record<'_>, cve: &str) {
        let said = &mut self.said;
        let cve = said.symbols.intern(cve);
        // A record that lists nothing at all may be one whose list was lost. However new, it takes away
        // nothing that another one says; only a withdrawal does.
        if record.affected.is_empty() && record.withdrawn.is_none() {
            said.modified.entry(cve).or_insert(Timestamp::MIN);
            return;
        }
        // Of the same record twice in one file, the newer one counts.
        if said.modified.get(&cve).is_some_and(|known| *known > record.modified) {
            return;
        }
        said.modified.insert(cve, record.modified);
        said.facts.put(Arc::clone(said.symbols.text(cve)), facts(record));
        if let Some(former) = self.places.remove(&cve) {
            said.rows[former].iter_mut().for_each(|row| row.statement = Statement::NotAffected);
        }
        let start = said.rows.len();
        // A record that was withdrawn stands for "affects nothing".
        if record.withdrawn.is_none() {
            add_rows(said, record, cve);
        }
        self.places.insert(cve, start..said.rows.len());
    }
}

fn add_rows(said: &mut Advisories, record: &Record<'_>, cve: Symbol) {
    let priority = priority(&record.severity);
    let start = said.rows.len();
    for affected in &record.affected {
        let own = affected.ecosystem_specific.as_ref().and_then(|said| said.ubuntu_priority.as_deref());
        let severity = own.map_or(priority, severity_of);
        if let Some(row) = row(said, affected, cve, severity) {
            said.rows.push(row);
        }
    }
    join_pockets(said, start);
}

fn take_notice(said: &mut Advisories, record: &Record<'_>) {
    let notice = said.symbols.intern(&record.id);
    said.announced.insert(notice, Some(record.modified));
    // A notice that was withdrawn announces nothing.
    if record.withdrawn.is_some() {
        return;
    }
    for affected in &record.affected {
        let listed = affected.database_specific.as_ref().and_then(|said| said.cves_map.as_ref());
        let mut cves: Vec<(&str, Severity)> = match listed {
            Some(map) => map.cves.iter().map(|cve| (&*cve.id, priority(&cve.severity))).collect(),
            // Older notices only name their CVEs for all releases together.
            None => {
                record.upstream.iter().chain(&record.related).map(|id| (&**id, Severity::Unknown)).collect()
            }
        };
        for (id, _) in &mut cves {
            *id = id.strip_prefix("UBUNTU-").unwrap_or(id);
        }
        cves.retain(|(id, _)| id.starts_with("CVE-"));
        cves.sort_by_key(|(id, _)| *id);
        cves.dedup_by_key(|(id, _)| *id);
        for (id, severity) in cves {
            let cve = said.symbols.intern(id);
            if let Some(row) = row(said, affected, cve, severity) {
                said.notices.push(Row { notice: Some(notice), ..row });
            }
        }
    }
}

fn take_livepatch(said: &mut Advisories, record: &Record<'_>) {
    let notice = said.symbols.intern(&record.id);
    // Of the same notice twice in one file, the newer one counts.
    if matches!(said.announced.get(&notice), Some(Some(known)) if *known > record.modified) {
        return;
    }
    said.livepatches.retain(|row| row.notice != notice);
    said.announced.insert(notice, Some(record.modified));
    if record.withdrawn.is_some() {
        return;
    }
    let named = record.upstream.iter().chain(&record.related);
    let cves: Vec<Symbol> = named
        .map(|id| id.strip_prefix("UBUNTU-").unwrap_or(id))
        .filter(|id| id.starts_with("CVE-"))
        .map(|id| said.symbols.intern(id))
        .collect();
    for affected in &record.affected {
        let Some((release, _)) = pocket(&affected.package.ecosystem) else { continue };
        let module = affected.ecosystem_specific.as_ref().and_then(|said| {
            Some((said.module_name_regex.as_deref()?, said.module_version.as_deref()?.parse().ok()?))
        });
        let Some((pattern, version)) = module else { continue };
        let source = said.symbols.intern(&affected.package.name);
        let module = said.symbols.intern(pattern);
        said.livepatches.extend(cves.iter().map(|cve| LivepatchRow {
            release,
            source,
            cve: *cve,
            notice,
            module,
            version,
        }));
    }
}

fn row(said: &mut Advisories, affected: &Affected<'_>, cve: Symbol, severity: Severity) -> Option<Row> {
    let (release, pro) = pocket(&affected.package.ecosystem)?;
    let fixed = fixed(affected).map(|version| said.symbols.intern(version));
    Some(Row {
        release,
        source: said.symbols.intern(&affected.package.name),
        cve,
        statement: Statement::Affected,
        fixed: if pro { None } else { fixed },
        pro_fixed: if pro { fixed } else { None },
        pro_only: pro,
        severity,
        notice: None,
        layer: 0,
    })
}

/// The release an ecosystem stands for, and whether it is the Pro one. FIPS and real-time
/// ecosystems are other builds and say nothing about the release.
fn pocket(ecosystem: &str) -> Option<(Release, bool)> {
    let rest = ecosystem.strip_prefix("Ubuntu:")?;
    let (rest, pro) = match rest.strip_prefix("Pro:") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let version = rest.strip_suffix(":LTS").unwrap_or(rest);
    let known = Release::ALL.iter().copied().filter(|release| release.distribution() == Distribution::Ubuntu);
    known.into_iter().find(|release| release.version() == version).map(|release| (release, pro))
}

/// The version that ends the last affected range; `None` while it is still open.
fn fixed<'a>(affected: &'a Affected<'_>) -> Option<&'a str> {
    let Ranges { fixed, open } = &affected.ranges;
    fixed.as_deref().filter(|_| !open)
}

/// Makes one row of the rows that a record has for one package: its release's own and its Pro one.
fn join_pockets(said: &mut Advisories, start: usize) {
    let Advisories { symbols, rows, .. } = said;
    rows[start..].sort_by_key(|row| (row.release, row.source, row.pro_only));
    let later = |a: Option<Symbol>, b: Option<Symbol>| match (a, b) {
        (Some(a), Some(b)) if version::compare(symbols.text(a), symbols.text(b)).is_ge() => Some(a),
        (a, b) => b.or(a),
    };
    let mut kept: Vec<Row> = Vec::with_capacity(rows.len() - start);
    for row in rows.drain(start..) {
        match kept.last_mut() {
            Some(last) if (last.release, last.source) == (row.release, row.source) => {
                last.fixed = later(last.fixed, row.fixed);
                last.pro_fixed = later(last.pro_fixed, row.pro_fixed);
            }
            _ => kept.push(row),
        }
    }
    rows.append(&mut kept);
}

/// What the record says of its CVE. Ubuntu repeats scores of others and does not say whose.
fn facts(record: &Record<'_>) -> CveFacts {
    let scores = record.severity.iter().filter(|score| score.kind.starts_with("CVSS_"));
    let scores = scores.filter_map(|score| {
        Score::of_vector(&score.score, Arc::from("Ubuntu's record"), ScoreRole::Secondary)
    });
    CveFacts { modified: Some(record.modified), scores: scores.collect(), ..CveFacts::default() }
}

fn priority(scores: &[Rating<'_>]) -> Severity {
    scores
        .iter()
        .find(|score| &*score.kind == "Ubuntu")
        .map_or(Severity::Unknown, |score| severity_of(&score.score))
}

/// <https://ubuntu.com/security/cves/about#priority>. `untriaged` is no score.
fn severity_of(priority: &str) -> Severity {
    match priority {
        "critical" => Severity::Critical,
        "high" => Severity::High,
        "medium" => Severity::Medium,
        "low" | "negligible" => Severity::Low,
        _ => Severity::Unknown,
    }
}
