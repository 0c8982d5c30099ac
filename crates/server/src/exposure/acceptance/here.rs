//! The acceptances that are in effect on one server, by CVE.

use std::collections::HashMap;

use vulns::Finding;

use super::Acceptance;

/// What is accepted on one server at one moment.
#[derive(Debug, Clone, Default)]
pub struct AcceptedHere(HashMap<String, Acceptance>);

impl AcceptedHere {
    /// Of these acceptances, all in effect on that server. Where two cover one CVE, the
    /// one that lasts longer tells.
    pub fn of(acceptances: impl IntoIterator<Item = Acceptance>) -> Self {
        let mut here: HashMap<String, Acceptance> = HashMap::new();
        for acceptance in acceptances {
            let name = acceptance.cve.to_ascii_uppercase();
            if here.get(&name).is_none_or(|known| known.until < acceptance.until) {
                here.insert(name, acceptance);
            }
        }
        Self(here)
    }

    /// The acceptance that covers a finding.
    pub fn covering(&self, finding: &Finding) -> Option<&Acceptance> {
        // Most servers have none, and findings go into the thousands.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&finding.cve.to_ascii_uppercase())
    }
}
