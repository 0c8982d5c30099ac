//! What the host's own package sources offer, and whether it contains a fix.

use std::collections::HashMap;

use crate::{
    fixability::Fixability,
    host::{Candidate, HostPackages, InstalledPackage},
    version,
};

/// The candidates of a host by package name.
pub(crate) struct Offers<'a> {
    /// `None` when it is not known what is offered.
    by_name: Option<HashMap<&'a str, Vec<&'a Candidate>>>,
    kernels: Vec<&'a Candidate>,
}

impl<'a> Offers<'a> {
    pub fn of(host: &'a HostPackages) -> Self {
        let by_name = host.pending.as_ref().map(|pending| {
            let mut by_name: HashMap<&str, Vec<&Candidate>> = HashMap::with_capacity(pending.len());
            for candidate in pending {
                by_name.entry(&candidate.name).or_default().push(candidate);
            }
            by_name
        });
        let pending = host.pending.iter().flatten();
        let kernels = pending.filter(|candidate| candidate.name.starts_with("linux-image-")).collect();
        Self { by_name, kernels }
    }

    /// Whether the fix can be installed by upgrading one of these packages.
    pub fn fix_of_packages(&self, packages: &[&InstalledPackage], fixed: &str) -> Fixability {
        if packages.iter().any(|package| package.held) {
            return Fixability::Held;
        }
        let Some(by_name) = &self.by_name else { return Fixability::Fixable };
        let contain = packages.iter().flat_map(|package| {
            let candidates = by_name.get(package.name.as_str()).into_iter().flatten().copied();
            candidates.filter(|candidate| contains(candidate, package, fixed))
        });
        best(contain)
    }

    /// Whether the fix can be installed as a new kernel beside the present one. Nearly every new
    /// kernel has a new package name, so any kernel on offer is looked at.
    pub fn fix_of_kernel(&self, held: bool, fixed: &str) -> Fixability {
        if held {
            return Fixability::Held;
        }
        if self.by_name.is_none() {
            return Fixability::Fixable;
        }
        best(self.kernels.iter().copied().filter(|candidate| {
            let version = candidate.source_version.as_deref().unwrap_or(&candidate.version);
            // Debian's images have the version of their source. Ubuntu's meta packages have a
            // numbering of their own (`5.15.0.69.67`) and only tell that a newer kernel is there.
            let own_numbering = !version.contains('-');
            own_numbering || version::compare(version, fixed).is_ge()
        }))
    }
}

/// Whether installing the candidate brings the fixed version of the source. A candidate whose source
/// version is not stated and cannot be told from its own counts: it is newer than what is installed,
/// and the inventory after the update decides.
fn contains(candidate: &Candidate, package: &InstalledPackage, fixed: &str) -> bool {
    let alike = candidate.architecture.is_empty()
        || package.architecture.is_empty()
        || candidate.architecture == package.architecture
        || candidate.architecture == "all"
        || package.architecture == "all";
    let same_numbering = package.version == package.source_version;
    let source_version =
        candidate.source_version.as_deref().or(same_numbering.then_some(candidate.version.as_str()));
    alike && source_version.is_none_or(|version| version::compare(version, fixed).is_ge())
}

fn best<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Fixability {
    let each = candidates.map(|candidate| match candidate {
        Candidate { held: true, .. } => Fixability::Held,
        Candidate { phased: true, .. } => Fixability::Phased,
        _ => Fixability::Fixable,
    });
    each.min().unwrap_or(Fixability::NotYetInArchive)
}
