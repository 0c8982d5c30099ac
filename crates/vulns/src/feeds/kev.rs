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
    /// Who makes the product.
    #[serde(default)]
    pub vendor: String,
    /// The product.
    #[serde(default)]
    pub product: String,
    /// What it is, in a sentence or two.
    #[serde(default)]
    pub description: String,
    /// What CISA requires to be done.
    #[serde(default)]
    pub required_action: String,
    /// References and remarks.
    #[serde(default)]
    pub notes: String,
    /// The kinds of weakness, such as `CWE-77`.
    #[serde(default)]
    pub cwes: Vec<String>,
    /// The feed that told it: the catalogue, or one that repeats it in part.
    #[serde(default = "the_catalogue")]
    pub told_by: FeedKind,
}

fn the_catalogue() -> FeedKind {
    FeedKind::Kev
}

impl KevEntry {
    /// An entry of which only the day is known, to be filled with what else is told.
    pub(crate) fn dated(told_by: FeedKind, date_added: Date) -> Self {
        Self {
            date_added,
            due_date: None,
            ransomware: false,
            name: String::new(),
            vendor: String::new(),
            product: String::new(),
            description: String::new(),
            required_action: String::new(),
            notes: String::new(),
            cwes: Vec::new(),
            told_by,
        }
    }
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
    #[serde(borrow)]
    vendor_project: Option<Text<'a>>,
    #[serde(borrow)]
    product: Option<Text<'a>>,
    #[serde(borrow)]
    short_description: Option<Text<'a>>,
    #[serde(borrow)]
    required_action: Option<Text<'a>>,
    #[serde(borrow)]
    notes: Option<Text<'a>>,
    #[serde(borrow, default)]
    cwes: Vec<Text<'a>>,
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
                // An entry without a deadline is still an exploited vulnerability.
                due_date: said.due_date.as_deref().and_then(|day| day.parse().ok()),
                ransomware: said
                    .known_ransomware_campaign_use
                    .as_deref()
                    .is_some_and(|known| known.eq_ignore_ascii_case("known")),
                name: said.vulnerability_name.to_string(),
                vendor: owned(said.vendor_project.as_ref()),
                product: owned(said.product.as_ref()),
                description: owned(said.short_description.as_ref()),
                required_action: owned(said.required_action.as_ref()),
                notes: owned(said.notes.as_ref()),
                cwes: said.cwes.iter().map(|cwe| cwe.to_string()).collect(),
                ..KevEntry::dated(FeedKind::Kev, said.date_added)
            };
            (Arc::from(&*said.cve), Arc::new(entry))
        });
        let entries: HashMap<Arc<str>, Arc<KevEntry>> = entries.collect();
        Ok(FeedData::new(self.kind(), Some(catalogue.date_released), Content::Exploited(entries)))
    }
}

fn owned(text: Option<&Text<'_>>) -> String {
    text.map(|text| text.to_string()).unwrap_or_default()
}
