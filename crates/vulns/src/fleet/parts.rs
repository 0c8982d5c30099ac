//! Divides the packages of a host into parts that can be matched alone: what is found
//! in the parts, taken together, is what is found in the whole.
//!
//! The packages of one source are a part, with what is offered for them, since that is what
//! a finding tells of. All that concerns kernels is one part, since which images there are,
//! which of them runs and which is held decides over every kernel finding.

use std::collections::{BTreeMap, HashSet};

use base::{Distribution, Release};

use crate::{
    engine::InstalledEngine,
    host::{Candidate, HostPackages, InstalledPackage},
    kernel::{Kernels, RunningKernel},
};

/// The parts of a host in a fixed order. A host whose release is not known has one part beside those
/// of its engines, in which nothing can be matched: its coverage is told from it.
pub(super) fn split(host: &HostPackages) -> Vec<HostPackages> {
    // Without a wildcard: a new field has to be given to the parts that need it.
    let HostPackages { release, kernel, packages, pending, engines } = host;
    let mut parts: Vec<HostPackages> =
        engines.iter().map(|engine| of_engine(*release, engine, pending.as_deref())).collect();
    let Some(release) = *release else {
        let (kernel, packages) = (kernel.clone(), packages.clone());
        parts.push(HostPackages { kernel, packages, ..HostPackages::default() });
        return parts;
    };
    let mut by_source: BTreeMap<&str, Vec<&InstalledPackage>> = BTreeMap::new();
    for package in packages {
        by_source.entry(&package.source).or_default().push(package);
    }
    let kernels = Kernels::of(release, kernel, packages);
    let (of_kernels, others): (Vec<_>, Vec<_>) = by_source
        .into_values()
        .partition(|packages| concerns_kernels(release.distribution(), &kernels, packages));

    let part = |packages: &[&InstalledPackage], kernel: RunningKernel, pending: Option<Vec<Candidate>>| {
        let packages = packages.iter().map(|package| (*package).clone()).collect();
        HostPackages { release: Some(release), kernel, packages, pending, engines: Vec::new() }
    };
    let mut offers: BTreeMap<&str, Vec<&Candidate>> = BTreeMap::new();
    for candidate in pending.iter().flatten() {
        offers.entry(&candidate.name).or_default().push(candidate);
    }
    let offered = |names: HashSet<&str>| {
        let mut offered: Vec<Candidate> = names
            .iter()
            .filter_map(|name| offers.get(name))
            .flatten()
            .map(|offer| (*offer).clone())
            .collect();
        offered.sort_unstable();
        pending.as_ref().map(|_| offered)
    };
    let names = |packages: &[&'_ InstalledPackage]| -> HashSet<String> {
        packages.iter().map(|package| package.name.clone()).collect()
    };

    let of_kernels = of_kernels.concat();
    if !of_kernels.is_empty() || *kernel != RunningKernel::default() {
        let installed = names(&of_kernels);
        let images = offers.keys().copied().filter(|name| name.starts_with("linux-image-"));
        let concerned = installed.iter().map(String::as_str).chain(images).collect();
        parts.push(part(&of_kernels, kernel.clone(), offered(concerned)));
    }
    for packages in others {
        let installed = names(&packages);
        let concerned = installed.iter().map(String::as_str).collect();
        parts.push(part(&packages, RunningKernel::default(), offered(concerned)));
    }
    parts
}

/// What the parts of a host say together, without what is offered.
pub(super) fn join<'a>(
    release: Option<Release>,
    parts: impl IntoIterator<Item = &'a HostPackages>,
) -> HostPackages {
    let mut host = HostPackages { release, ..HostPackages::default() };
    for part in parts {
        host.packages.extend(part.packages.iter().cloned());
        host.engines.extend(part.engines.iter().cloned());
        if part.kernel != RunningKernel::default() {
            host.kernel = part.kernel.clone();
        }
    }
    host
}

/// An engine with what is offered for its packages. The packages themselves are in the part of their source.
fn of_engine(
    release: Option<Release>,
    engine: &InstalledEngine,
    pending: Option<&[Candidate]>,
) -> HostPackages {
    let offered = |pending: &[Candidate]| {
        let ours = pending.iter().filter(|candidate| engine.packages.contains(&candidate.name));
        ours.cloned().collect()
    };
    HostPackages {
        release,
        pending: pending.map(offered),
        engines: vec![engine.clone()],
        ..HostPackages::default()
    }
}

/// Whether the packages of a source decide over kernel findings: kernels themselves, and whatever
/// is named as an image and can be held as one.
fn concerns_kernels(
    distribution: Distribution,
    kernels: &Kernels<'_>,
    packages: &[&InstalledPackage],
) -> bool {
    let covered = packages.first().is_some_and(|package| kernels.covers(distribution, &package.source));
    covered || packages.iter().any(|package| package.name.starts_with("linux-image-"))
}
