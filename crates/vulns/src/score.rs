//! CVSS scores: who gave which, and which of several counts. All are kept; the
//! order of preference only decides which one names the severity.
//!
//! A published number is taken as it is; a score is computed only where a feed
//! publishes the vector alone.

use std::{cmp::Ordering, fmt, sync::Arc};

use cvss::Cvss;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::severity::Severity;

/// The version of the Common Vulnerability Scoring System. A later one is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CvssVersion {
    /// CVSS 2.0.
    #[serde(rename = "2.0")]
    V2,
    /// CVSS 3.0.
    #[serde(rename = "3.0")]
    V30,
    /// CVSS 3.1.
    #[serde(rename = "3.1")]
    V31,
    /// CVSS 4.0.
    #[serde(rename = "4.0")]
    V40,
}

impl CvssVersion {
    /// How each metric begins that a vector must have.
    fn base_metrics(self) -> &'static [&'static str] {
        match self {
            Self::V2 => &["AV:", "AC:", "Au:", "C:", "I:", "A:"],
            Self::V30 | Self::V31 => &["AV:", "AC:", "PR:", "UI:", "S:", "C:", "I:", "A:"],
            Self::V40 => &["AV:", "AC:", "AT:", "PR:", "UI:", "VC:", "VI:", "VA:", "SC:", "SI:", "SA:"],
        }
    }

    /// The version that a vector begins with. Vectors of 2.0 have no such beginning
    /// (<https://www.first.org/cvss/v2/guide>, 2.4).
    pub fn of_vector(vector: &str) -> Option<Self> {
        let rest = vector.trim_start_matches('(');
        match rest.strip_prefix("CVSS:").and_then(|rest| rest.split('/').next()) {
            Some("4.0") => Some(Self::V40),
            Some("3.1") => Some(Self::V31),
            Some("3.0") => Some(Self::V30),
            Some(_) => None,
            None => rest.starts_with("AV:").then_some(Self::V2),
        }
    }
}

impl fmt::Display for CvssVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "2.0",
            Self::V30 => "3.0",
            Self::V31 => "3.1",
            Self::V40 => "4.0",
        })
    }
}

/// A base score in tenths, so that it is exact: 0 to 100 for 0.0 to 10.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BaseScore(u8);

impl BaseScore {
    /// From a decimal number; `None` outside 0.0 to 10.0 and for what is no number. CVSS has
    /// one digit after the point; more are rounded.
    pub fn new(score: f64) -> Option<Self> {
        (0.0..=10.0).contains(&score).then(|| {
            // In range, so the product is 0 to 100 and the conversion exact.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Self((score * 10.0).round() as u8)
        })
    }

    /// The score in tenths.
    pub fn tenths(self) -> u8 {
        self.0
    }

    /// The rank of this score. CVSS calls 0.0 "none"; as somebody did score it, it is shown as low.
    pub fn severity(self) -> Severity {
        match self.0 {
            90.. => Severity::Critical,
            70.. => Severity::High,
            40.. => Severity::Medium,
            _ => Severity::Low,
        }
    }
}

impl fmt::Display for BaseScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

impl Serialize for BaseScore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 10.0)
    }
}

impl<'de> Deserialize<'de> for BaseScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let score = f64::deserialize(deserializer)?;
        Self::new(score).ok_or_else(|| D::Error::custom("a base score is 0.0 to 10.0"))
    }
}

/// Whether a score is that of the record's main analyst or of somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreRole {
    /// Given by somebody else, such as the CNA in a record of NVD.
    Secondary,
    /// Given by the publisher of the record itself.
    Primary,
}

/// One published score of a CVE.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Score {
    /// The version of CVSS.
    pub version: CvssVersion,
    /// The base score.
    pub base: BaseScore,
    /// The vector; empty where only the number was published.
    pub vector: Arc<str>,
    /// Who gave it, as the record names them: `nvd@nist.gov`, a CNA's address or short name.
    pub source: Arc<str>,
    /// Primary or secondary, in the words of the record it comes from.
    pub role: ScoreRole,
}

impl Score {
    /// The base score of a vector that was published without its number. `None` for what is no
    /// vector of CVSS.
    pub fn of_vector(vector: &str, source: Arc<str>, role: ScoreRole) -> Option<Self> {
        let (version, base) = match vector.trim_matches(['(', ')']).parse().ok()? {
            Cvss::CvssV20(parsed) => (CvssVersion::V2, parsed.score().value()),
            Cvss::CvssV30(parsed) => (CvssVersion::V30, parsed.base_score().value()),
            Cvss::CvssV31(parsed) => (CvssVersion::V31, parsed.base_score().value()),
            Cvss::CvssV40(parsed) => (CvssVersion::V40, parsed.score().value()),
            // A later version of CVSS has no place in the order of preference yet.
            _ => return None,
        };
        // A vector that lacks a metric would be scored as if it did no harm.
        let has =
            |metric: &&str| vector.trim_matches(['(', ')']).split('/').any(|part| part.starts_with(*metric));
        if !version.base_metrics().iter().all(has) {
            return None;
        }
        Some(Self { version, base: BaseScore::new(base)?, vector: vector.into(), source, role })
    }

    /// The order of preference, best first: v4.0, v3.1, v3.0, v2; of one version, primary before
    /// secondary; then the higher score, as it is the safer one to believe.
    pub fn by_preference(&self, other: &Self) -> Ordering {
        (other.version, other.role, other.base)
            .cmp(&(self.version, self.role, self.base))
            .then_with(|| (&self.source, &self.vector).cmp(&(&other.source, &other.vector)))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CVSS {} {} by {}", self.version, self.base, self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_is_by_score() {
        for (score, severity) in [
            (10.0, Severity::Critical),
            (9.0, Severity::Critical),
            (8.9, Severity::High),
            (7.0, Severity::High),
            (6.9, Severity::Medium),
            (4.0, Severity::Medium),
            (3.9, Severity::Low),
            (0.1, Severity::Low),
            (0.0, Severity::Low),
        ] {
            assert_eq!(BaseScore::new(score).map(BaseScore::severity), Some(severity), "{score}");
        }
        for absurd in [-0.1, 10.1, 98.0, f64::NAN, f64::INFINITY] {
            assert_eq!(BaseScore::new(absurd), None, "{absurd}");
        }
        assert!(serde_json::from_str::<BaseScore>("11").is_err());
        assert_eq!(serde_json::to_string(&BaseScore::new(9.8)).ok().as_deref(), Some("9.8"));
    }

    #[test]
    fn the_version_counts_before_the_role_and_the_role_before_the_score() {
        let score = |version, base, role, source: &str| Score {
            version,
            base: BaseScore::new(base).expect("in range"),
            vector: "".into(),
            source: source.into(),
            role,
        };
        use ScoreRole::{Primary, Secondary};
        let best_first = [
            score(CvssVersion::V40, 2.0, Secondary, "cna"),
            score(CvssVersion::V31, 6.5, Primary, "nvd@nist.gov"),
            score(CvssVersion::V31, 9.8, Secondary, "cna"),
            score(CvssVersion::V31, 6.5, Secondary, "cna"),
            score(CvssVersion::V31, 6.5, Secondary, "other"),
            score(CvssVersion::V30, 9.9, Primary, "nvd@nist.gov"),
            score(CvssVersion::V2, 10.0, Primary, "nvd@nist.gov"),
        ];
        let mut sorted = best_first.clone();
        sorted.reverse();
        sorted.sort_by(Score::by_preference);
        assert_eq!(sorted, best_first);
    }

    /// The scores that NVD and the CNAs published with these vectors.
    #[test]
    fn a_vector_alone_gives_its_base_score() {
        for (vector, version, base) in [
            ("CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", CvssVersion::V40, "9.2"),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", CvssVersion::V31, "9.8"),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:L/A:L", CvssVersion::V31, "6.5"),
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", CvssVersion::V31, "8.8"),
            ("CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", CvssVersion::V30, "8.4"),
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", CvssVersion::V2, "7.5"),
        ] {
            let score = Score::of_vector(vector, "x".into(), ScoreRole::Secondary).expect(vector);
            assert_eq!((score.version, score.base.to_string().as_str()), (version, base), "{vector}");
        }
        for absurd in [
            "",
            "CVSS:3.1",
            "CVSS:3.1/AV:N",
            "CVSS:9.9/AV:N/AC:L",
            "CVSS:4.0/AV:Q",
            "medium",
            "/",
            "AV:N/AC:L",
            "CVSS:4.0/AV:N/AC:L",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
        ] {
            assert_eq!(Score::of_vector(absurd, "x".into(), ScoreRole::Primary), None, "{absurd}");
        }
    }

    #[test]
    fn a_vector_names_its_version() {
        for (vector, version) in [
            ("CVSS:4.0/AV:N/AC:L", Some(CvssVersion::V40)),
            ("CVSS:3.1/AV:N/AC:L", Some(CvssVersion::V31)),
            ("CVSS:3.0/AV:N/AC:L", Some(CvssVersion::V30)),
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", Some(CvssVersion::V2)),
            ("(AV:N/AC:L/Au:N/C:P/I:P/A:P)", Some(CvssVersion::V2)),
            ("CVSS:5.0/AV:N", None),
            ("medium", None),
        ] {
            assert_eq!(CvssVersion::of_vector(vector), version, "{vector}");
        }
    }
}
