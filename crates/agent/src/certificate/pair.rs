//! Keys and chains on the disk. A pair is a folder named by its serial number; `current` is a
//! link to one of them, switched in one step, so that key and chain always fit each other.
//!
//! ```text
//! /etc/holdfast/tls/current ─► pairs/SERIAL/{certificate.pem, key.pem}
//!                   next/{key.pem, request.pem, name}      until a chain for it is shown
//!                   state.json                             what was proven last
//! ```

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use nix::unistd::Group;
use serde::{Deserialize, Serialize};
use wire::TlsService;

use super::CertificateError;
use crate::{Places, durable};

/// The state is a few short texts.
const STATE_BYTES: u64 = 64 << 10;

/// What is remembered between starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    /// Serial number of the pair that was last seen in use.
    pub proven: Option<String>,
    /// Who shows it.
    pub service: TlsService,
    /// The name in it.
    pub name: String,
}

/// The folder of keys and chains.
pub(super) struct Pairs {
    root: PathBuf,
}

impl Pairs {
    pub(super) fn new(places: &Places) -> Self {
        Self { root: places.tls().to_owned() }
    }

    /// The folder of the key that waits for its chain.
    pub(super) fn next(&self) -> PathBuf {
        self.root.join("next")
    }

    fn pair(&self, serial: &str) -> PathBuf {
        self.root.join("pairs").join(serial)
    }

    pub(super) fn state(&self) -> Result<State, CertificateError> {
        let path = self.root.join("state.json");
        match durable::read_bounded(&path, STATE_BYTES) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| CertificateError::file(&path)(error.into()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(State { proven: None, service: TlsService::None, name: String::new() })
            }
            Err(error) => Err(CertificateError::file(&path)(error)),
        }
    }

    pub(super) fn keep_state(&self, state: &State) -> Result<(), CertificateError> {
        let path = self.root.join("state.json");
        let written = serde_json::to_vec(state).map_err(io::Error::from);
        written
            .and_then(|bytes| durable::replace(&path, &bytes, 0o600))
            .map_err(CertificateError::file(&path))
    }

    /// Serial number of the pair that services read.
    pub(super) fn current(&self) -> Result<Option<String>, CertificateError> {
        let link = self.root.join("current");
        match fs::read_link(&link) {
            Ok(target) => {
                let serial = target.file_name().and_then(|name| name.to_str()).map(str::to_owned);
                Ok(serial.filter(|serial| is_serial(serial) && self.has(serial)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CertificateError::file(&link)(error)),
        }
    }

    /// Whether this pair is there, whole.
    pub(super) fn has(&self, serial: &str) -> bool {
        let folder = self.pair(serial);
        folder.join("key.pem").is_file() && folder.join("certificate.pem").is_file()
    }

    /// Writes a pair beside the others.
    pub(super) fn add(
        &self,
        serial: &str,
        chain_pem: &str,
        key_pem: &str,
        service: TlsService,
    ) -> Result<(), CertificateError> {
        if !is_serial(serial) {
            return Err(CertificateError::answer("its serial number is none"));
        }
        let folder = self.pair(serial);
        let made = make_folder(&folder, 0o755)
            .and_then(|()| durable::replace(&folder.join("key.pem"), key_pem.as_bytes(), 0o600))
            .and_then(|()| durable::replace(&folder.join("certificate.pem"), chain_pem.as_bytes(), 0o644));
        made.map_err(CertificateError::file(&folder))?;
        self.own(serial, service)
    }

    /// Lets the service read the key: Nginx and whoever else does so as root; PostgreSQL takes
    /// a key of root's that its own group may read (its documentation, "Secure TCP/IP
    /// Connections with SSL").
    pub(super) fn own(&self, serial: &str, service: TlsService) -> Result<(), CertificateError> {
        let key = self.pair(serial).join("key.pem");
        let group = match service {
            TlsService::Postgresql => {
                Group::from_name("postgres").ok().flatten().map(|group| group.gid.as_raw())
            }
            TlsService::Nginx | TlsService::None => None,
        };
        let mode = if group.is_some() { 0o640 } else { 0o600 };
        chown(&key, None, Some(group.unwrap_or(0)))
            .and_then(|()| fs::set_permissions(&key, Permissions::from_mode(mode)))
            .map_err(CertificateError::file(&key))
    }

    /// Has services read this pair from their next reload on.
    pub(super) fn switch_to(&self, serial: &str) -> Result<(), CertificateError> {
        let (link, aside) = (self.root.join("current"), self.root.join(".current.new"));
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CertificateError::file(&aside)(error));
            }
            _ => {}
        }
        symlink(Path::new("pairs").join(serial), &aside)
            .and_then(|()| fs::rename(&aside, &link))
            .and_then(|()| fs::File::open(&self.root)?.sync_all())
            .map_err(CertificateError::file(&link))
    }

    /// Removes every pair but the current one.
    pub(super) fn drop_others(&self) -> Result<(), CertificateError> {
        let Some(current) = self.current()? else { return Ok(()) };
        let folder = self.root.join("pairs");
        let others = fs::read_dir(&folder).map_err(CertificateError::file(&folder))?;
        for other in others.flatten().filter(|other| other.file_name() != current.as_str()) {
            let path = other.path();
            fs::remove_dir_all(&path).map_err(CertificateError::file(&path))?;
        }
        Ok(())
    }
}

/// Makes a folder for root, whose mode does not depend on the process.
pub(super) fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        // Names of folders are no secret; a service must get at its files through them.
        DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        fs::set_permissions(parent, Permissions::from_mode(0o755))?;
    }
    DirBuilder::new().recursive(true).mode(mode).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Up to 20 bytes in hexadecimal (RFC 5280 §4.1.2.2), so never a path.
fn is_serial(text: &str) -> bool {
    (2..=42).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> (Pairs, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::below(folder.path());
        fs::create_dir_all(places.tls()).unwrap();
        (Pairs::new(&places), folder)
    }

    #[test]
    fn a_switch_takes_key_and_chain_together_and_others_go_only_afterwards() {
        let (pairs, _folder) = pairs();
        assert_eq!(pairs.current().unwrap(), None);
        for serial in ["aa01", "aa02"] {
            pairs.add(serial, serial, &format!("key of {serial}"), TlsService::None).unwrap();
            pairs.switch_to(serial).unwrap();
            assert_eq!(pairs.current().unwrap().as_deref(), Some(serial));
            let read = |name: &str| fs::read_to_string(pairs.root.join("current").join(name)).unwrap();
            assert_eq!(
                (read("certificate.pem"), read("key.pem")),
                (serial.to_owned(), format!("key of {serial}"))
            );
        }
        assert!(pairs.has("aa01"), "the former pair stays until the new one is proven");
        pairs.switch_to("aa01").unwrap();
        pairs.drop_others().unwrap();
        assert!(pairs.has("aa01") && !pairs.has("aa02"));
    }

    #[test]
    fn the_key_is_for_root_alone() {
        let (pairs, _folder) = pairs();
        pairs.add("01", "chain", "key", TlsService::Nginx).unwrap();
        let mode =
            |name: &str| fs::metadata(pairs.pair("01").join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("key.pem"), mode("certificate.pem")), (0o600, 0o644));
    }

    #[test]
    fn no_serial_number_leaves_the_folder() {
        let (pairs, _folder) = pairs();
        for bad in ["", "..", "../../x", "AA", "a/b", &"a".repeat(43)] {
            assert!(pairs.add(bad, "", "", TlsService::None).is_err(), "{bad}");
        }
    }
}
