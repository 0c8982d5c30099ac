//! The scores and decision points of a CVE record.
//!
//! Format: <https://github.com/CVEProject/cve-schema>, `metrics`. Beside CVSS an entry
//! may hold `other`, whose content is free; CISA puts its decision points and the day
//! of its catalogue there.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{Pairs, Text};
use crate::{
    cve_facts::CveFacts,
    feeds::{FeedKind, KevEntry},
    score::{BaseScore, CvssVersion, Score, ScoreRole},
    ssvc::Ssvc,
};

#[derive(Deserialize)]
pub(super) struct MetricEntry<'a> {
    #[serde(borrow, rename = "cvssV4_0")]
    v40: Option<Cvss<'a>>,
    #[serde(borrow, rename = "cvssV3_1")]
    v31: Option<Cvss<'a>>,
    #[serde(borrow, rename = "cvssV3_0")]
    v30: Option<Cvss<'a>>,
    #[serde(borrow, rename = "cvssV2_0")]
    v2: Option<Cvss<'a>>,
    #[serde(borrow)]
    other: Option<Other<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cvss<'a> {
    #[serde(borrow)]
    vector_string: Option<Text<'a>>,
    base_score: Option<f64>,
}

#[derive(Deserialize)]
struct Other<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    /// Read only where the kind is known: elsewhere it may be anything.
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SsvcContent<'a> {
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow, default)]
    options: Vec<Pairs<'a, Text<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KevContent<'a> {
    #[serde(borrow)]
    date_added: Text<'a>,
}

impl MetricEntry<'_> {
    /// Adds what the entry says. The author of a CVE and CISA are both secondary: NVD's own score,
    /// where there is one, is the primary one.
    pub fn add_to(&self, facts: &mut CveFacts, by: &str, title: &str) {
        let versions = [
            (CvssVersion::V40, &self.v40),
            (CvssVersion::V31, &self.v31),
            (CvssVersion::V30, &self.v30),
            (CvssVersion::V2, &self.v2),
        ];
        for (version, cvss) in versions {
            let Some(cvss) = cvss else { continue };
            let Some(base) = cvss.base_score.and_then(BaseScore::new) else { continue };
            let vector = cvss.vector_string.as_deref().unwrap_or_default().into();
            facts.scores.push(Score { version, base, vector, source: by.into(), role: ScoreRole::Secondary });
        }
        let Some(Other { kind: Some(kind), content: Some(content) }) = &self.other else { return };
        match &**kind {
            "ssvc" => facts.ssvc = ssvc(content, by).map(Arc::new).or(facts.ssvc.take()),
            "kev" => facts.kev = kev(content, title).map(Arc::new).or(facts.kev.take()),
            _ => {}
        }
    }
}

fn ssvc(content: &RawValue, by: &str) -> Option<Ssvc> {
    let content: SsvcContent<'_> = serde_json::from_str(content.get()).ok()?;
    let mut ssvc = Ssvc::by(by.into(), content.timestamp.as_deref().and_then(|time| time.parse().ok()));
    for (point, value) in content.options.iter().flat_map(|option| &option.0) {
        ssvc.decide(point, value);
    }
    (!ssvc.is_open()).then_some(ssvc)
}

fn kev(content: &RawValue, title: &str) -> Option<KevEntry> {
    let content: KevContent<'_> = serde_json::from_str(content.get()).ok()?;
    let date_added = content.date_added.parse().ok()?;
    // The record repeats neither the deadline nor the use by ransomware.
    Some(KevEntry { name: title.to_owned(), ..KevEntry::dated(FeedKind::CveRecords, date_added) })
}
