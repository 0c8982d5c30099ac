//! A key with the request for its certificate, kept until the chain is in use: a start that
//! was cut short goes on with the same one, so that nothing is ordered twice.

use std::{fs, io, path::PathBuf};

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::extensions::GeneralName;

use super::{
    CertificateError,
    pair::{Pairs, make_folder},
};
use crate::durable;

/// A key, a request or a name.
const FILE_BYTES: u64 = 64 << 10;

/// A key that waits for its chain.
pub(super) struct Pending {
    folder: PathBuf,
    pub name: String,
    pub key_pem: base::Redacted<String>,
    pub csr_pem: String,
}

impl Pending {
    /// The one that waits for this name, or a new one.
    pub(super) fn for_name(pairs: &Pairs, name: &str) -> Result<Self, CertificateError> {
        let folder = pairs.next();
        match Self::load(&folder) {
            Ok(pending) if pending.name == name => return Ok(pending),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, "a key that waited for its chain cannot be read; making another")
            }
        }
        Self::make(folder, name)
    }

    fn load(folder: &std::path::Path) -> io::Result<Self> {
        let text = |file: &str| {
            let bytes = durable::read_bounded(&folder.join(file), FILE_BYTES)?;
            String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        };
        Ok(Self {
            folder: folder.to_owned(),
            // The name is written last: with it, all are there.
            name: text("name")?,
            key_pem: base::Redacted::new(text("key.pem")?),
            csr_pem: text("request.pem")?,
        })
    }

    fn make(folder: PathBuf, name: &str) -> Result<Self, CertificateError> {
        let key_error = |source| CertificateError::Key { source };
        let key = KeyPair::generate().map_err(key_error)?;
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(key_error)?;
        // The name stands among the alternative names, where it counts, and nowhere else.
        params.distinguished_name = DistinguishedName::new();
        let csr_pem = params.serialize_request(&key).and_then(|request| request.pem()).map_err(key_error)?;
        let key_pem = base::Redacted::new(key.serialize_pem());
        let file = CertificateError::file;
        match fs::remove_file(folder.join("name")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(&folder)(error)),
            _ => {}
        }
        make_folder(&folder, 0o700)
            .and_then(|()| durable::replace(&folder.join("key.pem"), key_pem.expose().as_bytes(), 0o600))
            .and_then(|()| durable::replace(&folder.join("request.pem"), csr_pem.as_bytes(), 0o600))
            .and_then(|()| durable::replace(&folder.join("name"), name.as_bytes(), 0o600))
            .map_err(file(&folder))?;
        Ok(Self { folder, name: name.to_owned(), key_pem, csr_pem })
    }

    /// Checks that a chain is for this key and this name and valid now. Gives the serial number.
    pub(super) fn check(&self, chain_pem: &str) -> Result<String, CertificateError> {
        let wrong = |reason: &str| CertificateError::answer(format!("its chain {reason}"));
        let der =
            CertificateDer::from_pem_slice(chain_pem.as_bytes()).map_err(|_| wrong("cannot be read"))?;
        let (_, leaf) = x509_parser::parse_x509_certificate(&der).map_err(|_| wrong("cannot be read"))?;
        let key =
            KeyPair::from_pem(self.key_pem.expose()).map_err(|source| CertificateError::Key { source })?;
        if leaf.public_key().raw != key.subject_public_key_info() {
            return Err(wrong("is for another key"));
        }
        let names = leaf.subject_alternative_name().ok().flatten();
        let own = |name: &GeneralName<'_>| matches!(name, GeneralName::DNSName(found) if found.eq_ignore_ascii_case(&self.name));
        if !names.is_some_and(|names| names.value.general_names.iter().any(own)) {
            return Err(wrong("is for another name"));
        }
        if leaf.validity().not_after.timestamp() <= jiff::Timestamp::now().as_second() {
            return Err(wrong("has expired"));
        }
        let serial = leaf.raw_serial();
        Ok(hex(serial.strip_prefix(&[0]).unwrap_or(serial)))
    }

    /// Removes it: its key is part of the pair in use now.
    pub(super) fn forget(&self) -> Result<(), CertificateError> {
        fs::remove_dir_all(&self.folder).map_err(CertificateError::file(&self.folder))
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Places;

    const NAME: &str = "web-1.example.org";

    fn pairs() -> (Pairs, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Pairs::new(&Places::below(folder.path())), folder)
    }

    fn signed(csr_pem: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::new(CertificateParams::new(Vec::new()).unwrap(), key);
        rcgen::CertificateSigningRequestParams::from_pem(csr_pem).unwrap().signed_by(&issuer).unwrap().pem()
    }

    #[test]
    fn a_second_start_goes_on_with_the_same_request_and_another_name_makes_another() {
        let (pairs, _folder) = pairs();
        let first = Pending::for_name(&pairs, NAME).unwrap();
        let second = Pending::for_name(&pairs, NAME).unwrap();
        assert_eq!((&first.csr_pem, first.key_pem.expose()), (&second.csr_pem, second.key_pem.expose()));
        let other = Pending::for_name(&pairs, "web-2.example.org").unwrap();
        assert_ne!(other.csr_pem, first.csr_pem);
        other.forget().unwrap();
        assert_ne!(Pending::for_name(&pairs, NAME).unwrap().csr_pem, first.csr_pem);
    }

    #[test]
    fn a_chain_for_another_key_or_name_is_refused() {
        let (pairs, _folder) = pairs();
        let pending = Pending::for_name(&pairs, NAME).unwrap();
        let serial = pending.check(&signed(&pending.csr_pem)).unwrap();
        assert!(!serial.is_empty() && serial.bytes().all(|b| b.is_ascii_hexdigit()));
        let key = KeyPair::generate().unwrap();
        let foreign = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let own_key = KeyPair::from_pem(pending.key_pem.expose()).unwrap();
        let params = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
        let renamed = params("web-2.example.org").self_signed(&own_key).unwrap().pem();
        let mut old = params(NAME);
        old.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let expired = old.self_signed(&own_key).unwrap().pem();
        for (chain, words) in [
            (foreign.as_str(), "another key"),
            (renamed.as_str(), "another name"),
            (expired.as_str(), "expired"),
            ("", "cannot be read"),
        ] {
            let refused = pending.check(chain).unwrap_err().to_string();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
