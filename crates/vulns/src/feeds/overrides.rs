//! The local override list: what the operator knows better than the feeds. For a
//! CVE and an engine it states the affected versions, the fix, and why; it outranks
//! every other source, and each finding says so.
//!
//! ```json
//! {"overrides": [{"cve": "CVE-2024-24747", "product": "minio",
//!   "affected": ["< RELEASE.2024-01-31T20-20-33Z"], "fixed": "RELEASE.2024-01-31T20-20-33Z",
//!   "reason": "NVD names the fixed release as the affected one"}]}
//! ```
//!
//! `affected` may be empty: no version is. `fixed` may be left out.

use std::sync::Arc;

use serde::{Deserialize, de::Error as _};

use super::{
    Content, Feed, FeedData, FeedError, FeedFile, FeedKind, date_in_name,
    json::{self, Text},
    unpack,
};
use crate::{
    cve_facts::CveTable,
    engine::{
        EngineVersion, Product,
        advisory::{Correction, Origin, RecordKey, Said},
        range::Affected,
    },
};

pub(super) struct Overrides;

const EXPECTED: &str = "an override list: `overrides`, each with `cve`, `product`, `affected` (such as `[\"< 16.4\"]`) and `reason`";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List<'a> {
    #[serde(borrow)]
    overrides: Vec<Override<'a>>,
}

/// Unknown members are refused: a misspelt one would otherwise be dropped in silence.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Override<'a> {
    #[serde(borrow)]
    cve: Text<'a>,
    product: Product,
    #[serde(borrow)]
    affected: Vec<Text<'a>>,
    #[serde(borrow)]
    fixed: Option<Text<'a>>,
    #[serde(borrow)]
    reason: Text<'a>,
}

impl Feed for Overrides {
    fn kind(&self) -> FeedKind {
        FeedKind::Overrides
    }

    fn title(&self) -> &'static str {
        "Local override list"
    }

    fn public_url(&self) -> &'static str {
        ""
    }

    fn recognises(&self, _folder: &str, name: &str) -> bool {
        name == "overrides.json"
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let bytes = unpack::document(file.bytes)?;
        json::must_look_like_json(&bytes)?;
        let refuse = |error| json::refusal(error, &bytes, None, EXPECTED);
        let list: List<'_> = serde_json::from_slice(&bytes).map_err(refuse)?;
        let mut table = CveTable::default();
        for (at, one) in list.overrides.iter().enumerate() {
            let said = one.read().map_err(|source| FeedError::WrongShape {
                at: format!("override {}", at + 1),
                expected: EXPECTED,
                source,
            })?;
            table.engines.begin(&said.record, None);
            table.engines.said.push(said);
        }
        Ok(FeedData::new(self.kind(), date_in_name(file.path), Content::Cves(table)))
    }
}

impl Override<'_> {
    /// An override must be beyond doubt, so that nothing in it may be unreadable.
    fn read(&self) -> Result<Said, serde_json::Error> {
        let Self { cve, product, affected, fixed, reason } = self;
        if reason.trim().is_empty() {
            return Err(serde_json::Error::custom("the reason is empty"));
        }
        let mut parts = Vec::with_capacity(affected.len());
        for text in affected {
            let part = Affected::of_text(*product, text);
            if !part.is_readable() {
                return Err(serde_json::Error::custom(format_args!("`{}` is no range of versions", &**text)));
            }
            parts.push(part);
        }
        if let Some(fixed) = fixed {
            EngineVersion::read(*product, fixed).map_err(serde_json::Error::custom)?;
        }
        let correction = Correction { fixed: fixed.as_deref().map(Arc::from), reason: Arc::from(&**reason) };
        Ok(Said {
            cve: Arc::from(&**cve),
            product: *product,
            origin: Origin::Override,
            by: "override".into(),
            affected: Affected::Any(parts),
            correction: Some(Arc::new(correction)),
            record: RecordKey { supplement: false, id: format!("{product} {}", &**cve).into() },
        })
    }
}
