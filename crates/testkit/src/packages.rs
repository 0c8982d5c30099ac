//! What a simulated host starts with: a small Debian 12 with security updates pending.
//!
//! Versions are of the shape of real ones; no test may take them for facts about a
//! vulnerability.

use std::{collections::BTreeSet, sync::Arc};

use base::{Clock, HostName, Release};
use wire::{Package, PackageName, PackageStatus, PackageVersion, Posture, Virtualization};

use crate::{SimulatedHost, disk::Disk};

/// A version that the archive offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    pub(crate) name: PackageName,
    pub(crate) version: PackageVersion,
    pub(crate) security: bool,
    pub(crate) restarts: Vec<String>,
    pub(crate) kernel: Option<String>,
    pub(crate) former_gone: bool,
}

impl Update {
    /// Size of every package, in bytes, so that sums are easy to check.
    pub const BYTES: u64 = 1_000_000;

    /// From the security archive.
    ///
    /// # Panics
    /// If the name or version is not one that dpkg would take.
    pub fn security(name: &str, version: &str) -> Self {
        Self {
            name: name.parse().expect("a package name"),
            version: version.parse().expect("a package version"),
            security: true,
            restarts: Vec::new(),
            kernel: None,
            former_gone: false,
        }
    }

    /// From the main archive only.
    ///
    /// # Panics
    /// If the name or version is not one that dpkg would take.
    pub fn ordinary(name: &str, version: &str) -> Self {
        Self { security: false, ..Self::security(name, version) }
    }

    /// Running units that use its files.
    pub fn restarts(mut self, unit: &str) -> Self {
        self.restarts.push(unit.to_owned());
        self
    }

    /// It brings this kernel, which takes effect with a reboot.
    pub fn kernel(mut self, release: &str) -> Self {
        self.kernel = Some(release.to_owned());
        self
    }

    /// No archive has the version it replaces any more.
    pub fn former_gone(mut self) -> Self {
        self.former_gone = true;
        self
    }
}

/// Describes a host before it first boots.
#[derive(Debug, Clone)]
pub struct HostBuilder {
    pub(crate) name: HostName,
    pub(crate) release: Release,
    pub(crate) virtualization: Virtualization,
    pub(crate) kernel: String,
    pub(crate) archive: Vec<Update>,
    pub(crate) disk: Disk,
}

impl HostBuilder {
    /// The kernel that runs at first.
    pub const KERNEL: &str = "6.1.0-37-amd64";
    /// The kernel that [`kernel_update`](Self::kernel_update) brings.
    pub const NEW_KERNEL: &str = "6.1.0-41-amd64";

    /// A Debian 12 with two pending security updates (`libssl3`, `openssl`), an ordinary
    /// one (`tzdata`), no kernel update, sshd running and 10 GB free.
    ///
    /// # Panics
    /// If the name cannot be a host's.
    pub fn debian12(name: &str) -> Self {
        let disk = Disk {
            packages: Vec::new(),
            lists: Vec::new(),
            lists_updated_at: None,
            interrupted: false,
            newest_kernel: Self::KERNEL.to_owned(),
            reboot_reasons: Vec::new(),
            broken_units: BTreeSet::new(),
            units: BTreeSet::from(["ssh.service".to_owned()]),
            stale_units: BTreeSet::new(),
            boots: true,
            free_bytes: 10_000_000_000,
            packages_at: None,
            posture: Posture::default(),
            firewall: Vec::new(),
            firewall_trial: None,
            stagings: Default::default(),
            jobs: Default::default(),
        };
        let builder = Self {
            name: name.parse().expect("a host name"),
            release: Release::Debian12,
            virtualization: Virtualization::OwnKernel { kind: "kvm".to_owned() },
            kernel: Self::KERNEL.to_owned(),
            archive: Vec::new(),
            disk,
        };
        builder
            .package("libc6", "2.36-9+deb12u10")
            .package("libssl3", "3.0.16-1~deb12u1")
            .package("openssl", "3.0.16-1~deb12u1")
            .package("openssh-server", "1:9.2p1-2+deb12u6")
            .package("tzdata", "2025b-0+deb12u1")
            .package("linux-image-amd64", "6.1.140-1")
            .package("linux-image-6.1.0-37-amd64", "6.1.140-1")
            .update(Update::security("libssl3", "3.0.17-1~deb12u3").restarts("ssh.service"))
            .update(Update::security("openssl", "3.0.17-1~deb12u3"))
            .update(Update::ordinary("tzdata", "2025b-0+deb12u2"))
    }

    /// Another release. Packages stay as they are.
    pub fn release(mut self, release: Release) -> Self {
        self.release = release;
        self
    }

    /// A container: the kernel belongs to the machine below.
    pub fn in_container(mut self) -> Self {
        self.virtualization = Virtualization::SharedKernel { kind: "systemd-nspawn".to_owned() };
        self
    }

    /// Installs a package, or another version of it. Its source has the same name.
    ///
    /// # Panics
    /// If the name or version is not one that dpkg would take.
    pub fn package(mut self, name: &str, version: &str) -> Self {
        let name: PackageName = name.parse().expect("a package name");
        let version = version.parse().expect("a package version");
        self.disk.packages.retain(|package| package.name != name);
        self.disk.packages.push(installed(name, version));
        self
    }

    /// Has the archive offer a version, as of the host's last refresh.
    pub fn update(mut self, update: Update) -> Self {
        self.archive.retain(|other| other.name != update.name);
        self.archive.push(update);
        self
    }

    /// A pending kernel: a new version of the metapackage and, as on a real Debian, a
    /// new package that was not there before.
    pub fn kernel_update(self) -> Self {
        self.update(Update::security("linux-image-amd64", "6.1.158-1"))
            .update(Update::security("linux-image-6.1.0-41-amd64", "6.1.158-1").kernel(Self::NEW_KERNEL))
    }

    /// Nothing is pending.
    pub fn up_to_date(mut self) -> Self {
        self.archive.clear();
        self
    }

    /// Holds a package, as `apt-mark hold` does. Without the package it does nothing.
    pub fn hold(mut self, name: &str) -> Self {
        for package in self.disk.packages.iter_mut().filter(|package| package.name.as_str() == name) {
            package.held = true;
            package.status = PackageStatus("hi".to_owned());
        }
        self
    }

    /// A unit that runs and is watched.
    pub fn unit(mut self, unit: &str) -> Self {
        self.disk.units.insert(unit.to_owned());
        self
    }

    /// Free space, in bytes.
    pub fn free_bytes(mut self, bytes: u64) -> Self {
        self.disk.free_bytes = bytes;
        self
    }

    /// What the host reports of its hardening.
    pub fn posture(mut self, posture: Posture) -> Self {
        self.disk.posture = posture;
        self
    }

    /// Boots it. Its package lists are fresh.
    pub fn boot(self, clock: Arc<dyn Clock>) -> Arc<SimulatedHost> {
        Arc::new(SimulatedHost::first_boot(self, clock))
    }
}

pub(crate) fn installed(name: PackageName, version: PackageVersion) -> Package {
    Package {
        source: name.as_str().to_owned(),
        source_version: version.clone(),
        name,
        version,
        architecture: "amd64".to_owned(),
        status: PackageStatus("ii".to_owned()),
        held: false,
        automatic: false,
    }
}
