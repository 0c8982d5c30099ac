//! The scores and decision points of a record of NVD.
//!
//! Format: <https://nvd.nist.gov/developers/vulnerabilities>, `metrics`.

use serde::Deserialize;

use super::json::{Pairs, Text};
use crate::{
    score::{BaseScore, CvssVersion, Score, ScoreRole},
    ssvc::Ssvc,
};

#[derive(Deserialize)]
pub(super) struct Metrics<'a> {
    #[serde(borrow, default, rename = "cvssMetricV40")]
    v40: Vec<Metric<'a>>,
    #[serde(borrow, default, rename = "cvssMetricV31")]
    v31: Vec<Metric<'a>>,
    #[serde(borrow, default, rename = "cvssMetricV30")]
    v30: Vec<Metric<'a>>,
    #[serde(borrow, default, rename = "cvssMetricV2")]
    v2: Vec<Metric<'a>>,
    #[serde(borrow, default, rename = "ssvcV203")]
    ssvc: Vec<Decision<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric<'a> {
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    cvss_data: CvssData<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CvssData<'a> {
    #[serde(borrow)]
    vector_string: Option<Text<'a>>,
    base_score: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision<'a> {
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow)]
    ssvc_data: SsvcData<'a>,
}

#[derive(Deserialize)]
struct SsvcData<'a> {
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    /// A list of objects with one member each.
    #[serde(borrow, default)]
    options: Vec<Pairs<'a, Text<'a>>>,
}

/// Who is meant where a metric names nobody.
const UNNAMED: &str = "a source that NVD does not name";

impl Metrics<'_> {
    /// Every score, in the order of the record.
    pub fn scores(&self) -> Vec<Score> {
        let versions = [
            (CvssVersion::V40, &self.v40),
            (CvssVersion::V31, &self.v31),
            (CvssVersion::V30, &self.v30),
            (CvssVersion::V2, &self.v2),
        ];
        let each = versions.into_iter().flat_map(|(version, metrics)| {
            metrics.iter().filter_map(move |metric| {
                let primary = metric.role.as_deref().is_some_and(|role| role.eq_ignore_ascii_case("primary"));
                Some(Score {
                    version,
                    base: BaseScore::new(metric.cvss_data.base_score)?,
                    vector: metric.cvss_data.vector_string.as_deref().unwrap_or_default().into(),
                    source: metric.source.as_deref().unwrap_or(UNNAMED).into(),
                    role: if primary { ScoreRole::Primary } else { ScoreRole::Secondary },
                })
            })
        });
        each.collect()
    }

    /// The decision that was made last.
    pub fn ssvc(&self) -> Option<Ssvc> {
        let each = self.ssvc.iter().map(|decision| {
            let source = decision.source.as_deref().unwrap_or(UNNAMED).into();
            let data = &decision.ssvc_data;
            let mut ssvc = Ssvc::by(source, data.timestamp.as_deref().and_then(|time| time.parse().ok()));
            for (point, value) in data.options.iter().flat_map(|option| &option.0) {
                ssvc.decide(point, value);
            }
            ssvc
        });
        each.filter(|ssvc| !ssvc.is_open()).max_by_key(|ssvc| ssvc.decided_at)
    }
}
