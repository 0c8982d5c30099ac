//! A region's certificate authority and the control plane's own certificates.
//!
//! Agents of a region trust this authority and nothing else, so what one region's key
//! can do ends at that region.

use std::net::IpAddr;

use base::{Redacted, ServerId, Sha256};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Why the authority did not sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The request is not a certificate request that we take.
    #[error("the certificate request is not valid")]
    Request {
        /// What is wrong with it.
        #[source]
        source: rcgen::Error,
    },
    /// The authority's own key or certificate does not work.
    #[error("the certificate authority does not work")]
    Authority {
        /// What is wrong with it.
        #[source]
        source: rcgen::Error,
    },
}

fn own(source: rcgen::Error) -> AuthorityError {
    AuthorityError::Authority { source }
}

/// Signs certificates for one region.
pub struct Authority {
    certificate_pem: String,
    key: KeyPair,
}

/// A certificate with its private key.
pub struct ControlPlaneIdentity {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its key, PKCS#8 in DER.
    pub key: Redacted<Vec<u8>>,
    /// SHA-256 of the public key (`SubjectPublicKeyInfo` in DER).
    pub public_key_sha256: Sha256,
}

impl ControlPlaneIdentity {
    /// The key as rustls takes it.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.expose().clone()).into()
    }
}

impl Authority {
    /// A new authority for a region, valid for ten years: it is replaced by rotation,
    /// not by surprise.
    pub fn create(region: &str) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(own)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(own)?;
        params.distinguished_name.push(DnType::CommonName, format!("Holdfast region {region}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, 3653);
        let certificate = params.self_signed(&key).map_err(own)?;
        Ok(Self { certificate_pem: certificate.pem(), key })
    }

    /// An authority that was stored.
    pub fn load(certificate_pem: String, key_pkcs8: &[u8]) -> Result<Self, AuthorityError> {
        let key = KeyPair::try_from(key_pkcs8).map_err(own)?;
        Ok(Self { certificate_pem, key })
    }

    /// Its certificate, PEM. Public.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its private key, PKCS#8 in DER, to be sealed.
    pub fn key_pkcs8(&self) -> Redacted<Vec<u8>> {
        Redacted::new(self.key.serialize_der())
    }

    /// Signs the key of an agent. The name is ours to give: names in the request are
    /// ignored, and so is all else but the key.
    pub fn sign_agent(&self, server: ServerId, csr_pem: &str) -> Result<(String, Sha256), AuthorityError> {
        let request = CertificateSigningRequestParams::from_pem(csr_pem)
            .map_err(|source| AuthorityError::Request { source })?;
        let mut params = CertificateParams::new(vec![wire::agent_dns_name(server)]).map_err(own)?;
        params.distinguished_name.push(DnType::CommonName, server.to_string());
        // For clients too: by it the host proves itself when it asks for its own TLS certificate.
        // Other agents refuse it, since it does not name the control plane.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        validity(&mut params, 825);
        let certificate = params.signed_by(&request.public_key, &self.issuer()?).map_err(own)?;
        Ok((certificate.pem(), Sha256::of(certificate.der())))
    }

    /// A certificate for the listener that hosts enrol at, with these addresses, on a
    /// stored key or a new one.
    pub fn listener_identity(
        &self,
        addresses: &[IpAddr],
        key: KeyPair,
    ) -> Result<ControlPlaneIdentity, AuthorityError> {
        let mut params =
            CertificateParams::new(vec![wire::CONTROL_PLANE_DNS_NAME.to_owned()]).map_err(own)?;
        params.subject_alt_names.extend(addresses.iter().map(|address| SanType::IpAddress(*address)));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.identity(params, key)
    }

    /// A certificate with which agents are called.
    pub fn caller_identity(&self, key: KeyPair) -> Result<ControlPlaneIdentity, AuthorityError> {
        let mut params =
            CertificateParams::new(vec![wire::CONTROL_PLANE_DNS_NAME.to_owned()]).map_err(own)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.identity(params, key)
    }

    fn identity(
        &self,
        mut params: CertificateParams,
        key: KeyPair,
    ) -> Result<ControlPlaneIdentity, AuthorityError> {
        params.distinguished_name.push(DnType::CommonName, "Holdfast control plane");
        validity(&mut params, 825);
        let certificate = params.signed_by(&key, &self.issuer()?).map_err(own)?;
        Ok(ControlPlaneIdentity {
            certificate: certificate.der().clone(),
            public_key_sha256: Sha256::of(&key.subject_public_key_info()),
            key: Redacted::new(key.serialize_der()),
        })
    }

    fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, AuthorityError> {
        Issuer::from_ca_cert_pem(&self.certificate_pem, &self.key).map_err(own)
    }
}

/// Valid from an hour ago, since a new host's clock may be behind, for so many days.
fn validity(params: &mut CertificateParams, days: u64) {
    let now = std::time::SystemTime::now();
    params.not_before = (now - std::time::Duration::from_secs(3600)).into();
    params.not_after = (now + std::time::Duration::from_secs(days * 86_400)).into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_gets_its_own_name_whatever_it_asks_for() {
        let authority = Authority::create("default").unwrap();
        let authority =
            Authority::load(authority.certificate_pem().to_owned(), authority.key_pkcs8().expose()).unwrap();
        let key = KeyPair::generate().unwrap();
        let greedy = CertificateParams::new(vec!["other.agent.holdfast.internal".to_owned()]).unwrap();
        let csr = greedy.serialize_request(&key).unwrap().pem().unwrap();
        let server = ServerId::new();
        let (pem, _) = authority.sign_agent(server, &csr).unwrap();
        let names = rcgen_names(&pem);
        assert!(names.contains(&wire::agent_dns_name(server)), "{names}");
        assert!(!names.contains("other.agent"), "{names}");
        assert!(authority.sign_agent(server, "-----BEGIN NONSENSE-----").is_err());
    }

    /// Names stand in a certificate as plain IA5 text, so a search of its bytes finds them.
    fn rcgen_names(pem: &str) -> String {
        use rustls_pki_types::pem::PemObject;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        der.iter().map(|byte| *byte as char).collect()
    }
}
