//! Who may open a TLS connection: the holder of a certificate of our region's CA that
//! is made for clients and carries the control plane's name. An agent's certificate
//! comes from the same CA and is refused here.

use std::sync::Arc;

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};

/// Accepts the control plane and nobody else.
#[derive(Debug)]
pub(super) struct ControlPlaneOnly {
    chain: Arc<dyn ClientCertVerifier>,
    name: ServerName<'static>,
}

/// The CA of a PEM text, as the only authority.
pub(super) fn authority(ca_pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("CA: {error}"))?;
        roots.add(certificate).map_err(|error| format!("CA: {error}"))?;
    }
    if roots.is_empty() { Err("CA: no certificate in it".to_owned()) } else { Ok(roots) }
}

impl ControlPlaneOnly {
    pub(super) fn new(ca_pem: &str) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::new(authority(ca_pem)?), provider)
            .build()
            .map_err(|error| format!("CA: {error}"))?;
        let name = ServerName::try_from(wire::CONTROL_PLANE_DNS_NAME).map_err(|error| error.to_string())?;
        Ok(Self { chain, name })
    }
}

impl ClientCertVerifier for ControlPlaneOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, &self.name)?;
        // The chain check lets a certificate pass that names no usage at all.
        let (_, parsed) = x509_parser::parse_x509_certificate(end_entity)
            .map_err(|_| Error::InvalidCertificate(rustls::CertificateError::BadEncoding))?;
        let for_clients =
            parsed.extended_key_usage().ok().flatten().is_some_and(|usage| usage.value.client_auth);
        if for_clients {
            Ok(verified)
        } else {
            Err(Error::InvalidCertificate(rustls::CertificateError::InvalidPurpose))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
