//! The engines that hosts run for their customers, and how each one is named by
//! those who publish advisories.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::cpe::Cpe;

/// An engine. Written `postgresql`, `minio`, `silo` or `rustfs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Product {
    /// The PostgreSQL server.
    PostgreSql,
    /// The MinIO server, whose community edition is no longer maintained.
    Minio,
    /// The maintained fork of MinIO, which shares its code up to the last community release.
    Silo,
    /// An object store of another origin that speaks MinIO's protocols. No feed that is read here covers it.
    RustFs,
}

impl Product {
    /// Every product.
    pub const ALL: [Self; 4] = [Self::PostgreSql, Self::Minio, Self::Silo, Self::RustFs];

    /// The stored name, which is also the source package of its findings.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql",
            Self::Minio => "minio",
            Self::Silo => "silo",
            Self::RustFs => "rustfs",
        }
    }

    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::PostgreSql => "PostgreSQL",
            Self::Minio => "MinIO",
            Self::Silo => "silo",
            Self::RustFs => "RustFS",
        }
    }

    /// The product a CPE name is about.
    pub(crate) fn of_cpe(cpe: &Cpe) -> Option<Self> {
        if cpe.part != 'a' {
            return None;
        }
        match (cpe.vendor.as_str(), cpe.product.as_str()) {
            ("postgresql", "postgresql") => Some(Self::PostgreSql),
            ("minio", "minio") => Some(Self::Minio),
            ("pgsty", "silo" | "minio") => Some(Self::Silo),
            _ => None,
        }
    }

    /// The product of a CPE name as it is written.
    pub(crate) fn of_cpe_name(name: &str) -> Option<Self> {
        if Self::may_be_in(name) { Self::of_cpe(&Cpe::parse(name)?) } else { None }
    }

    /// Whether a CPE name could be that of a product, told cheaply: nearly none is.
    pub(crate) fn may_be_in(name: &str) -> bool {
        [":minio:", ":postgresql:", ":pgsty:"].iter().any(|part| name.contains(part))
    }

    /// The product that a CNA names. PostgreSQL's own CNA gives no vendor.
    pub(crate) fn of_cna(vendor: &str, product: &str) -> Option<Self> {
        let (vendor, product) = (vendor.trim().to_ascii_lowercase(), product.trim().to_ascii_lowercase());
        match (vendor.as_str(), product.as_str()) {
            ("n/a" | "" | "postgresql" | "postgresql global development group", "postgresql") => {
                Some(Self::PostgreSql)
            }
            ("minio", "minio") => Some(Self::Minio),
            ("pgsty", "silo" | "minio") => Some(Self::Silo),
            _ => None,
        }
    }

    /// The product that a Go module is.
    pub(crate) fn of_go_module(module: &str) -> Option<Self> {
        match module {
            "github.com/minio/minio" => Some(Self::Minio),
            "github.com/pgsty/silo" | "github.com/pgsty/minio" => Some(Self::Silo),
            _ => None,
        }
    }

    /// The product whose code this one carries on, and whose advisories therefore concern it too.
    pub(crate) fn upstream(self) -> Option<Self> {
        (self == Self::Silo).then_some(Self::Minio)
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an engine; known are `postgresql`, `minio`, `silo`, `rustfs`")]
pub struct UnknownProduct(String);

impl FromStr for Product {
    type Err = UnknownProduct;

    fn from_str(text: &str) -> Result<Self, UnknownProduct> {
        let found = Self::ALL.into_iter().find(|product| product.name() == text);
        found.ok_or_else(|| UnknownProduct(text.chars().take(64).collect()))
    }
}

impl TryFrom<String> for Product {
    type Error = UnknownProduct;

    fn try_from(text: String) -> Result<Self, UnknownProduct> {
        text.parse()
    }
}

impl From<Product> for String {
    fn from(product: Product) -> String {
        product.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_known_under_its_many_names() {
        for product in Product::ALL {
            assert_eq!(product.to_string().parse(), Ok(product));
        }
        assert!("mysql".parse::<Product>().is_err());
        assert_eq!(Product::of_cna("n/a", "PostgreSQL"), Some(Product::PostgreSql));
        assert_eq!(Product::of_cna("pgadmin.org", "pgAdmin 4"), None);
        assert_eq!(Product::of_cna("n/a", "n/a"), None);
        assert_eq!(Product::of_go_module("github.com/minio/console"), None);
        for (cpe, product) in [
            ("cpe:2.3:a:minio:minio:*:*:*:*:*:go:*:*", Some(Product::Minio)),
            ("cpe:2.3:a:postgresql:postgresql:15.1:*:*:*:*:*:*:*", Some(Product::PostgreSql)),
            ("cpe:2.3:a:postgresql:pgadmin_4:*:*:*:*:*:*:*:*", None),
            ("cpe:2.3:a:org.postgresql:postgresql:*:*:*:*:*:maven:*:*", None),
            ("cpe:2.3:o:minio:minio:*:*:*:*:*:*:*:*", None),
        ] {
            assert_eq!(Product::of_cpe(&Cpe::parse(cpe).expect(cpe)), product, "{cpe}");
        }
    }
}
