//! Engines: database and object-storage servers that hosts run for their
//! customers, judged by their own projects' versions.
//!
//! A distribution's build is never judged here: fixes are added to it without a
//! change of upstream's version, and only the distribution's feed knows them.
//! Start reading at `matching`.

pub(crate) mod advisory;
pub(crate) mod configuration;
mod coverage;
pub(crate) mod cpe;
mod facts;
mod findings;
mod installed;
mod manual;
pub(crate) mod matching;
mod postgres_version;
mod product;
pub(crate) mod range;
mod release_time;
mod version;

pub use coverage::{EngineCoverage, EngineCoverageState};
pub use facts::{EngineFacts, EngineSaid};
pub(crate) use findings::findings;
pub use installed::{EngineOrigin, InstalledEngine};
pub use postgres_version::PostgresVersion;
pub use product::{Product, UnknownProduct};
pub use release_time::ReleaseTime;
pub(crate) use version::End;
pub use version::{EngineVersion, UnreadableVersion};
