//! NIST's National Vulnerability Database in the form of its API 2.0: one page,
//! several pages one after another, or records one a line. A supplementary set of
//! configurations has the same form and lacks dates.
//!
//! Format: <https://nvd.nist.gov/developers/vulnerabilities>. This product uses data
//! from the NVD API but is not endorsed or certified by the NVD.

use std::sync::Arc;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::Deserialize;

use super::{
    Content, Feed, FeedData, FeedError, FeedFile, FeedKind,
    cna::AffectedProduct,
    date_in_name,
    json::{self, Text},
    nvd_configuration::ConfigurationEntry,
    nvd_metrics::Metrics,
    unpack,
};
use crate::{
    cve_facts::{CveFacts, CveTable},
    engine::{
        Product,
        advisory::{Origin, RecordKey, Said},
        configuration::{self, Configuration},
    },
    feeds::KevEntry,
};

pub(super) struct Nvd;

const EXPECTED: &str = "a page with `vulnerabilities`, or a record with `cve`, of NVD's API 2.0";

/// NVD's own name as the source of an analysis.
const NVD: &str = "nvd@nist.gov";

/// A page or a record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    results_per_page: Option<u64>,
    start_index: Option<u64>,
    total_results: Option<u64>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    vulnerabilities: Option<Vec<Entry<'a>>>,
    #[serde(borrow)]
    cve: Option<Cve<'a>>,
    #[serde(borrow, rename = "_annotation")]
    annotation: Option<Annotation<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    cve: Cve<'a>,
}

/// Stands beside a record of a supplementary set and names its CVE.
#[derive(Deserialize)]
struct Annotation<'a> {
    #[serde(borrow)]
    cve_id: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cve<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    last_modified: Option<Text<'a>>,
    #[serde(borrow)]
    vuln_status: Option<Text<'a>>,
    #[serde(borrow)]
    metrics: Option<Metrics<'a>>,
    #[serde(borrow, default)]
    configurations: Vec<ConfigurationEntry<'a>>,
    #[serde(borrow, default)]
    affected: Vec<AuthorEntry<'a>>,
    #[serde(borrow)]
    cisa_exploit_add: Option<Text<'a>>,
    #[serde(borrow)]
    cisa_action_due: Option<Text<'a>>,
    #[serde(borrow)]
    cisa_required_action: Option<Text<'a>>,
    #[serde(borrow)]
    cisa_vulnerability_name: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorEntry<'a> {
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow, default)]
    affected_data: Vec<AffectedProduct<'a>>,
}

impl Feed for Nvd {
    fn kind(&self) -> FeedKind {
        FeedKind::Nvd
    }

    fn title(&self) -> &'static str {
        "NIST National Vulnerability Database"
    }

    fn public_url(&self) -> &'static str {
        "https://services.nvd.nist.gov/rest/json/cves/2.0"
    }

    fn recognises(&self, folder: &str, name: &str) -> bool {
        let ours = folder.rsplit('/').next() == Some("nvd") || name.starts_with("nvd-");
        // The retired format 1.1 has names of its own.
        ours && !name.starts_with("nvdcve-") && (name.ends_with(".json") || name.ends_with(".jsonl"))
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let bytes = unpack::document(file.bytes)?;
        let mut table = CveTable::default();
        let mut as_of = None;
        json::each_value(&bytes, EXPECTED, |number, item: Item<'_>| {
            as_of = as_of.max(item.timestamp.as_deref().and_then(time));
            match (item.vulnerabilities, item.cve, item.annotation) {
                (Some(entries), ..) => {
                    let rest = match (item.total_results, item.start_index) {
                        (Some(total), Some(start)) => total.saturating_sub(start),
                        _ => u64::MAX,
                    };
                    let stated = item.results_per_page.unwrap_or(0).min(rest);
                    let found = entries.len() as u64;
                    if found < stated {
                        return Err(FeedError::CountMismatch { stated, found });
                    }
                    entries.iter().try_for_each(|entry| take(&mut table, &entry.cve, None))
                }
                (None, Some(cve), annotation) => {
                    let named = annotation.as_ref().map(|annotation| &*annotation.cve_id);
                    take(&mut table, &cve, named)
                }
                (None, None, _) => Err(Missing),
            }
            .map_err(|Missing| json::missing(format!("item {number}"), EXPECTED))
        })?;
        Ok(FeedData::new(self.kind(), as_of.or_else(|| date_in_name(file.path)), Content::Cves(table)))
    }
}

/// A record without the name of its CVE, or something that is neither page nor record.
struct Missing;

fn take(table: &mut CveTable, cve: &Cve<'_>, named: Option<&str>) -> Result<(), Missing> {
    let id: Arc<str> = cve.id.as_deref().or(named).ok_or(Missing)?.into();
    let modified = cve.last_modified.as_deref().and_then(time);
    // What has neither date nor status is a supplement to the record, and must not replace it.
    let supplement = cve.last_modified.is_none() && cve.vuln_status.is_none();
    let key = RecordKey { supplement, id: Arc::clone(&id) };
    if !table.engines.begin(&key, modified) {
        return Ok(());
    }
    let rejected = cve.vuln_status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("rejected"));
    if !supplement {
        table.put(Arc::clone(&id), facts(cve, modified, rejected));
    }
    if !rejected {
        say(table, cve, &key);
    }
    Ok(())
}

fn facts(cve: &Cve<'_>, modified: Option<Timestamp>, rejected: bool) -> CveFacts {
    let kev = cve.cisa_exploit_add.as_ref().and_then(|day| {
        let text = |part: &Option<Text<'_>>| part.as_deref().unwrap_or_default().to_owned();
        Some(Arc::new(KevEntry {
            due_date: cve.cisa_action_due.as_ref().and_then(|day| day.parse().ok()),
            name: text(&cve.cisa_vulnerability_name),
            required_action: text(&cve.cisa_required_action),
            ..KevEntry::dated(FeedKind::Nvd, day.parse().ok()?)
        }))
    });
    let metrics = cve.metrics.as_ref();
    CveFacts {
        modified,
        scores: metrics.map(Metrics::scores).unwrap_or_default(),
        ssvc: metrics.and_then(Metrics::ssvc).map(Arc::new),
        rejected,
        kev,
        ..CveFacts::default()
    }
}

/// Notes what the record says of engines: NVD's analysis and, apart from it, the author's own words.
fn say(table: &mut CveTable, cve: &Cve<'_>, key: &RecordKey) {
    let mut said = |product, origin, by: &str, affected| {
        table.engines.said.push(Said {
            cve: Arc::clone(&key.id),
            product,
            origin,
            by: by.into(),
            affected,
            correction: None,
            record: key.clone(),
        });
    };
    // Most records name no engine; their configurations are not worth building.
    if cve.configurations.iter().any(ConfigurationEntry::may_name_engine) {
        let listed: Vec<Configuration> = cve.configurations.iter().map(ConfigurationEntry::read).collect();
        let (origin, by) = match key.supplement {
            true => (Origin::ConfigurationSet, "supplementary configurations"),
            false => (Origin::NvdConfiguration, NVD),
        };
        for product in Product::ALL {
            if let Some(affected) = configuration::affected(&listed, product) {
                said(product, origin, by, affected);
            }
        }
    }
    for author in &cve.affected {
        let by = author.source.as_deref().unwrap_or("the CVE's author");
        for entry in &author.affected_data {
            if let Some(product) = entry.engine()
                && let Some(affected) = entry.affected(product)
            {
                said(product, Origin::NvdAuthor, by, affected);
            }
        }
    }
}

/// NVD's times are in UTC and do not say so.
fn time(text: &str) -> Option<Timestamp> {
    let zoned = text.parse::<Timestamp>().ok();
    zoned.or_else(|| Some(text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}
