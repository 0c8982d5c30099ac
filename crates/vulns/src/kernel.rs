//! Which source package a kernel comes from, and which kernel runs.
//!
//! A kernel image is built from a package that only signs it, carries its ABI in
//! its name and stays installed beside its successor. So kernels are matched by
//! the source they were made of, at the version that runs, never by package name.

use base::{Distribution, Release};
use serde::{Deserialize, Serialize};

use crate::{host::InstalledPackage, livepatch::LivepatchModule, version};

/// The kernel that runs on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunningKernel {
    /// What `uname -r` prints; empty when it is not known.
    pub release: String,
    /// The version of the package it was built as, when the kernel states it;
    /// [`RunningKernel::package_version_of`] reads it.
    pub package_version: Option<String>,
    /// Whether this is a container, whose kernel belongs to the machine below it.
    pub shared_with_host: bool,
    /// The live-patch modules that are loaded and in effect.
    #[serde(default)]
    pub livepatches: Vec<LivepatchModule>,
}

impl RunningKernel {
    /// The package version that `uname -v` tells: Debian's kernels end in
    /// `Debian 6.1.123-1 (2025-01-02)`; Ubuntu's begin with `#76-Ubuntu`, which completes
    /// the `5.15.0-69` of `uname -r` to `5.15.0-69.76`.
    pub fn package_version_of(release: &str, uname_v: &str) -> Option<String> {
        let mut words = uname_v.split_whitespace();
        let first = words.next()?;
        if let Some(upload) = first.strip_prefix('#').and_then(|word| word.strip_suffix("-Ubuntu")) {
            let abi = release.rsplit_once('-').filter(|(abi, _)| abi.contains('-'))?.0;
            let plain = upload.bytes().all(|b| b.is_ascii_alphanumeric() || b"~.+".contains(&b));
            return plain.then(|| format!("{abi}.{upload}"));
        }
        words.find(|word| *word == "Debian")?;
        words.next().filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
    }

    /// The kernel that somebody names, by what `uname -r` prints or by the version of its package.
    pub fn named(text: &str, release: Release, packages: &[InstalledPackage]) -> Self {
        let distribution = release.distribution();
        let mut images = packages.iter().filter_map(|package| Some((abi(&package.name)?, package)));
        let by_version = |(_, package): &(&str, &InstalledPackage)| {
            package.version == text || source_version_of(distribution, package) == text
        };
        if images.clone().any(|(abi, _)| abi == text) {
            return Self { release: text.to_owned(), ..Self::default() };
        }
        let image = images.find(by_version).map(|(abi, _)| abi.to_owned());
        // What `uname -r` prints ends in a flavour, such as `amd64`; a version in a revision.
        let is_version =
            text.rsplit('-').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
        let package_version = (image.is_some() || is_version).then(|| text.to_owned());
        let release = image.unwrap_or_else(|| text.to_owned());
        Self { release, package_version, ..Self::default() }
    }
}

/// Whether a source package of this name and version is a kernel. Beside `linux` there are kernels for
/// clouds, boards and later hardware, and packages such as `linux-firmware` or `linux-base`, which have
/// other kinds of versions: a kernel's is `6.8.0-40.40~22.04.1` on Ubuntu, and on Debian its name has
/// the number of a series, as in `linux-6.1`.
pub(crate) fn is_kernel(distribution: Distribution, source: &str, version: &str) -> bool {
    let Some(rest) = source.strip_prefix("linux-") else { return source == "linux" };
    match distribution {
        Distribution::Debian => rest.starts_with(|c: char| c.is_ascii_digit()),
        Distribution::Ubuntu => version.split_once('-').is_some_and(|(upstream, upload)| {
            let numbers = |text: &str| text.split('.').all(|part| part.parse::<u32>().is_ok());
            upstream.matches('.').count() == 2
                && numbers(upstream)
                && upload.split('~').next().is_some_and(|upload| upload.contains('.') && numbers(upload))
        }),
    }
}

/// The kernel source behind a source package that only signs it or points to it:
/// `linux-signed-hwe-6.8` and `linux-meta-hwe-6.8` are `linux-hwe-6.8`, and
/// `linux-signed-amd64` is `linux`. Other packages are returned as they are.
pub(crate) fn source_of(distribution: Distribution, source: &str) -> std::borrow::Cow<'_, str> {
    let Some(rest) = ["linux-signed", "linux-meta"].iter().find_map(|prefix| source.strip_prefix(prefix))
    else {
        return source.into();
    };
    if !(rest.is_empty() || rest.starts_with('-')) {
        return source.into();
    }
    // Debian signs once for each architecture; Ubuntu's suffix is a part of the kernel's name.
    let architecture = rest.rsplit('-').next().filter(|last| ["amd64", "arm64", "i386"].contains(last));
    match (distribution, architecture) {
        (Distribution::Debian, Some(last)) => format!("linux{}", &rest[..rest.len() - last.len() - 1]).into(),
        _ => format!("linux{rest}").into(),
    }
}

/// The version of the kernel source that an image was built from. Debian's signing packages
/// write `6.1.123+1` for `6.1.123-1`; the `+` that stands for the `-` is the one that gives the
/// version of the image itself, else the last.
fn source_version_of(distribution: Distribution, package: &InstalledPackage) -> String {
    let signed = package.source.starts_with("linux-signed-");
    let text = &package.source_version;
    if distribution != Distribution::Debian || !signed {
        return text.clone();
    }
    let with_dash = |at: usize| format!("{}-{}", &text[..at], &text[at + 1..]);
    let places = || text.match_indices('+').map(|(at, _)| at);
    let exact = places().map(with_dash).find(|version| *version == package.version);
    exact.or_else(|| places().next_back().map(with_dash)).unwrap_or_else(|| text.clone())
}

/// An installed kernel image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image<'a> {
    pub package: &'a InstalledPackage,
    /// The kernel source, such as `linux` or `linux-aws`.
    pub source: String,
    /// The version of the kernel source.
    pub version: String,
}

/// The kernels of a host.
#[derive(Debug, Default)]
pub(crate) struct Kernels<'a> {
    /// Every image, oldest first within its source.
    pub images: Vec<Image<'a>>,
    /// The source and version of what runs, when it is a kernel of this host's packages.
    pub running: Option<(String, String)>,
}

impl<'a> Kernels<'a> {
    pub fn of(release: Release, kernel: &RunningKernel, packages: &'a [InstalledPackage]) -> Self {
        let distribution = release.distribution();
        let mut images: Vec<Image<'a>> = packages
            .iter()
            .filter(|package| abi(&package.name).is_some())
            .map(|package| Image {
                package,
                source: source_of(distribution, &package.source).into_owned(),
                version: source_version_of(distribution, package),
            })
            .collect();
        images.sort_by(|a, b| {
            let order = a.source.cmp(&b.source).then_with(|| version::compare(&a.version, &b.version));
            order.then_with(|| a.package.cmp(b.package))
        });
        let running = if kernel.shared_with_host || kernel.release.is_empty() {
            None
        } else {
            let image = images.iter().find(|image| abi(&image.package.name) == Some(&kernel.release));
            let source = match image {
                Some(image) => Some(image.source.clone()),
                // The image was removed while it runs. Debian has one kernel source for a release.
                None if distribution == Distribution::Debian && kernel.package_version.is_some() => {
                    Some("linux".to_owned())
                }
                None => None,
            };
            // What the kernel says of itself is right even when its package was upgraded in place.
            let version = kernel.package_version.clone().or_else(|| image.map(|image| image.version.clone()));
            source.zip(version)
        };
        Self { images, running }
    }

    /// Whether a source package is a kernel's on this host: such packages are matched by
    /// their images. Their headers, tools and libraries do not run as the kernel.
    pub fn covers(&self, distribution: Distribution, source: &str) -> bool {
        let kernel = source_of(distribution, source);
        kernel == "linux" || kernel != source || self.images.iter().any(|image| image.source == kernel)
    }
}

/// The ABI in the name of a kernel image, which is what `uname -r` prints when it runs.
/// Meta packages such as `linux-image-amd64` have none.
fn abi(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("linux-image-")?;
    let rest = rest.strip_prefix("unsigned-").unwrap_or(rest);
    let numbered = rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains('.');
    (numbered && !rest.ends_with("-dbg") && !rest.ends_with("-dbgsym")).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_known_by_what_it_was_made_of() {
        use Distribution::{Debian, Ubuntu};
        for (distribution, source, kernel) in [
            (Debian, "linux-signed-amd64", "linux"),
            (Debian, "linux-signed-arm64", "linux"),
            (Debian, "linux-signed-6.1-amd64", "linux-6.1"),
            (Debian, "linux", "linux"),
            (Debian, "linux-base", "linux-base"),
            (Ubuntu, "linux-signed", "linux"),
            (Ubuntu, "linux-meta", "linux"),
            (Ubuntu, "linux-signed-hwe-6.8", "linux-hwe-6.8"),
            (Ubuntu, "linux-meta-aws", "linux-aws"),
            (Ubuntu, "linux-signedness", "linux-signedness"),
            (Ubuntu, "linux-firmware", "linux-firmware"),
        ] {
            assert_eq!(source_of(distribution, source), kernel);
        }
    }

    #[test]
    fn the_plus_of_a_signed_version_goes_back() {
        for (signed, image, version) in [
            ("6.1.123+1", "6.1.123-1", "6.1.123-1"),
            ("6.1.55+1~bpo11+1", "6.1.55-1~bpo11+1", "6.1.55-1~bpo11+1"),
            ("6.12.38+1", "unlike", "6.12.38-1"),
            ("6.1", "6.1", "6.1"),
        ] {
            let package = InstalledPackage {
                source: "linux-signed-amd64".into(),
                source_version: signed.into(),
                version: image.into(),
                ..InstalledPackage::default()
            };
            assert_eq!(source_version_of(Distribution::Debian, &package), version);
        }
    }

    #[test]
    fn a_kernel_is_named_by_abi_or_by_version() {
        let image = InstalledPackage {
            name: "linux-image-6.1.0-29-amd64".into(),
            source: "linux-signed-amd64".into(),
            source_version: "6.1.123+1".into(),
            version: "6.1.123-1".into(),
            ..InstalledPackage::default()
        };
        let named = |text: &str| {
            let kernel = RunningKernel::named(text, Release::Debian12, std::slice::from_ref(&image));
            (kernel.release, kernel.package_version)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(named("6.1.0-29-amd64"), ("6.1.0-29-amd64".to_owned(), None));
        assert_eq!(named("6.1.123-1"), ("6.1.0-29-amd64".to_owned(), some("6.1.123-1")));
        assert_eq!(named("6.1.99-1"), ("6.1.99-1".to_owned(), some("6.1.99-1")));
        assert_eq!(named("6.1.0-18-amd64"), ("6.1.0-18-amd64".to_owned(), None));
    }

    #[test]
    fn kernels_are_told_from_what_only_belongs_to_them() {
        use Distribution::{Debian, Ubuntu};
        for (distribution, source, version, kernel) in [
            (Debian, "linux", "6.1.123-1", true),
            (Debian, "linux-6.1", "6.1.119-1~deb11u1", true),
            (Debian, "linux-base", "4.9", false),
            (Ubuntu, "linux", "5.15.0-69.76", true),
            (Ubuntu, "linux-hwe-6.8", "6.8.0-40.40~22.04.1", true),
            (Ubuntu, "linux-firmware", "20220329.git681281e4-0ubuntu3.36", false),
            (Ubuntu, "linux-base", "4.5ubuntu9", false),
            (Ubuntu, "linux-atm", "1:2.5.1-4build2", false),
            (Ubuntu, "openssl", "3.0.2-0.1", false),
        ] {
            assert_eq!(is_kernel(distribution, source, version), kernel, "{source} {version}");
        }
    }

    #[test]
    fn a_kernel_tells_its_package_version() {
        let version = RunningKernel::package_version_of;
        let debian = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.123-1 (2025-01-02)";
        assert_eq!(version("6.1.0-29-amd64", debian).as_deref(), Some("6.1.123-1"));
        let ubuntu = "#76-Ubuntu SMP Fri Mar 17 17:19:29 UTC 2023";
        assert_eq!(version("5.15.0-69-generic", ubuntu).as_deref(), Some("5.15.0-69.76"));
        let hwe = "#76~20.04.1-Ubuntu SMP Mon Mar 20 15:54:19 UTC 2023";
        assert_eq!(version("5.15.0-69-generic", hwe).as_deref(), Some("5.15.0-69.76~20.04.1"));
        assert_eq!(version("6.6.1", "#1 SMP Tue Nov 1"), None);
        assert_eq!(version("6.6", "#1-Ubuntu SMP"), None);
        assert_eq!(version("", ""), None);
    }
}
