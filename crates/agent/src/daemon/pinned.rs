//! The control plane as a host recognises it: by the region's CA, by its address, and
//! by the digest of its public key that came with the user-data. All three must hold.

use std::sync::Arc;

use base::Sha256;
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WantsClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    server::ParsedCertificate,
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};

use super::{Identity, caller::authority};

#[derive(Debug)]
struct Pinned {
    chain: Arc<WebPkiServerVerifier>,
    public_key: Sha256,
}

/// TLS 1.3 towards the control plane and nobody else. Says what is wrong with the CA.
pub(super) fn client(ca_pem: &str, public_key: Sha256) -> Result<ClientConfig, String> {
    Ok(towards(ca_pem, public_key)?.with_no_client_auth())
}

/// The same, showing the certificate of an enrolled host.
pub(super) fn client_as(identity: &Identity) -> Result<ClientConfig, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| format!("certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())
        .map_err(|error| format!("key: {error}"))?;
    towards(&identity.ca_pem, identity.public_key_sha256)?
        .with_client_auth_cert(chain, key)
        .map_err(|error| error.to_string())
}

fn towards(ca_pem: &str, public_key: Sha256) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(authority(ca_pem)?), provider.clone())
        .build()
        .map_err(|error| format!("CA: {error}"))?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { chain, public_key })))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        let public_key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        if Sha256::of(&public_key) == self.public_key {
            Ok(verified)
        } else {
            Err(Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
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
