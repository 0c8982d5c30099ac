//! What a new host finds on its disk before its first boot: the cloud-init
//! NoCloud seed, and what makes a container of a cloud image.
//!
//! The user-data is handed over unchanged. Everything the lab itself needs stands
//! in files of its own. Formats: cloud-init's NoCloud data source and network
//! configuration version 2; systemd.network(5); apt.conf(5); sources.list(5).

use std::{
    fs,
    path::{Component, Path},
};

use base::HostName;

use super::{mirror::PORT, network::Subnet};
use crate::ProviderError;

/// A file to be written below a host's root.
#[derive(Debug, PartialEq, Eq)]
struct SeedFile {
    path: &'static str,
    text: String,
}

/// What a seed is made of.
pub(crate) struct Seed<'a> {
    pub(crate) name: &'a HostName,
    /// Unique per created host: cloud-init runs again when it changes.
    pub(crate) instance_id: &'a str,
    pub(crate) codename: &'a str,
    pub(crate) subnet: Subnet,
    pub(crate) number: u8,
    pub(crate) user_data: &'a str,
    /// The public key of the lab's own package repository, as gpg exports it.
    pub(crate) repo_key: &'a [u8],
}

impl Seed<'_> {
    /// Writes the seed below a host's root, which must not run yet.
    pub(crate) fn write(&self, root: &Path) -> Result<(), ProviderError> {
        for file in self.files() {
            put(root, file.path, file.text.as_bytes())?;
        }
        put(root, "etc/apt/keyrings/lab.gpg", self.repo_key)
    }

    fn files(&self) -> Vec<SeedFile> {
        let (v4, v6) = (self.subnet.v4(self.number), self.subnet.v6(self.number));
        let (gate4, gate6) = (self.subnet.v4(1), self.subnet.v6(1));
        let file = |path, text| SeedFile { path, text };
        vec![
            file(
                "var/lib/cloud/seed/nocloud/meta-data",
                format!("instance-id: {}\nlocal-hostname: {}\n", self.instance_id, self.name),
            ),
            file("var/lib/cloud/seed/nocloud/user-data", self.user_data.to_owned()),
            file(
                "var/lib/cloud/seed/nocloud/network-config",
                format!(
                    "version: 2\nethernets:\n  host0:\n    addresses: [{v4}/24, \"{v6}/64\"]\n    routes:\n      \
                     - {{to: 0.0.0.0/0, via: {gate4}}}\n      - {{to: \"::/0\", via: \"{gate6}\"}}\n"
                ),
            ),
            // Without it networkd waits 13 s for a router before the host counts as online.
            file(
                "etc/systemd/network/10-cloud-init-host0.network.d/lab.conf",
                "[Network]\nIPv6AcceptRA=no\n".to_owned(),
            ),
            // Defaults that user-data may override, except that the disk is the machine's own.
            file(
                "etc/cloud/cloud.cfg.d/90_lab.cfg",
                "datasource_list: [NoCloud]\napt: {preserve_sources_list: true}\nlocale: C.UTF-8\n\
                 manage_etc_hosts: true\nresize_rootfs: false\ngrowpart: {mode: \"off\"}\n"
                    .to_owned(),
            ),
            file("etc/apt/sources.list.d/lab.sources", self.apt_sources()),
            // An archive may be an old copy whose signature has a date in the past. A silent mirror
            // must fail while a person still waits: apt's own limits add up to ten minutes.
            file(
                "etc/apt/apt.conf.d/90lab",
                "Acquire::Check-Valid-Until \"false\";\nAcquire::Check-Date \"false\";\n\
                 Acquire::Languages \"none\";\nAcquire::http::Timeout \"20\";\nAcquire::Retries \"1\";\n"
                    .to_owned(),
            ),
        ]
    }

    fn apt_sources(&self) -> String {
        let (codename, base) = (self.codename, format!("http://{}:{PORT}", self.subnet.v4(1)));
        let stanza = |path: &str, suite: &str, key: &str| {
            format!("Types: deb\nURIs: {base}/{path}\nSuites: {suite}\nComponents: main\nSigned-By: {key}\n")
        };
        let debian_key = "/usr/share/keyrings/debian-archive-keyring.gpg";
        [
            stanza("debian", codename, debian_key),
            stanza("debian-security", &format!("{codename}-security"), debian_key),
            stanza("lab", super::repo::SUITE, "/etc/apt/keyrings/lab.gpg"),
        ]
        .join("\n")
    }
}

/// Writes a file below a root that is not running, without following a link out of it.
fn put(root: &Path, path: &str, bytes: &[u8]) -> Result<(), ProviderError> {
    let mut place = root.to_owned();
    let parts: Vec<_> = Path::new(path).components().collect();
    for (index, part) in parts.iter().enumerate() {
        let Component::Normal(name) = part else { continue };
        place.push(name);
        let last = index + 1 == parts.len();
        match fs::symlink_metadata(&place) {
            Ok(meta) if meta.is_symlink() => {
                return Err(ProviderError::Damaged {
                    path: place,
                    reason: "a link stands where the seed goes".into(),
                });
            }
            Ok(_) => {}
            Err(_) if last => {}
            Err(_) => fs::create_dir(&place).map_err(ProviderError::file("create", &place))?,
        }
    }
    fs::write(&place, bytes).map_err(ProviderError::file("write", &place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(name: &HostName) -> Seed<'_> {
        let subnet = serde_json::from_str("7").unwrap();
        Seed {
            name,
            instance_id: "i-1",
            codename: "bookworm",
            subnet,
            number: 12,
            user_data: "#cloud-config\nssh_pwauth: false\n",
            repo_key: b"key",
        }
    }

    #[test]
    fn the_seed_names_the_host_its_addresses_and_its_archives() {
        let name = "web-1".parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        seed(&name).write(dir.path()).unwrap();
        let read = |path: &str| fs::read_to_string(dir.path().join(path)).unwrap();
        assert_eq!(read("var/lib/cloud/seed/nocloud/meta-data"), "instance-id: i-1\nlocal-hostname: web-1\n");
        assert_eq!(read("var/lib/cloud/seed/nocloud/user-data"), "#cloud-config\nssh_pwauth: false\n");
        assert_eq!(
            read("var/lib/cloud/seed/nocloud/network-config"),
            "version: 2\nethernets:\n  host0:\n    addresses: [10.98.7.12/24, \"fd98:0:0:7::12/64\"]\n    routes:\n      \
             - {to: 0.0.0.0/0, via: 10.98.7.1}\n      - {to: \"::/0\", via: \"fd98:0:0:7::1\"}\n"
        );
        let sources = read("etc/apt/sources.list.d/lab.sources");
        assert!(
            sources.contains("URIs: http://10.98.7.1:3142/debian-security\nSuites: bookworm-security\n"),
            "{sources}"
        );
        assert!(sources.contains("URIs: http://10.98.7.1:3142/lab\nSuites: lab-security\n"), "{sources}");
    }

    #[test]
    fn a_link_out_of_the_root_is_not_followed() {
        let (name, dir, outside) =
            ("a".parse().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), dir.path().join("var")).unwrap();
        assert!(matches!(seed(&name).write(dir.path()), Err(ProviderError::Damaged { .. })));
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
