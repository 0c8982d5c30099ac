//! Reading certificates and requests for them: what is in a chain, and whether a request asks
//! for one name and nothing else.

use jiff::Timestamp;
use rcgen::{CertificateSigningRequestParams, DnType, DnValue, PublicKeyData, SanType};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::dns::DnsName;

/// A request or a chain is a few KiB; RSA keys and long chains included, never this much.
pub(super) const PEM_BYTES: usize = 32 * 1024;

/// A request that was checked.
#[derive(Debug)]
pub(super) struct Request {
    /// It, in DER.
    pub der: Vec<u8>,
    /// Its public key, `SubjectPublicKeyInfo` in DER.
    pub public_key: Vec<u8>,
}

/// Checks a host's request: signed by its own key, naming exactly this name.
pub(super) fn request(csr_pem: &str, name: &DnsName) -> Result<Request, String> {
    if csr_pem.len() > PEM_BYTES {
        return Err(format!("the request is longer than {PEM_BYTES} bytes"));
    }
    // Checks the signature, and takes no extension but names and usages.
    let parsed = CertificateSigningRequestParams::from_pem(csr_pem)
        .map_err(|error| format!("the request cannot be read: {error}"))?;
    let own = |found: &str| found.eq_ignore_ascii_case(name.as_str());
    for alternative in &parsed.params.subject_alt_names {
        match alternative {
            SanType::DnsName(found) if own(found.as_str()) => {}
            other => return Err(format!("it asks for {}", described(other))),
        }
    }
    if parsed.params.subject_alt_names.len() != 1 {
        return Err(format!("it asks for {} names", parsed.params.subject_alt_names.len()));
    }
    for (kind, value) in parsed.params.distinguished_name.iter() {
        let text = match value {
            DnValue::Utf8String(text) => text.clone(),
            DnValue::PrintableString(text) => text.as_str().to_owned(),
            _ => String::new(),
        };
        if *kind != DnType::CommonName || !own(&text) {
            return Err("its subject is something else than the name".to_owned());
        }
    }
    let der = parsed_der(csr_pem)?;
    Ok(Request { der, public_key: parsed.public_key.subject_public_key_info() })
}

fn parsed_der(csr_pem: &str) -> Result<Vec<u8>, String> {
    rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(csr_pem.as_bytes())
        .map(|der| der.as_ref().to_vec())
        .map_err(|error| format!("the request cannot be read: {error}"))
}

fn described(name: &SanType) -> String {
    let text = match name {
        SanType::DnsName(name) => format!("`{}`", name.as_str()),
        SanType::IpAddress(address) => format!("the address `{address}`"),
        SanType::Rfc822Name(_) => "a mail address".to_owned(),
        SanType::URI(_) => "a URI".to_owned(),
        _ => "another kind of name".to_owned(),
    };
    text.chars().take(200).collect()
}

/// What the first certificate of a chain says.
#[derive(Debug)]
pub(super) struct Leaf {
    /// In lower-case hexadecimal digits, without separators.
    pub serial: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub public_key: Vec<u8>,
    pub der: CertificateDer<'static>,
}

/// Reads the first certificate of a chain in PEM.
pub(super) fn leaf(chain_pem: &str) -> Result<Leaf, String> {
    if chain_pem.len() > PEM_BYTES {
        return Err(format!("the chain is longer than {PEM_BYTES} bytes"));
    }
    let der = CertificateDer::from_pem_slice(chain_pem.as_bytes()).map_err(|error| error.to_string())?;
    let parsed = x509_parser::parse_x509_certificate(&der);
    let (_, parsed) = parsed.map_err(|_| "the first certificate cannot be read".to_owned())?;
    let moment = |at: i64| Timestamp::from_second(at).map_err(|_| "its dates are out of range".to_owned());
    let validity = parsed.validity();
    Ok(Leaf {
        serial: hex::encode(positive(parsed.raw_serial())),
        not_before: moment(validity.not_before.timestamp())?,
        not_after: moment(validity.not_after.timestamp())?,
        public_key: parsed.public_key().raw.to_vec(),
        der: der.clone(),
    })
}

/// A serial number without the zero byte that keeps DER integers positive.
fn positive(serial: &[u8]) -> &[u8] {
    serial.strip_prefix(&[0]).unwrap_or(serial)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn csr(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> String {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    }

    #[test]
    fn a_request_names_its_own_host_and_nothing_else() {
        let own: DnsName = "web-1.example.org".parse().unwrap();
        assert!(request(&csr(&["web-1.example.org"], |_| ()), &own).is_ok());
        assert!(request(&csr(&["WEB-1.example.org"], |_| ()), &own).is_ok());
        let with_subject = csr(&["web-1.example.org"], |params| {
            params.distinguished_name.push(DnType::CommonName, "web-1.example.org");
        });
        assert!(request(&with_subject, &own).is_ok());
        let other_subject = csr(&["web-1.example.org"], |params| {
            params.distinguished_name.push(DnType::CommonName, "web-2.example.org");
        });
        let bad = [
            (csr(&["web-2.example.org"], |_| ()), "`web-2.example.org`"),
            (csr(&["web-1.example.org", "web-2.example.org"], |_| ()), "`web-2.example.org`"),
            (csr(&["*.example.org"], |_| ()), "`*.example.org`"),
            (csr(&["web-1.example.org", "192.0.2.1"], |_| ()), "the address"),
            (csr(&[], |_| ()), "0 names"),
            (other_subject, "subject"),
            ("-----BEGIN NONSENSE-----".to_owned(), "cannot be read"),
            (String::new(), "cannot be read"),
            ("x".repeat(PEM_BYTES + 1), "longer"),
        ];
        for (csr, words) in bad {
            let refused = request(&csr, &own).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn a_request_that_another_key_signed_is_refused() {
        let own: DnsName = "web-1.example.org".parse().unwrap();
        let pem = csr(&["web-1.example.org"], |_| ());
        let mut der = parsed_der(&pem).unwrap();
        // The last byte belongs to the signature.
        let last = der.len() - 1;
        der[last] ^= 1;
        use base64::Engine;
        let body = base64::engine::general_purpose::STANDARD.encode(&der);
        let forged =
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n");
        assert!(request(&forged, &own).is_err());
    }

    #[test]
    fn a_leaf_tells_serial_and_dates() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["web-1.example.org".to_owned()]).unwrap();
        params.serial_number = Some(rcgen::SerialNumber::from(vec![0x1f, 0x02]));
        let pem = params.self_signed(&key).unwrap().pem();
        let leaf = leaf(&pem).unwrap();
        assert_eq!(leaf.serial, "1f02");
        assert!(leaf.not_before < leaf.not_after);
        assert_eq!(leaf.public_key, key.subject_public_key_info());
        assert!(super::leaf("nothing").is_err());
    }
}
