//! CISA's catalogue of known exploited vulnerabilities. It has no version ranges:
//! it is joined by CVE to what other feeds find.
//!
//! Format: <https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities_schema.json>

use std::{collections::HashMap, sync::Arc};

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::{Content, Feed, FeedData, FeedError, FeedFile, FeedKind, json, json::Text, unpack};

/// What CISA says of a vulnerability that is being exploited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KevEntry {
    /// The day it entered the catalogue.
    pub date_added: Date,
    /// The day by which federal agencies must have acted, if there is one.
    pub due_date: Option<Date>,
    /// Whether it is known to be used by ransomware.
    pub ransomware: bool,
    /// CISA's name for it.
    pub name: String,
}

pub(super) struct Kev;

const EXPECTED: &str = "CISA's catalogue: an object with `dateReleased`, `count` and `vulnerabilities`";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue<'a> {
    date_released: Timestamp,
    count: u64,
    #[serde(borrow)]
    vulnerabilities: Vec<Vulnerability<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vulnerability<'a> {
    #[serde(borrow, rename = "cveID")]
    cve: Text<'a>,
    #[serde(borrow)]
    vulnerability_name: Text<'a>,
    date_added: Date,
    #[serde(borrow)]
    due_date: Option<Text<'a>>,
    #[serde(borrow)]
    known_ransomware_campaign_use: Option<Text<'a>>,
}

impl Feed for Kev {
    fn kind(&self) -> FeedKind {
        FeedKind::Kev
    }

    fn title(&self) -> &'static str {
        "CISA known exploited vulnerabilities"
    }

    fn public_url(&self) -> &'static str {
        "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
    }

    fn recognises(&self, _folder: &str, name: &str) -> bool {
        // Exactly the publisher's name: an older copy carries its date, and there is a schema beside it.
        name == "known_exploited_vulnerabilities.json"
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let bytes = unpack::document(file.bytes)?;
        json::must_look_like_json(&bytes)?;
        let catalogue: Catalogue<'_> =
            serde_json::from_slice(&bytes).map_err(|error| json::refusal(error, &bytes, None, EXPECTED))?;
        let found = catalogue.vulnerabilities.len() as u64;
        if catalogue.count != found {
            return Err(FeedError::CountMismatch { stated: catalogue.count, found });
        }
        let entries = catalogue.vulnerabilities.iter().map(|said| {
            let entry = KevEntry {
                date_added: said.date_added,
                // An entry without a deadline is still an exploited vulnerability.
                due_date: said.due_date.as_deref().and_then(|day| day.parse().ok()),
                ransomware: said
                    .known_ransomware_campaign_use
                    .as_deref()
                    .is_some_and(|known| known.eq_ignore_ascii_case("known")),
                name: said.vulnerability_name.to_string(),
            };
            (Arc::from(&*said.cve), Arc::new(entry))
        });
        let entries: HashMap<Arc<str>, Arc<KevEntry>> = entries.collect();
        Ok(FeedData::new(self.kind(), Some(catalogue.date_released), Content::Exploited(entries)))
    }
}
