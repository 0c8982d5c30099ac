//! CVE records in the JSON format 5: what the author (CNA) says, and what CISA adds
//! (its ADP container): decision points, scores, affected versions.
//!
//! Format: <https://github.com/CVEProject/cve-schema>.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Content, Feed, FeedData, FeedError, FeedFile, FeedKind,
    cna::AffectedProduct,
    cve_metrics::MetricEntry,
    json::{self, Text},
    unpack,
};
use crate::{
    cve_facts::{CveFacts, CveTable},
    engine::advisory::{Origin, RecordKey, Said},
};

pub(super) struct CveRecords;

const EXPECTED: &str = "a CVE record of format 5 with `cveMetadata` and `containers`";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow)]
    cve_metadata: Metadata<'a>,
    #[serde(borrow)]
    containers: Containers<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    cve_id: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(borrow)]
    date_updated: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Containers<'a> {
    #[serde(borrow)]
    cna: Container<'a>,
    #[serde(borrow, default)]
    adp: Vec<Container<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    #[serde(borrow)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    provider_metadata: Option<Provider<'a>>,
    #[serde(borrow, default)]
    affected: Vec<AffectedProduct<'a>>,
    #[serde(borrow, default)]
    metrics: Vec<MetricEntry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider<'a> {
    #[serde(borrow)]
    short_name: Option<Text<'a>>,
    #[serde(borrow)]
    org_id: Option<Text<'a>>,
}

impl Container<'_> {
    fn by(&self) -> &str {
        let provider = self.provider_metadata.as_ref();
        let name = provider.and_then(|by| by.short_name.as_deref().or(by.org_id.as_deref()));
        name.unwrap_or("a provider that the record does not name")
    }
}

impl Feed for CveRecords {
    fn kind(&self) -> FeedKind {
        FeedKind::CveRecords
    }

    fn title(&self) -> &'static str {
        "CVE records with CISA's additions"
    }

    fn public_url(&self) -> &'static str {
        "https://github.com/cisagov/vulnrichment/archive/refs/heads/develop.tar.gz"
    }

    fn recognises(&self, folder: &str, name: &str) -> bool {
        let ours = folder.rsplit('/').next() == Some("cve") || name.starts_with("vulnrichment");
        ours && (name.ends_with(".jsonl") || name.ends_with(".tar"))
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let mut table = CveTable::default();
        let mut newest = None;
        unpack::each_record(file.bytes, |number, bytes| {
            json::must_look_like_json(bytes)?;
            let record: Record<'_> = serde_json::from_slice(bytes)
                .map_err(|error| json::refusal(error, bytes, Some(number), EXPECTED))?;
            let modified = record.cve_metadata.date_updated.as_deref().and_then(|time| time.parse().ok());
            newest = newest.max(modified);
            take(&mut table, &record, modified);
            Ok(())
        })?;
        Ok(FeedData::new(self.kind(), newest, Content::Cves(table)))
    }
}

fn take(table: &mut CveTable, record: &Record<'_>, modified: Option<Timestamp>) {
    let id: Arc<str> = (*record.cve_metadata.cve_id).into();
    let key = RecordKey { supplement: false, id: Arc::clone(&id) };
    if !table.engines.begin(&key, modified) {
        return;
    }
    let rejected = record.cve_metadata.state.eq_ignore_ascii_case("rejected");
    let mut facts = CveFacts { modified, rejected, ..CveFacts::default() };
    let Containers { cna, adp } = &record.containers;
    for container in std::iter::once(cna).chain(adp) {
        for metric in &container.metrics {
            metric.add_to(&mut facts, container.by(), cna.title.as_deref().unwrap_or(&id));
        }
    }
    table.put(Arc::clone(&id), facts);
    if rejected {
        return;
    }
    let author = std::iter::once((cna, Origin::CveAuthor));
    for (container, origin) in author.chain(adp.iter().map(|added| (added, Origin::CveAdded))) {
        for entry in &container.affected {
            if let Some(product) = entry.engine()
                && let Some(affected) = entry.affected(product)
            {
                table.engines.said.push(Said {
                    cve: Arc::clone(&id),
                    product,
                    origin,
                    by: container.by().into(),
                    affected,
                    correction: None,
                    record: key.clone(),
                });
            }
        }
    }
}
