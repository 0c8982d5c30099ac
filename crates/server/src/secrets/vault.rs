//! Envelope encryption: one key per purpose, derived from the master key.

use std::{
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base::Redacted;
use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hkdf::Hkdf;
use rand::{RngCore, rngs::OsRng};
use sha2::Sha256;

/// Bytes of an XChaCha20 nonce. Drawn at random: with 192 bits, collisions need 2^96
/// secrets (draft-irtf-cfrg-xchacha).
const NONCE: usize = 24;

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file with the master key cannot be read or made.
    #[error("the master key `{path}` cannot be used")]
    MasterKey {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was stored is not what was sealed: another master key, or tampering.
    #[error("the secret `{label}` cannot be opened: sealed with another master key, or changed since")]
    NotOurs {
        /// Which secret.
        label: String,
    },
    /// Sealing failed, which the cipher does only for absurd sizes.
    #[error("the secret `{label}` cannot be sealed")]
    Unsealable {
        /// Which secret.
        label: String,
    },
}

/// Seals and opens secrets.
#[derive(Clone)]
pub struct Vault {
    master: Redacted<[u8; 32]>,
}

impl Vault {
    /// Reads the master key from this file, or makes one with mode 0600.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let fault = |source| VaultError::MasterKey { path: path.to_owned(), source };
        match std::fs::read(path) {
            Ok(bytes) => {
                let key: [u8; 32] = bytes.try_into().map_err(|bytes: Vec<u8>| {
                    fault(io::Error::other(format!("expected 32 bytes, found {}", bytes.len())))
                })?;
                Ok(Self::from_key(key))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; 32];
                OsRng.fill_bytes(&mut key);
                let mut options = std::fs::OpenOptions::new();
                let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(fault)?;
                file.write_all(&key).and_then(|()| file.sync_all()).map_err(fault)?;
                Ok(Self::from_key(key))
            }
            Err(error) => Err(fault(error)),
        }
    }

    /// A vault with this master key.
    pub fn from_key(key: [u8; 32]) -> Self {
        Self { master: Redacted::new(key) }
    }

    /// The key for one purpose. Purposes are constants of this program.
    pub fn key_for(&self, purpose: &str) -> Redacted<[u8; 32]> {
        let mut key = [0; 32];
        let expander = Hkdf::<Sha256>::new(Some(b"holdfast master key v1"), self.master.expose());
        // HKDF-SHA-256 gives up to 8 160 bytes, so 32 cannot fail.
        let _ = expander.expand(purpose.as_bytes(), &mut key);
        Redacted::new(key)
    }

    /// Seals a secret. The label is bound to it: opening under another label fails.
    pub fn seal(&self, label: &str, secret: &[u8]) -> Result<String, VaultError> {
        let mut nonce = [0; NONCE];
        OsRng.fill_bytes(&mut nonce);
        let payload = Payload { msg: secret, aad: label.as_bytes() };
        let sealed = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| VaultError::Unsealable { label: label.to_owned() })?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens a sealed secret.
    pub fn unseal(&self, label: &str, sealed: &str) -> Result<Redacted<Vec<u8>>, VaultError> {
        let not_ours = || VaultError::NotOurs { label: label.to_owned() };
        let bytes = STANDARD.decode(sealed).map_err(|_| not_ours())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE).ok_or_else(not_ours)?;
        let payload = Payload { msg: sealed, aad: label.as_bytes() };
        let secret = self.cipher().decrypt(XNonce::from_slice(nonce), payload).map_err(|_| not_ours())?;
        Ok(Redacted::new(secret))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.key_for("seal secrets").expose().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_under_its_own_label_and_key_only() {
        let vault = Vault::from_key([7; 32]);
        let sealed = vault.seal("token of a", b"hunter2").unwrap();
        assert_eq!(vault.unseal("token of a", &sealed).unwrap().expose(), b"hunter2");
        assert!(vault.unseal("token of b", &sealed).is_err());
        assert!(Vault::from_key([8; 32]).unseal("token of a", &sealed).is_err());
        assert!(vault.unseal("token of a", "AAAA").is_err());
        assert_ne!(sealed, vault.seal("token of a", b"hunter2").unwrap());
    }

    #[test]
    fn the_master_key_is_made_once_and_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let sealed = Vault::open(&path).unwrap().seal("x", b"y").unwrap();
        assert_eq!(Vault::open(&path).unwrap().unseal("x", &sealed).unwrap().expose(), b"y");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, b"short").unwrap();
        assert!(Vault::open(&path).is_err());
    }
}
