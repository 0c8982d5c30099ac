//! What dpkg and apt have on record: packages, holds, marks, and whether all is well.

use std::collections::BTreeSet;

use jiff::Timestamp;
use wire::{Package, PackageHealth, PackageName, PackageStatus, PackageVersion, limits};

use super::{ObserveError, text};
use crate::tool::Tool;

const FORMAT: &str =
    "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${db:Status-Abbrev}\n";

/// Packages and the host's own architecture.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// `dpkg --print-architecture`.
    pub architecture: String,
    /// Sorted by name.
    pub packages: Vec<Package>,
}

/// Every package dpkg has on record.
pub async fn recorded() -> Result<Recorded, ObserveError> {
    let dpkg = |source| ObserveError::Packages { source };
    let (architecture, list) = tokio::join!(
        Tool::new("/usr/bin/dpkg").arg("--print-architecture").text(),
        Tool::new("/usr/bin/dpkg-query").args(["-W", "-f", FORMAT]).text(),
    );
    let architecture = architecture.map_err(dpkg)?.trim().to_owned();
    let automatic = automatic(&text::of("/var/lib/apt/extended_states").unwrap_or_default(), &architecture);
    let mut packages = parse(&list.map_err(dpkg)?, &architecture)?;
    for package in &mut packages {
        package.automatic = automatic.contains(package.name.as_str());
    }
    Ok(Recorded { architecture, packages })
}

fn parse(list: &str, architecture: &str) -> Result<Vec<Package>, ObserveError> {
    let mut packages = Vec::new();
    for line in list.lines() {
        let unknown = || ObserveError::UnknownPackage { line: line.chars().take(200).collect() };
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, version, arch, source, source_version, status] = fields[..] else { return Err(unknown()) };
        // A package that is known by name alone has no version and is not there.
        if version.is_empty() {
            continue;
        }
        let version = version.parse::<PackageVersion>().map_err(|_| unknown())?;
        packages.push(Package {
            name: qualified(name, arch, architecture).ok_or_else(unknown)?,
            architecture: arch.to_owned(),
            source: if source.is_empty() { name } else { source }.to_owned(),
            source_version: source_version.parse().unwrap_or_else(|_| version.clone()),
            version,
            held: status.starts_with('h'),
            status: PackageStatus(status.trim_end().to_owned()),
            automatic: false,
        });
        if packages.len() > limits::PACKAGES {
            return Err(ObserveError::TooManyPackages);
        }
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// The name as apt and dpkg print it: with its architecture when that is a foreign one.
fn qualified(name: &str, arch: &str, native: &str) -> Option<PackageName> {
    if arch == native || arch == "all" || arch.is_empty() {
        name.parse().ok()
    } else {
        format!("{name}:{arch}").parse().ok()
    }
}

/// Names marked `Auto-Installed: 1` in apt's `extended_states`. Read directly, because
/// `apt-mark` would build apt's whole cache for it.
fn automatic(states: &str, native: &str) -> BTreeSet<String> {
    states
        .split("\n\n")
        .filter_map(|paragraph| {
            let field = |name: &str| {
                paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim)
            };
            if field("Auto-Installed") != Some("1") {
                return None;
            }
            Some(qualified(field("Package")?, field("Architecture").unwrap_or(""), native)?.to_string())
        })
        .collect()
}

/// Whether dpkg has anything to complain of.
pub(super) async fn health() -> Result<PackageHealth, ObserveError> {
    let audit = Tool::new("/usr/bin/dpkg").arg("--audit").run().await;
    let audit = audit.map_err(|source| ObserveError::Packages { source })?;
    let interrupted =
        std::fs::read_dir("/var/lib/dpkg/updates").into_iter().flatten().flatten().any(|entry| {
            // dpkg's journal files have names of digits; `tmp.i` is being written.
            entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit())
        });
    let audit =
        audit.out.lines().filter(|line| !line.trim().is_empty()).take(500).map(str::to_owned).collect();
    Ok(PackageHealth { audit, interrupted })
}

/// When dpkg last changed its status, by the host's clock.
pub fn packages_at() -> Option<Timestamp> {
    let changed = std::fs::metadata("/var/lib/dpkg/status").and_then(|status| status.modified());
    Timestamp::try_from(changed.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_state_and_names_foreign_packages_as_apt_does() {
        let list = "bash\t5.2.15-2\tamd64\tbash\t5.2.15-2\tii \nlibc6\t2.36-9\ti386\tglibc\t2.36-9\thi \n\
            lab-a\t1.1\tall\tlab\t1.1\tiF \ngone\t\tamd64\tgone\t\tun \nlibperl5.36\t5.36.0-7\tamd64\tperl\t5.36.0-7\tiHR\n";
        let packages = parse(list, "amd64").unwrap();
        let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["bash", "lab-a", "libc6:i386", "libperl5.36"]);
        assert!(packages[2].held && packages[2].status.is_installed());
        assert!(!packages[1].status.is_installed() && packages[3].status.is_present());
        assert!(parse("bash 5.2", "amd64").is_err());
    }

    #[test]
    fn finds_automatic_packages() {
        let states = "Package: libc6\nArchitecture: i386\nAuto-Installed: 1\n\nPackage: bash\nArchitecture: amd64\nAuto-Installed: 0\n\nPackage: perl\nArchitecture: amd64\nAuto-Installed: 1\n";
        let found = automatic(states, "amd64");
        assert!(found.contains("libc6:i386") && found.contains("perl") && found.len() == 2);
    }
}
