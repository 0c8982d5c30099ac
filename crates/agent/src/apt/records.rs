//! Reads the records that `apt-cache show NAME=VERSION ..` prints: fields of
//! deb-control(5), an empty line between packages. A record that was found in an
//! archive has `Filename`, `Size` and `SHA256`; one that only dpkg knows has not.

use std::collections::HashMap;

use base::Sha256;

/// What one record tells of a package version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveRecord {
    /// Download size in bytes, when an archive carries the version.
    pub size: Option<u64>,
    /// Digest of the package file, when an archive carries the version.
    pub sha256: Option<Sha256>,
    /// Size when unpacked, in bytes.
    pub installed_bytes: u64,
}

/// Records by name and version, the one from an archive before the one from dpkg.
#[derive(Debug, Default)]
pub struct Records(HashMap<(String, String), ArchiveRecord>);

impl Records {
    /// Reads what `apt-cache show` prints. Unknown fields and odd lines are skipped.
    pub fn parse(text: &str) -> Self {
        let mut records = Self::default();
        for paragraph in text.split("\n\n") {
            let (mut name, mut version, mut record) = (None, None, ArchiveRecord::default());
            for (field, value) in paragraph.lines().filter_map(|line| line.split_once(": ")) {
                let value = value.trim();
                match field {
                    "Package" => name = Some(value.to_owned()),
                    "Version" => version = Some(value.to_owned()),
                    "Size" => record.size = value.parse().ok(),
                    "SHA256" => record.sha256 = value.parse().ok(),
                    // Policy §5.6.20: in units of 1024 bytes.
                    "Installed-Size" => {
                        record.installed_bytes = value.parse().unwrap_or(0_u64).saturating_mul(1024)
                    }
                    _ => {}
                }
            }
            if let (Some(name), Some(version)) = (name, version) {
                let known = records.0.entry((name, version)).or_default();
                if known.size.is_none() {
                    *known = record;
                }
            }
        }
        records
    }

    /// The record of one version. A foreign architecture's name is looked up without it.
    pub fn get(&self, name: &str, version: &str) -> Option<&ArchiveRecord> {
        let plain = name.split(':').next().unwrap_or(name);
        self.0.get(&(plain.to_owned(), version.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_can_be_fetched_from_what_is_only_installed() {
        let text = "Package: a1\nVersion: 2\nInstalled-Size: 3\nFilename: pool/a1.deb\nSize: 10\n\
            Description: x\n y: z\n\nPackage: a1\nVersion: 1\nStatus: install ok installed\nInstalled-Size: 2\n\n";
        let records = Records::parse(text);
        assert_eq!(records.get("a1", "2").unwrap().size, Some(10));
        let installed = records.get("a1:i386", "1").unwrap();
        assert_eq!((installed.size, installed.installed_bytes), (None, 2048));
        assert_eq!(records.get("a1", "3"), None);
    }
}
