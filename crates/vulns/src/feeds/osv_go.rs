//! OSV records about Go modules: the Go vulnerability database (`GO-…`) and
//! GitHub's advisories (`GHSA-…`). Of these only the engines matter.
//!
//! Format: <https://ossf.github.io/osv-schema/>. MinIO's releases are no Go versions, so
//! records name commits (pseudo-versions), or hold the real range in `custom_ranges`.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Content, Feed, FeedData, FeedError, FeedFile, FeedKind, date_in_name,
    json::{self, Text},
    unpack,
};
use crate::{
    cve_facts::CveTable,
    engine::{
        End, Product,
        advisory::{Origin, RecordKey, Said},
        range::{Affected, Bound, Range},
    },
};

pub(super) struct OsvGo;

const EXPECTED: &str = "an OSV record with `id`, `modified` and `affected`";

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    modified: Timestamp,
    withdrawn: Option<Timestamp>,
    #[serde(borrow, default)]
    aliases: Vec<Text<'a>>,
    #[serde(borrow, default)]
    affected: Vec<AffectedModule<'a>>,
}

#[derive(Deserialize)]
struct AffectedModule<'a> {
    #[serde(borrow)]
    package: Package<'a>,
    #[serde(borrow, default)]
    ranges: Vec<OsvRange<'a>>,
    #[serde(borrow)]
    ecosystem_specific: Option<EcosystemSpecific<'a>>,
}

#[derive(Deserialize)]
struct Package<'a> {
    #[serde(borrow)]
    ecosystem: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct EcosystemSpecific<'a> {
    #[serde(borrow, default)]
    custom_ranges: Vec<OsvRange<'a>>,
}

#[derive(Deserialize)]
struct OsvRange<'a> {
    #[serde(borrow, default)]
    events: Vec<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    introduced: Option<Text<'a>>,
    #[serde(borrow)]
    fixed: Option<Text<'a>>,
    #[serde(borrow)]
    last_affected: Option<Text<'a>>,
}

impl Feed for OsvGo {
    fn kind(&self) -> FeedKind {
        FeedKind::OsvGo
    }

    fn title(&self) -> &'static str {
        "Go and GitHub advisories"
    }

    fn public_url(&self) -> &'static str {
        "https://github.com/golang/vulndb/archive/refs/heads/master.tar.gz"
    }

    fn recognises(&self, folder: &str, name: &str) -> bool {
        let known = ["go-vulndb", "github-advisories", "minio-osv"];
        let ours = folder.rsplit('/').next() == Some("osv") || known.iter().any(|own| name.starts_with(own));
        ours && (name.ends_with(".json") || name.ends_with(".jsonl"))
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let mut table = CveTable::default();
        let mut newest = None;
        let mut note = |record: &Record<'_>| {
            // Some publishers put the year 1 for "not known".
            let modified = Some(record.modified).filter(|time| *time > Timestamp::UNIX_EPOCH);
            newest = newest.max(modified);
            take(&mut table, record, modified);
        };
        if unpack::first_byte(file.bytes)? == Some(b'[') {
            let bytes = unpack::document(file.bytes)?;
            let records: Vec<Record<'_>> = serde_json::from_slice(&bytes)
                .map_err(|error| json::refusal(error, &bytes, None, EXPECTED))?;
            records.iter().for_each(note);
        } else {
            unpack::each_record(file.bytes, |number, bytes| {
                json::must_look_like_json(bytes)?;
                let record: Record<'_> = serde_json::from_slice(bytes)
                    .map_err(|error| json::refusal(error, bytes, Some(number), EXPECTED))?;
                note(&record);
                Ok(())
            })?;
        }
        Ok(FeedData::new(self.kind(), newest.or_else(|| date_in_name(file.path)), Content::Cves(table)))
    }
}

fn take(table: &mut CveTable, record: &Record<'_>, modified: Option<Timestamp>) {
    let key = RecordKey { supplement: false, id: (*record.id).into() };
    // A record that was withdrawn retracts itself, not the CVE.
    if !table.engines.begin(&key, modified) || record.withdrawn.is_some() {
        return;
    }
    for module in &record.affected {
        let Some(product) = Product::of_go_module(&module.package.name) else { continue };
        if &*module.package.ecosystem != "Go" {
            continue;
        }
        let affected = module.affected(product);
        for cve in names(record) {
            table.engines.said.push(Said {
                cve: cve.into(),
                product,
                origin: Origin::Osv,
                by: Arc::clone(&key.id),
                affected: affected.clone(),
                correction: None,
                record: key.clone(),
            });
        }
    }
}

/// The CVEs that the record is about, or its own name while there is none.
fn names<'a>(record: &'a Record<'_>) -> Vec<&'a str> {
    let aliases = record.aliases.iter().map(|alias| &**alias);
    let cves: Vec<&str> = aliases.filter(|alias| alias.starts_with("CVE-")).collect();
    if cves.is_empty() { vec![&*record.id] } else { cves }
}

impl AffectedModule<'_> {
    fn affected(&self, product: Product) -> Affected {
        // Where the real range is no Go version, `ranges` only says "from the beginning on".
        let custom = self.ecosystem_specific.as_ref().map(|specific| &specific.custom_ranges);
        let ranges = custom.filter(|custom| !custom.is_empty()).unwrap_or(&self.ranges);
        if ranges.is_empty() {
            return Affected::Range(Range::EVERY);
        }
        Affected::Any(ranges.iter().flat_map(|range| range.parts(product)).collect())
    }
}

impl OsvRange<'_> {
    /// Events come in order: each `introduced` opens a part, what follows closes it.
    fn parts(&self, product: Product) -> Vec<Affected> {
        let mut parts = Vec::new();
        let mut open: Option<Bound> = None;
        for event in &self.events {
            if let Some(text) = &event.introduced {
                open.get_or_insert_with(|| Bound::including(product, text, End::Lower));
            }
            let to = match (&event.fixed, &event.last_affected) {
                (Some(text), _) => Bound::excluding(product, text, End::Upper),
                (None, Some(text)) => Bound::including(product, text, End::Upper),
                (None, None) => continue,
            };
            parts.push(Affected::Range(Range { from: open.take().unwrap_or(Bound::Open), to }));
        }
        parts.extend(open.map(|from| Affected::Range(Range { from, to: Bound::Open })));
        parts
    }
}
