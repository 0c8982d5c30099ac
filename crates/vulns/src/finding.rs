//! A vulnerability that touches a host.

use std::{
    cmp::{Ordering, Reverse},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    engine::{EngineFacts, EngineVersion},
    epss::Epss,
    feeds::KevEntry,
    fixability::Fixability,
    proof::Proof,
    score::Score,
    severity::Severity,
    ssvc::Ssvc,
    symbols::order_key,
    version,
};

/// One CVE in one source package of a host. Texts are shared between findings, so a clone is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The CVE, or the tracker's own name (`TEMP-…`) while there is none.
    pub cve: Arc<str>,
    /// The source package under which the feed lists it; for kernels the kernel's source, such as `linux`.
    pub source_package: Arc<str>,
    /// The installed binary packages it is in.
    pub binaries: Arc<[Arc<str>]>,
    /// The version of the source package that was compared; for a running kernel, the version that runs.
    pub installed: Arc<str>,
    /// The first version with the fix, if there is one.
    pub fixed: Option<Arc<str>>,
    /// What can be done about it.
    pub fixability: Fixability,
    /// How bad it is; [`Proof::severity_source`] tells by whom.
    pub severity: Severity,
    /// Every published CVSS score, the preferred one first. Empty while there is none.
    #[serde(default)]
    pub scores: Arc<[Score]>,
    /// How likely it is to be exploited soon.
    #[serde(default)]
    pub epss: Option<Epss>,
    /// CISA's decision points.
    #[serde(default)]
    pub ssvc: Option<Arc<Ssvc>>,
    /// CISA's entry with its deadline, if it is known to be exploited. Outranks `severity`.
    pub kev: Option<Arc<KevEntry>>,
    /// The ids of every advisory about it in this package: `DSA-…`, `DLA-…`, `USN-…`, `GHSA-…`.
    #[serde(default)]
    pub advisories: Arc<[Arc<str>]>,
    /// For kernels, which one runs.
    pub kernel: Option<Arc<KernelFacts>>,
    /// For engines, what each source says of the version.
    #[serde(default)]
    pub engine: Option<Arc<EngineFacts>>,
    /// Why this is believed.
    pub proof: Proof,
}

/// The kernels of the host, as far as they matter to a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelFacts {
    /// Whether the vulnerable kernel is the one that runs.
    pub running: bool,
    /// What `uname -r` prints; empty when it is not known.
    pub release: Arc<str>,
    /// Whether the running kernel belongs to the machine below this container.
    pub shared_with_host: bool,
    /// The installed images of this kernel source, oldest first.
    pub images: Arc<[ImageFact]>,
}

/// An installed kernel image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFact {
    /// The binary package.
    pub name: Arc<str>,
    /// The version of the kernel source.
    pub version: Arc<str>,
}

impl Finding {
    /// What makes it the same finding in another inventory: the CVE and the source package.
    pub fn key(&self) -> (&str, &str) {
        (&self.cve, &self.source_package)
    }

    /// Whether the vulnerability is in effect on the host.
    pub fn is_open(&self) -> bool {
        self.fixability.is_open()
    }

    /// The order of two versions of what this finding is about: by dpkg's rules for packages, by
    /// its own for an engine.
    pub(crate) fn compare_versions(&self, one: &str, other: &str) -> Ordering {
        let of_engine = self.engine.as_ref().and_then(|engine| {
            let read = |text| EngineVersion::read(engine.product, text).ok();
            read(one)?.compare(&read(other)?)
        });
        of_engine.unwrap_or_else(|| version::compare(one, other))
    }

    fn rank(&self) -> impl Ord + use<> {
        (self.is_open(), self.kev.is_some(), self.severity, Reverse(self.fixability))
    }

    /// Where keys differ, they are in the order of attention.
    pub(crate) fn attention_key(&self) -> impl Ord + use<> {
        let source = order_key(&self.source_package);
        // Only of a name that fits whole and ends there is it sure that no other has the same key.
        let cve = if self.source_package.len() < 16 { order_key(&self.cve) } else { 0 };
        (Reverse(self.rank()), source, cve)
    }

    /// The order of attention: what is in effect first; of that, exploited first, then by
    /// severity, then what can be fixed now.
    pub fn by_attention(&self, other: &Self) -> Ordering {
        other.rank().cmp(&self.rank()).then_with(|| {
            (&self.source_package, &self.cve, &self.installed).cmp(&(
                &other.source_package,
                &other.cve,
                &other.installed,
            ))
        })
    }
}
