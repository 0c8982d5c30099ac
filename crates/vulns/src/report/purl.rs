//! Package URLs of installed packages, by which other programs know them.
//!
//! Format: <https://github.com/package-url/purl-spec>, types `deb` and, for engines that came as bare
//! binaries, `generic`.

use std::fmt::Write as _;

use base::{Distribution, Release};

use crate::{finding::Finding, proof::BinaryFact};

/// The packages of a finding: its installed binary packages, or its source package where
/// none is left, as with a kernel that runs though its packages were removed.
pub(super) fn of_finding(release: Release, finding: &Finding) -> Vec<String> {
    let mut binaries: Vec<String> =
        finding.proof.binaries.iter().map(|fact| of_binary(release, fact)).collect();
    // Where architectures are not known, the same package for two of them looks alike.
    binaries.sort();
    binaries.dedup();
    if let (Some(engine), true) = (&finding.engine, binaries.is_empty()) {
        // A released binary is of no distribution.
        return vec![format!("pkg:generic/{}@{}", engine.product, escaped(&finding.installed))];
    }
    if binaries.is_empty() {
        return vec![of(release, &finding.source_package, &finding.installed, "source")];
    }
    binaries
}

fn of_binary(release: Release, fact: &BinaryFact) -> String {
    of(release, &fact.name, &fact.version, &fact.architecture)
}

fn of(release: Release, name: &str, version: &str, architecture: &str) -> String {
    let vendor = match release.distribution() {
        Distribution::Debian => "debian",
        Distribution::Ubuntu => "ubuntu",
    };
    let mut url = format!("pkg:deb/{vendor}/{}@{}?", escaped(name), escaped(version));
    if !architecture.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(url, "arch={}&", escaped(architecture));
    }
    url.push_str("distro=");
    url.push_str(release.codename());
    url
}

/// Percent-encoded but for the characters that RFC 3986 §2.3 calls unreserved.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_escaped() {
        let url = of(Release::Debian12, "libstdc++6", "1:12.2.0-14+deb12u1~b", "amd64");
        assert_eq!(url, "pkg:deb/debian/libstdc%2B%2B6@1%3A12.2.0-14%2Bdeb12u1~b?arch=amd64&distro=bookworm");
        assert_eq!(of(Release::Ubuntu2404, "a", "1", ""), "pkg:deb/ubuntu/a@1?distro=noble");
    }
}
