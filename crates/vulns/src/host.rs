//! What matching needs to know of a host: its release, kernel and packages.
//! Nothing here names the host, so alike hosts have equal values.

use base::Release;
use serde::{Deserialize, Serialize};

use crate::{
    engine::InstalledEngine,
    kernel::{self, RunningKernel},
};

/// The packages of a host, as its inventory reports them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostPackages {
    /// The release; `None` when it is not one that is known, and then nothing can be matched.
    pub release: Option<Release>,
    /// The kernel that runs.
    pub kernel: RunningKernel,
    /// Every package in the state `installed`.
    pub packages: Vec<InstalledPackage>,
    /// What the host's own package sources offer to install or upgrade; `None` when
    /// that is not known, and then every released fix counts as offered.
    pub pending: Option<Vec<Candidate>>,
    /// The engines it runs; [`InstalledEngine::of_packages`] finds those that came as packages.
    #[serde(default)]
    pub engines: Vec<InstalledEngine>,
}

impl HostPackages {
    /// A host with nothing but one source package at this version, for asking about that alone. A
    /// kernel is one that runs.
    pub fn of_package(release: Release, source: &str, version: &str) -> Self {
        let distribution = release.distribution();
        let source = kernel::source_of(distribution, source);
        let package = InstalledPackage {
            name: source.clone().into_owned(),
            version: version.to_owned(),
            source: source.clone().into_owned(),
            source_version: version.to_owned(),
            ..InstalledPackage::default()
        };
        let mut host = Self { release: Some(release), packages: vec![package], ..Self::default() };
        if kernel::is_kernel(distribution, &source, version) {
            // Kernels are known by their images, whose names end in what `uname -r` prints.
            host.packages[0].name = format!("linux-image-{version}");
            host.kernel.release = version.to_owned();
        }
        host
    }
}

/// One installed binary package.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstalledPackage {
    /// The binary package, such as `libssl3`.
    pub name: String,
    /// The architecture, such as `amd64` or `all`; may be empty when it is not known.
    pub architecture: String,
    /// The version of the binary package.
    pub version: String,
    /// The source package it was built from, such as `openssl`.
    pub source: String,
    /// The version of the source package, which can differ from that of the binary.
    pub source_version: String,
    /// Whether the package is on hold.
    pub held: bool,
    /// An earlier version of it that still runs, as its files were in use when they were replaced.
    #[serde(default)]
    pub in_use: Option<InUse>,
}

/// An earlier version of a package that still runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InUse {
    /// The oldest version of the source package that may still run.
    pub source_version: String,
    /// The system services that run it, by unit; sorted. None for programs outside of any service.
    pub units: Vec<String>,
}

/// A package version that the host could install.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Candidate {
    /// The binary package.
    pub name: String,
    /// The architecture; may be empty when it is not known.
    pub architecture: String,
    /// The version of the binary package.
    pub version: String,
    /// The version of its source package, when the archive's index states it.
    #[serde(default)]
    pub source_version: Option<String>,
    /// Whether it comes from a security pocket.
    pub security: bool,
    /// Whether a hold keeps it from being installed.
    pub held: bool,
    /// Whether it is phased and this host's turn has not come.
    pub phased: bool,
}
