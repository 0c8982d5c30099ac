//! Of which packages an earlier version still runs. The kernel tells which replaced files are in use,
//! dpkg's lists to which package they belong, and dpkg's log which version was installed when the
//! oldest of the processes started.
//!
//! Where the log does not reach back that far, the version is not known and the package is left out;
//! the service is reported all the same.

use std::{collections::BTreeMap, path::Path};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use wire::{FormerInUse, Package, PackageVersion};

use super::{
    mapped_files::{StaleProcesses, Users},
    text,
};

/// dpkg's log and the one before it: logrotate turns it over once a month.
const LOGS: [&str; 2] = ["/var/log/dpkg.log.1", "/var/log/dpkg.log"];
const LISTS: &str = "/var/lib/dpkg/info";

/// A line of the log that says that a package was upgraded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Upgrade<'a> {
    at: Timestamp,
    /// With its architecture, as in `libssl3:amd64`.
    package: &'a str,
    from: &'a str,
}

pub(super) fn former_versions(stale: &StaleProcesses, packages: &[Package]) -> Vec<FormerInUse> {
    if stale.files.is_empty() {
        return Vec::new();
    }
    let logs: Vec<String> = LOGS.iter().filter_map(text::of).collect();
    let zone = TimeZone::system();
    let upgrades: Vec<Upgrade<'_>> =
        logs.iter().flat_map(|log| log.lines()).filter_map(|line| upgrade(line, &zone)).collect();
    owners(&stale.files)
        .into_iter()
        .filter_map(|(package, users)| {
            let (name, architecture) = split(&package);
            let installed = packages.iter().find(|known| {
                split(known.name.as_str()).0 == name
                    && architecture.is_none_or(|architecture| known.architecture == architecture)
            })?;
            let version = version_at(&upgrades, name, &installed.architecture, users.oldest?)?;
            Some(FormerInUse {
                name: installed.name.clone(),
                architecture: installed.architecture.clone(),
                version,
                units: users.units.into_iter().collect(),
            })
        })
        .collect()
}

fn split(package: &str) -> (&str, Option<&str>) {
    package.split_once(':').map_or((package, None), |(name, architecture)| (name, Some(architecture)))
}

/// The version that was installed at a moment, if the package was upgraded since.
fn version_at(
    upgrades: &[Upgrade<'_>],
    name: &str,
    architecture: &str,
    moment: Timestamp,
) -> Option<PackageVersion> {
    let of_it = upgrades.iter().filter(|upgrade| {
        let (upgraded, its) = split(upgrade.package);
        upgraded == name && its.is_none_or(|its| its == architecture)
    });
    of_it.filter(|upgrade| upgrade.at >= moment).min_by_key(|upgrade| upgrade.at)?.from.parse().ok()
}

/// `2026-11-23 12:00:00 upgrade libssl3:amd64 3.0.11-1 3.0.13-1`, in the zone of the host.
fn upgrade<'a>(line: &'a str, zone: &TimeZone) -> Option<Upgrade<'a>> {
    let (at, rest) = (line.get(..19)?, line.get(20..)?);
    let mut words = rest.split(' ');
    if words.next() != Some("upgrade") {
        return None;
    }
    let at: DateTime = DateTime::strptime("%Y-%m-%d %H:%M:%S", at).ok()?;
    let at = zone.to_ambiguous_zoned(at).compatible().ok()?.timestamp();
    Some(Upgrade { at, package: words.next()?, from: words.next()? })
}

/// The packages that own the replaced files, each with all who run one of its files.
fn owners(files: &BTreeMap<String, Users>) -> BTreeMap<String, Users> {
    let sought: Vec<(String, &Users)> = files.iter().map(|(path, users)| (stem(path), users)).collect();
    let mut owners: BTreeMap<String, Users> = BTreeMap::new();
    for entry in std::fs::read_dir(LISTS).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(package) = package_of_list(&path) else { continue };
        let Some(list) = text::of(&path) else { continue };
        for users in owned(&list, &sought) {
            let known = owners.entry(package.to_owned()).or_default();
            known.units.extend(users.units.iter().cloned());
            known.oldest = match (known.oldest, users.oldest) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }
    owners
}

fn package_of_list(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".list")
}

fn owned<'a>(list: &str, sought: &[(String, &'a Users)]) -> Vec<&'a Users> {
    let stems: std::collections::HashSet<String> = list.lines().map(stem).collect();
    sought.iter().filter(|(stem, _)| stems.contains(stem)).map(|(_, users)| *users).collect()
}

/// A path by which a file and its successor are the same: without `/usr`, as old lists name libraries
/// below `/lib`, and of a library up to the first number of its version, as `libfoo.so.1.2.3` is
/// replaced by `libfoo.so.1.2.4`.
fn stem(path: &str) -> String {
    let path = path.strip_prefix("/usr").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let Some((name, version)) = path.split_once(".so.") else { return path.to_owned() };
    let major = version.split('.').next().unwrap_or(version);
    format!("{name}.so.{major}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_log_tells_what_was_installed_when_a_process_started() {
        let log = "2026-11-01 10:00:00 upgrade libssl3:amd64 3.0.9-1 3.0.11-1\n\
            2026-11-01 10:00:00 status half-configured libssl3:amd64 3.0.9-1\n\
            2026-11-20 10:00:00 upgrade libssl3:amd64 3.0.11-1 3.0.13-1\n\
            2026-11-20 10:00:01 upgrade libssl3:i386 3.0.1-1 3.0.13-1\n\
            2026-11-20 10:00:02 install curl:amd64 <none> 7.88-1\nnonsense\n";
        let upgrades: Vec<_> = log.lines().filter_map(|line| upgrade(line, &TimeZone::UTC)).collect();
        assert_eq!(upgrades.len(), 3);
        let at = |moment: &str| {
            version_at(&upgrades, "libssl3", "amd64", time(moment)).map(|version| version.to_string())
        };
        assert_eq!(at("2026-10-30T00:00:00Z").as_deref(), Some("3.0.9-1"));
        assert_eq!(at("2026-11-10T00:00:00Z").as_deref(), Some("3.0.11-1"));
        assert_eq!(at("2026-11-21T00:00:00Z"), None, "it started after the last upgrade");
        assert_eq!(version_at(&upgrades, "libssl", "amd64", time("2026-10-30T00:00:00Z")), None);
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(upgrade(log.lines().next().unwrap(), &zone).unwrap().at, time("2026-11-01T09:00:00Z"));
    }

    #[test]
    fn a_replaced_file_is_found_under_its_successors_name() {
        let users = Users { units: ["ssh.service".to_owned()].into(), oldest: None };
        let sought = |path: &str| vec![(stem(path), &users)];
        let list = "/.\n/lib\n/lib/x86_64-linux-gnu/libssl.so.3\n/usr/lib/x86_64-linux-gnu/libfoo.so.1.2.4\n/usr/bin/openssl\n";
        for (path, found) in [
            ("/usr/lib/x86_64-linux-gnu/libssl.so.3", 1),
            ("/usr/lib/x86_64-linux-gnu/libfoo.so.1.2.3", 1),
            ("/usr/lib/x86_64-linux-gnu/libfoo.so.2.0", 0),
            ("/usr/bin/openssl", 1),
            ("/usr/bin/ssh", 0),
        ] {
            assert_eq!(owned(list, &sought(path)).len(), found, "{path}");
        }
        assert_eq!(package_of_list(Path::new("/x/libssl3:amd64.list")), Some("libssl3:amd64"));
        assert_eq!(package_of_list(Path::new("/x/libssl3:amd64.md5sums")), None);
    }
}
