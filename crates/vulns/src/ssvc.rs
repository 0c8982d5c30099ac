//! CISA's decision points (SSVC) for a CVE: inputs for deciding how soon to act,
//! beside the score.
//!
//! The values are those of CISA's guide, <https://www.cisa.gov/ssvc>.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What somebody decided at each point; a point that they left open is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ssvc {
    /// What is known of attacks.
    pub exploitation: Option<Exploitation>,
    /// Whether an attacker can automate finding targets and attacking them.
    pub automatable: Option<bool>,
    /// What a successful attack gains.
    pub technical_impact: Option<TechnicalImpact>,
    /// Who decided, as the record names them: `CISA-ADP`, an address or an id.
    pub source: Arc<str>,
    /// When, if the record says.
    pub decided_at: Option<Timestamp>,
}

/// See [`Ssvc::exploitation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exploitation {
    /// None is known.
    None,
    /// A working example is public.
    Poc,
    /// Attacks happen.
    Active,
}

/// See [`Ssvc::technical_impact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TechnicalImpact {
    /// Limited control or knowledge.
    Partial,
    /// Full control, or all that there is to know.
    Total,
}

impl Ssvc {
    /// An undecided set by this source.
    pub fn by(source: Arc<str>, decided_at: Option<Timestamp>) -> Self {
        Self { exploitation: None, automatable: None, technical_impact: None, source, decided_at }
    }

    /// Notes one decision. The name of the point is taken as NVD (`technicalImpact`) or CVE records
    /// (`Technical Impact`) write it; a point or a value that is not known says nothing.
    pub fn decide(&mut self, point: &str, value: &str) {
        let point: String = point.chars().filter(|c| !c.is_whitespace()).collect();
        match (point.to_ascii_lowercase().as_str(), value.to_ascii_lowercase().as_str()) {
            ("exploitation", "none") => self.exploitation = Some(Exploitation::None),
            ("exploitation", "poc") => self.exploitation = Some(Exploitation::Poc),
            ("exploitation", "active") => self.exploitation = Some(Exploitation::Active),
            ("automatable", "yes") => self.automatable = Some(true),
            ("automatable", "no") => self.automatable = Some(false),
            ("technicalimpact", "partial") => self.technical_impact = Some(TechnicalImpact::Partial),
            ("technicalimpact", "total") => self.technical_impact = Some(TechnicalImpact::Total),
            _ => {}
        }
    }

    /// Whether nothing was decided at any point.
    pub fn is_open(&self) -> bool {
        self.exploitation.is_none() && self.automatable.is_none() && self.technical_impact.is_none()
    }
}

impl fmt::Display for Ssvc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exploitation = self.exploitation.map(|known| match known {
            Exploitation::None => "no known exploitation",
            Exploitation::Poc => "a public proof of concept",
            Exploitation::Active => "active exploitation",
        });
        let automatable = self.automatable.map(|yes| if yes { "automatable" } else { "not automatable" });
        let impact = self.technical_impact.map(|impact| match impact {
            TechnicalImpact::Partial => "partial technical impact",
            TechnicalImpact::Total => "total technical impact",
        });
        let points: Vec<&str> = [exploitation, automatable, impact].into_iter().flatten().collect();
        f.write_str(&points.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_decide() {
        let mut nvd = Ssvc::by("CISA-ADP".into(), None);
        assert!(nvd.is_open());
        for (point, value) in [("exploitation", "poc"), ("automatable", "yes"), ("technicalImpact", "total")]
        {
            nvd.decide(point, value);
        }
        let mut record = Ssvc::by("CISA-ADP".into(), None);
        for (point, value) in [("Exploitation", "poc"), ("Automatable", "yes"), ("Technical Impact", "total")]
        {
            record.decide(point, value);
        }
        assert_eq!(nvd, record);
        assert_eq!(nvd.to_string(), "a public proof of concept, automatable, total technical impact");
        nvd.decide("exploitation", "perhaps");
        nvd.decide("weather", "active");
        assert_eq!(nvd, record);
    }
}
