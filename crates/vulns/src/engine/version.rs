//! The version of an engine: PostgreSQL's numbers or MinIO's times.
//!
//! A version that cannot be read is an error of its own type, never "old" or
//! "new": whoever asks has to say what follows from not knowing.

use std::{cmp::Ordering, fmt};

use jiff::civil::DateTime;

use super::{Product, postgres_version::PostgresVersion, release_time::ReleaseTime};

/// The version of an engine, ready to be compared with others of the same product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineVersion {
    /// PostgreSQL's.
    PostgreSql(PostgresVersion),
    /// MinIO's and its fork's: the time of the release, or of the commit.
    Release(ReleaseTime),
}

/// Which end of a range a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Lower,
    Upper,
}

/// A version that tells nothing about its age.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` tells no version of {title}; expected one like `{example}`", title = .product.title(), example = example(*.product))]
pub struct UnreadableVersion {
    /// The product it should be a version of.
    pub product: Product,
    /// The beginning of the text.
    pub text: String,
}

fn example(product: Product) -> &'static str {
    match product {
        Product::PostgreSql => "16.4",
        Product::Minio | Product::Silo => "RELEASE.2025-04-22T22-12-26Z",
        Product::RustFs => "1.0.1",
    }
}

impl EngineVersion {
    /// Reads a version as an engine, a package or an advisory states it.
    ///
    /// # Errors
    /// When it names no version, such as `DEVELOPMENT.GOGET` or `19devel`.
    pub fn read(product: Product, text: &str) -> Result<Self, UnreadableVersion> {
        let trimmed = text.trim();
        let found = match product {
            Product::PostgreSql => PostgresVersion::read(trimmed).map(Self::PostgreSql),
            Product::Minio | Product::Silo => ReleaseTime::read(trimmed).map(Self::Release),
            // Its advisories are in no feed that is read here, so there is nothing to compare with.
            Product::RustFs => None,
        };
        found.ok_or_else(|| UnreadableVersion { product, text: trimmed.chars().take(64).collect() })
    }

    /// Reads the end of a range. A time without seconds is taken so that the range is the wider one.
    pub(crate) fn read_end(product: Product, text: &str, end: End) -> Result<Self, UnreadableVersion> {
        Ok(match (Self::read(product, text)?, end) {
            (Self::Release(time), End::Upper) => Self::Release(time.at_its_latest()),
            (version, _) => version,
        })
    }

    /// Which of the two is later; `None` if they are of different kinds.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::PostgreSql(a), Self::PostgreSql(b)) => Some(a.cmp(b)),
            (Self::Release(a), Self::Release(b)) => Some(a.time().cmp(&b.time())),
            (Self::PostgreSql(_), Self::Release(_)) | (Self::Release(_), Self::PostgreSql(_)) => None,
        }
    }

    /// The version as the lower end of a range sees it. A beta counts as the release that it
    /// became: its code is that of the branch, while advisories name releases only.
    pub(crate) fn as_branch(&self) -> Self {
        match self {
            Self::PostgreSql(version) => Self::PostgreSql(version.released()),
            Self::Release(time) => Self::Release(*time),
        }
    }

    /// The first version of the same major; `None` where there are no majors.
    pub(crate) fn first_of_major(&self) -> Option<Self> {
        match self {
            Self::PostgreSql(version) => Some(Self::PostgreSql(version.first_of_major())),
            Self::Release(_) => None,
        }
    }

    /// Whether it names a release, not a commit.
    pub(crate) fn is_release(&self) -> bool {
        match self {
            Self::PostgreSql(_) => true,
            Self::Release(time) => time.is_release(),
        }
    }

    /// This version or, if it is later than that, the one of that time.
    pub(crate) fn up_to(&self, latest: DateTime) -> Self {
        match self {
            Self::Release(release) if release.time() > latest => Self::Release(ReleaseTime::release(latest)),
            _ => *self,
        }
    }

    /// The time, for versions that are one.
    pub(crate) fn time(&self) -> Option<DateTime> {
        match self {
            Self::PostgreSql(_) => None,
            Self::Release(release) => Some(release.time()),
        }
    }
}

impl fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PostgreSql(version) => version.fmt(f),
            Self::Release(release) => release.fmt(f),
        }
    }
}
