//! Reads what `apt-get -s dist-upgrade` prints under `LC_ALL=C`:
//!
//! ```text
//! Inst libssl3 [3.0.15-1] (3.0.17-1 Debian-Security:12/oldstable-security [amd64]) [openssl:amd64 ]
//! Inst linux-image-6.1.0-40-amd64 (6.1.153-1 Debian-Security:12/oldstable-security [amd64])
//! Remv oldthing [1.0] [other:amd64 ]
//! Conf libssl3 (3.0.17-1 Debian-Security:12/oldstable-security [amd64])
//! ```
//!
//! The brackets behind name and version are printed by apt's simulation
//! (`pkgSimulate` in apt's `algorithms.cc`): installed version, then the new one with
//! its archives and architecture.

use wire::{PackageName, PackageVersion};

/// What apt would do, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// Packages to unpack.
    pub installs: Vec<Install>,
    /// Packages to remove.
    pub removes: Vec<PackageName>,
}

/// One package to unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Binary package.
    pub name: PackageName,
    /// Installed version, none for a new package.
    pub from: Option<PackageVersion>,
    /// Version to install.
    pub to: PackageVersion,
    /// Archives that carry it.
    pub origins: Vec<String>,
    /// Its architecture.
    pub architecture: String,
}

impl Install {
    /// Whether a security archive carries the version.
    pub fn is_security(&self) -> bool {
        self.origins.iter().any(|origin| is_security_origin(origin))
    }
}

/// A line of a known kind that cannot be read. Guessing at it would change the plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read apt's line `{line}`")]
pub struct UnknownLine {
    /// The line, shortened.
    pub line: String,
}

/// Whether an archive, as apt prints it, is one for security updates. Debian's carries
/// the label `Debian-Security`; Ubuntu's are pockets whose names end in `-security`.
pub fn is_security_origin(origin: &str) -> bool {
    let (label, archive) = origin.split_once(':').unwrap_or((origin, ""));
    label == "Debian-Security" || (label.starts_with("Ubuntu") && archive.ends_with("-security"))
}

/// Reads a whole simulation. Lines of other kinds are for people and are skipped.
pub fn parse(text: &str) -> Result<Simulation, UnknownLine> {
    let mut found = Simulation::default();
    for line in text.lines() {
        let unknown = || UnknownLine { line: line.chars().take(200).collect() };
        if let Some(rest) = line.strip_prefix("Inst ") {
            found.installs.push(install(rest).ok_or_else(unknown)?);
        } else if let Some(rest) = line.strip_prefix("Remv ").or_else(|| line.strip_prefix("Purg ")) {
            let name = rest.split(' ').next().and_then(|name| name.parse().ok()).ok_or_else(unknown)?;
            found.removes.push(name);
        }
    }
    Ok(found)
}

fn install(rest: &str) -> Option<Install> {
    let (name, rest) = rest.split_once(' ')?;
    let (from, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (version, rest) = rest.split_once("] ")?;
            (Some(version.parse().ok()?), rest)
        }
        None => (None, rest),
    };
    let inner = rest.strip_prefix('(')?.split_once(')')?.0;
    let (inner, architecture) = inner.strip_suffix(']')?.rsplit_once('[')?;
    let (to, origins) = inner.trim_end().split_once(' ').unwrap_or((inner.trim_end(), ""));
    Some(Install {
        name: name.parse().ok()?,
        from,
        to: to.parse().ok()?,
        origins: origins
            .split(", ")
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect(),
        architecture: architecture.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_upgrades_new_packages_and_removals() {
        let text = "Reading package lists...\nInst libssl3 [3.0.15-1~deb12u1] (3.0.17-1~deb12u2 \
            Debian-Security:12/oldstable-security, Debian:12.12/oldstable [amd64]) [openssl:amd64 ]\n\
            Inst linux-image-6.1.0-40-amd64 (6.1.153-1 Debian:12.12/oldstable [amd64])\n\
            Inst local (1.0 [all])\nRemv gone [1.0] [x:amd64 ]\nConf libssl3 (3.0.17-1 Debian [amd64])\n";
        let found = parse(text).unwrap();
        assert_eq!(found.installs.len(), 3);
        let first = &found.installs[0];
        assert_eq!(first.from.as_ref().unwrap().as_str(), "3.0.15-1~deb12u1");
        assert_eq!(first.to.as_str(), "3.0.17-1~deb12u2");
        assert_eq!(first.origins, ["Debian-Security:12/oldstable-security", "Debian:12.12/oldstable"]);
        assert!(first.is_security() && !found.installs[1].is_security());
        assert_eq!(found.installs[1].from, None);
        assert_eq!((found.installs[2].architecture.as_str(), found.installs[2].origins.len()), ("all", 0));
        assert_eq!(found.removes[0].as_str(), "gone");
    }

    #[test]
    fn a_line_it_cannot_read_is_an_error_and_not_a_smaller_plan() {
        for bad in ["Inst libssl3", "Inst -x (1 A [b])", "Inst a1 [1] 2", "Inst a1 (1 A", "Remv ../x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn security_archives_of_both_distributions() {
        for yes in [
            "Debian-Security:12/oldstable-security",
            "Debian-Security:/lab-security",
            "Ubuntu:24.04/noble-security",
            "UbuntuESM:22.04/jammy-infra-security",
        ] {
            assert!(is_security_origin(yes), "{yes}");
        }
        for no in ["Debian:12.12/oldstable", "Ubuntu:24.04/noble-updates", "evil:1/x-security"] {
            assert!(!is_security_origin(no), "{no}");
        }
    }
}
