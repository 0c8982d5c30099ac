//! An engine on a host: which one, at what version, and who built it.

use serde::{Deserialize, Serialize};

use super::Product;
use crate::host::InstalledPackage;

/// An engine as a host's inventory reports it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstalledEngine {
    /// Which engine.
    pub product: Product,
    /// The version that is installed, as the engine or its package states it.
    pub version: String,
    /// The version that runs, where it is known; else the installed one counts as running.
    #[serde(default)]
    pub running: Option<String>,
    /// Who built it.
    pub origin: EngineOrigin,
    /// The packages it was installed from; empty for a bare binary.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Whether one of these packages is on hold.
    #[serde(default)]
    pub held: bool,
}

/// Who built an engine, which decides whose advisories can judge its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineOrigin {
    /// Its own project: a released binary or the project's own package.
    Upstream,
    /// PostgreSQL's package archive (PGDG), which carries upstream's minor releases unchanged.
    Pgdg,
    /// The distribution, which adds fixes without raising upstream's version: only its own feed can judge it.
    Distribution,
}

impl InstalledEngine {
    /// The engines among a host's packages, one for each server version. What runs is not known from packages.
    pub fn of_packages(packages: &[InstalledPackage]) -> Vec<Self> {
        let mut engines: Vec<Self> = Vec::new();
        for package in packages {
            let Some(product) = server_of(package) else { continue };
            let origin = origin_of(product, package);
            let same = |engine: &&mut Self| {
                (engine.product, engine.origin) == (product, origin) && engine.version == package.version
            };
            match engines.iter_mut().find(same) {
                Some(engine) => {
                    engine.packages.push(package.name.clone());
                    engine.held |= package.held;
                }
                None => engines.push(Self {
                    product,
                    version: package.version.clone(),
                    running: None,
                    origin,
                    packages: vec![package.name.clone()],
                    held: package.held,
                }),
            }
        }
        engines
    }
}

/// The engine whose server this package holds. Clients and libraries are other packages: most
/// CVEs of PostgreSQL are in the server, and a client alone is judged by its distribution's feed.
fn server_of(package: &InstalledPackage) -> Option<Product> {
    match package.name.as_str() {
        "minio" => Some(Product::Minio),
        "silo" => Some(Product::Silo),
        "rustfs" => Some(Product::RustFs),
        name => {
            let major = name.strip_prefix("postgresql-")?;
            let numeric = major.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            (numeric && !major.is_empty()).then_some(Product::PostgreSql)
        }
    }
}

fn origin_of(product: Product, package: &InstalledPackage) -> EngineOrigin {
    match product {
        Product::PostgreSql if package.version.contains(".pgdg") => EngineOrigin::Pgdg,
        Product::PostgreSql => EngineOrigin::Distribution,
        // No release of Debian or Ubuntu has any of these in its archive.
        Product::Minio | Product::Silo | Product::RustFs => EngineOrigin::Upstream,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_among_packages() {
        let package = |name: &str, version: &str| InstalledPackage {
            name: name.into(),
            version: version.into(),
            ..InstalledPackage::default()
        };
        let found = InstalledEngine::of_packages(&[
            package("postgresql-16", "16.4-1.pgdg120+1"),
            package("postgresql-14", "14.15-0ubuntu0.22.04.1"),
            package("postgresql-client-16", "16.4-1.pgdg120+1"),
            package("postgresql-16-cron", "1.6.4-1.pgdg120+1"),
            package("postgresql", "16+262.pgdg120+1"),
            package("postgresql-", "1"),
            package("minio", "20250422221226.0.0"),
            package("silo", "20260903131801.0.0"),
        ]);
        let found: Vec<_> = found.iter().map(|one| (one.product, one.origin, &*one.packages[0])).collect();
        assert_eq!(
            found,
            [
                (Product::PostgreSql, EngineOrigin::Pgdg, "postgresql-16"),
                (Product::PostgreSql, EngineOrigin::Distribution, "postgresql-14"),
                (Product::Minio, EngineOrigin::Upstream, "minio"),
                (Product::Silo, EngineOrigin::Upstream, "silo"),
            ]
        );
    }
}
