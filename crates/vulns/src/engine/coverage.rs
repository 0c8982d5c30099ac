//! What the feeds can and cannot say about an engine.

use serde::{Deserialize, Serialize};

use super::{EngineOrigin, EngineVersion, InstalledEngine, Product, advisory::EngineIndex};

/// An engine, and how far the absence of findings can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineCoverage {
    /// Which engine.
    pub product: Product,
    /// The version that was judged, as it was stated.
    pub version: String,
    /// Who built it.
    pub origin: EngineOrigin,
    /// What the feeds can say.
    pub state: EngineCoverageState,
}

/// See [`EngineCoverage::state`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineCoverageState {
    /// A feed speaks of it and its version can be compared.
    Covered,
    /// Its version tells no release: every CVE of the engine counts as open.
    VersionUnreadable,
    /// The distribution built it, and the distribution's feed judges it.
    ByDistribution,
    /// The feeds speak only of the project it was forked from: what the fork fixed by itself counts
    /// as open until the override list says otherwise.
    UpstreamOnly,
    /// No feed that is loaded speaks of it.
    NotCovered,
}

impl EngineCoverage {
    pub(crate) fn of(index: &EngineIndex, engine: &InstalledEngine) -> Self {
        let product = engine.product;
        let version = engine.running.as_ref().unwrap_or(&engine.version);
        let is_named = |product: Product| index.by_product.contains_key(&product);
        let upstream_named = product.upstream().is_some_and(is_named);
        let state = match engine.origin {
            EngineOrigin::Distribution => EngineCoverageState::ByDistribution,
            _ if !is_named(product) && !upstream_named => EngineCoverageState::NotCovered,
            _ if EngineVersion::read(product, version).is_err() => EngineCoverageState::VersionUnreadable,
            _ if upstream_named => EngineCoverageState::UpstreamOnly,
            _ => EngineCoverageState::Covered,
        };
        Self { product, version: version.clone(), origin: engine.origin, state }
    }
}
