//! Why an engine is, or may be, affected: what each source said of its version.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{EngineOrigin, Product};
use crate::feeds::FeedKind;

/// The engine of a finding, and what was said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFacts {
    /// Which engine.
    pub product: Product,
    /// Who built it.
    pub origin: EngineOrigin,
    /// The installed version, as it was stated.
    pub installed: Arc<str>,
    /// How the version was read (`16.4`, `RELEASE.…`); `None` if it could not be.
    pub read_as: Option<Arc<str>>,
    /// Every statement about this CVE and engine, best source first.
    pub said: Arc<[EngineSaid]>,
    /// What has to be done by hand beyond the update.
    pub manual_step: Option<Arc<str>>,
    /// Whether the statements are about the project it was forked from.
    pub of_upstream: bool,
}

/// What one source says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineSaid {
    /// The feed.
    pub feed: FeedKind,
    /// The record or the author.
    pub by: Arc<str>,
    /// The affected versions in words, such as `from 16 before 16.4`.
    pub versions: Arc<str>,
    /// Whether they hold this version; `None` if that cannot be told.
    pub holds: Option<bool>,
    /// For the local override list, why it says so; it outranks all others.
    pub reason: Option<Arc<str>>,
}

impl EngineFacts {
    /// What the sources say and what follows for this version, a sentence each.
    pub(crate) fn explain(&self, cve: &str) -> Vec<String> {
        let title = self.product.title();
        let mut facts: Vec<String> = self.said.iter().map(|said| said.sentence(cve, self)).collect();
        let built = match self.origin {
            EngineOrigin::Upstream => "as its own project releases it",
            EngineOrigin::Pgdg => "from PostgreSQL's own package archive",
            EngineOrigin::Distribution => "built by the distribution",
        };
        facts.push(match &self.read_as {
            Some(version) if **version == *self.installed => format!("{title} {version} is installed, {built}."),
            Some(version) => format!("{title} {} ({version}) is installed, {built}.", self.installed),
            None => format!(
                "The installed {title} says its version is `{}`, which tells no release: nothing proves that it is not affected.",
                self.installed
            ),
        });
        if self.of_upstream {
            facts.push(format!(
                "{title} carries on another project's code. What is fixed there and what is fixed in {title} differ, and only {title} or the override list can tell."
            ));
        }
        facts
            .extend(self.manual_step.as_ref().map(|step| format!("A new version alone is no proof. {step}")));
        facts
    }
}

impl EngineSaid {
    fn sentence(&self, cve: &str, facts: &EngineFacts) -> String {
        let product = match facts.product.upstream() {
            Some(upstream) if facts.of_upstream => upstream.title(),
            _ => facts.product.title(),
        };
        let holds = match self.holds {
            _ if facts.read_as.is_none() => "",
            Some(true) => ", which is this version",
            Some(false) => ", which is not this version",
            None => ", which cannot be compared with this version",
        };
        let reason = self.reason.as_ref().map(|why| format!(" because: {why}")).unwrap_or_default();
        format!(
            "{} ({}) says that {cve} affects {product} in {}{holds}{reason}.",
            self.feed.title(),
            self.by,
            self.versions
        )
    }
}
