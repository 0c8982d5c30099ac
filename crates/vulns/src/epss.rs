//! The Exploit Prediction Scoring System: how likely an attack is in the next 30
//! days, by a model. A new model moves every score, so the model stays with it.
//!
//! Source: <https://www.first.org/epss/data_stats>.

use std::{fmt, sync::Arc};

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A share of one in hundred thousandths, which is the precision that is published; so it is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

/// How many of its units make one.
const WHOLE: f64 = 100_000.0;

impl Share {
    /// From a number of 0 to 1; `None` outside of it and for what is no number.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then(|| {
            // In range, so the product is 0 to 100 000 and the conversion exact.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Self((share * WHOLE).round() as u32)
        })
    }

    /// The share as a number of 0 to 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / WHOLE
    }
}

impl fmt::Display for Share {
    /// In percent, with two digits: `4.92 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} %", self.as_f64() * 100.0)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        Self::new(share).ok_or_else(|| D::Error::custom("a share is 0 to 1"))
    }
}

/// The prediction for one CVE.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Epss {
    /// The probability of exploitation in the next 30 days.
    pub probability: Share,
    /// The share of all scored CVEs that score no higher; early files do not have it.
    pub percentile: Option<Share>,
    /// Where the numbers come from, shared by all CVEs of a file.
    pub run: Arc<EpssRun>,
}

/// One day's run of the model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EpssRun {
    /// The version of the model, such as `v2023.03.01`; `None` where the file does not say.
    pub model: Option<String>,
    /// The day of the scores, if the file or its name says.
    pub date: Option<Date>,
}
