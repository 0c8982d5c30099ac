//! What the feeds can and cannot say about a host.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{
    engine::{EngineCoverage, InstalledEngine},
    host::{HostPackages, InstalledPackage},
    index::Index,
    kernel::Kernels,
};

/// How far a host's findings can be trusted to be complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Whether the release is one that a feed speaks of.
    pub release: ReleaseCoverage,
    /// Whether the running kernel is one that a feed speaks of.
    pub kernel: KernelCoverage,
    /// Installed binary packages.
    pub packages: usize,
    /// Distinct source packages they come from.
    pub sources: usize,
    /// Of these, the ones a feed names for this release. The others never had a CVE,
    /// or come from a third party; a feed cannot tell which.
    pub sources_named: usize,
    /// The names of the others, in alphabetical order; all of them where the release is not covered.
    pub unnamed: Vec<String>,
    /// Installed binary packages whose version shows that they come from another builder than the
    /// distribution, such as PGDG: the distribution's feed says nothing of these builds. In
    /// alphabetical order.
    #[serde(default)]
    pub third_party: Vec<String>,
    /// The engines, each by itself, in a fixed order.
    #[serde(default)]
    pub engines: Vec<EngineCoverage>,
}

/// Marks in versions by which builders other than Debian and Ubuntu tell their packages apart: PGDG,
/// NodeSource, the PHP archive of Sury, Launchpad's PPAs, and Docker (`~debian.12~bookworm`).
const THIRD_PARTY_MARKS: [&str; 6] = [".pgdg", "nodesource", "deb.sury.org", "~ppa", "~debian.", "~ubuntu."];

/// Whether the version shows that another builder than the distribution made the package. That
/// it does not show is no proof of the contrary.
fn is_third_party(package: &InstalledPackage) -> bool {
    THIRD_PARTY_MARKS.iter().any(|mark| package.version.contains(mark))
}

/// See [`Coverage::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCoverage {
    /// A feed speaks of it.
    Covered,
    /// The release is not known, so nothing was matched.
    Unknown,
    /// A feed of this distribution is loaded and does not speak of this release.
    NotInFeed,
    /// No feed of this distribution is loaded.
    NoFeed,
}

/// See [`Coverage::kernel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelCoverage {
    /// It comes from a package that a feed names.
    Covered,
    /// It belongs to the machine below this container and is judged there.
    SharedWithHost,
    /// It comes from no package of this host, or from one that no feed names.
    Unknown,
}

impl Coverage {
    pub(crate) fn of(index: &Index, host: &HostPackages) -> Self {
        let listings =
            host.release.and_then(|release| index.releases.get(&release)).map(|found| &found.listings);
        let release = match host.release {
            None => ReleaseCoverage::Unknown,
            Some(_) if listings.is_some() => ReleaseCoverage::Covered,
            Some(release) if index.has_feed_for(release.distribution()) => ReleaseCoverage::NotInFeed,
            Some(_) => ReleaseCoverage::NoFeed,
        };
        let sources: HashSet<&str> = host
            .packages
            .iter()
            .map(|package| package.source.as_str())
            .filter(|source| !source.is_empty())
            .collect();
        let named = |source: &str| listings.is_some_and(|listings| listings.contains_key(source));
        let is_kernel_named = |release| {
            let kernels = Kernels::of(release, &host.kernel, &host.packages);
            kernels.running.is_some_and(|(source, _)| named(&source))
        };
        let kernel = if host.kernel.shared_with_host {
            KernelCoverage::SharedWithHost
        } else if host.release.is_some_and(is_kernel_named) {
            KernelCoverage::Covered
        } else {
            KernelCoverage::Unknown
        };
        let is_unnamed = |source: &&&str| {
            let kernel = host.release.map(|release| crate::kernel::source_of(release.distribution(), source));
            !named(kernel.as_deref().unwrap_or(source))
        };
        let mut unnamed: Vec<String> =
            sources.iter().filter(is_unnamed).map(|source| (*source).to_owned()).collect();
        unnamed.sort_unstable();
        let foreign = host.packages.iter().filter(|package| is_third_party(package));
        let mut third_party: Vec<String> = foreign.map(|package| package.name.clone()).collect();
        third_party.sort_unstable();
        third_party.dedup();
        let mut engines: Vec<&InstalledEngine> = host.engines.iter().collect();
        engines.sort_unstable();
        Self {
            release,
            kernel,
            packages: host.packages.len(),
            sources: sources.len(),
            sources_named: sources.len() - unnamed.len(),
            unnamed,
            third_party,
            engines: engines.into_iter().map(|engine| EngineCoverage::of(&index.engines, engine)).collect(),
        }
    }
}
