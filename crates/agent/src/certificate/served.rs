//! What a service really shows at its port. The certificate is looked at and not believed: a
//! handshake that stops there proves nothing else.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, ring},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::request::hex;

/// A service on the same host answers at once or not at all.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How TLS begins at a port.
#[derive(Clone, Copy)]
pub(super) enum Opening {
    /// With the first byte.
    AtOnce,
    /// After PostgreSQL's `SSLRequest` (its protocol documentation, "SSL Session Encryption").
    Postgresql,
}

/// The serial number of the certificate that is shown there for this name.
pub(super) async fn serial(address: SocketAddr, opening: Opening, name: &str) -> io::Result<String> {
    timeout(ANSWER_LIMIT, look(address, opening, name))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn look(address: SocketAddr, opening: Opening, name: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    if let Opening::Postgresql = opening {
        // Length 8, request code 80877103; `S` is the answer of a server with TLS.
        stream.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await?;
        if stream.read_u8().await? != b'S' {
            return Err(io::Error::other("the server offers no TLS"));
        }
    }
    let seen = Arc::new(Seen {
        certificate: Mutex::default(),
        algorithms: ring::default_provider().signature_verification_algorithms,
    });
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(seen.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    // The lock guards one value that is replaced as a whole.
    let shown = seen.certificate.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    let Some(der) = shown else {
        return Err(handshake.err().unwrap_or_else(|| io::Error::other("no certificate was shown")));
    };
    let (_, certificate) = x509_parser::parse_x509_certificate(&der)
        .map_err(|_| io::Error::other("what is shown is no certificate"))?;
    let serial = certificate.raw_serial();
    Ok(hex(serial.strip_prefix(&[0]).unwrap_or(serial)))
}

/// Keeps the certificate that was shown.
#[derive(Debug)]
struct Seen {
    certificate: Mutex<Option<Vec<u8>>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.certificate.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some(end_entity.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls_pki_types::PrivatePkcs8KeyDer;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server that shows a certificate of its own making with this serial number.
    async fn server(serial: &[u8], opening: Opening) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["web-1.example.org".to_owned()]).unwrap();
        params.serial_number = Some(rcgen::SerialNumber::from(serial.to_vec()));
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            if let Opening::Postgresql = opening {
                let mut request = [0; 8];
                stream.read_exact(&mut request).await.unwrap();
                assert_eq!(u32::from_be_bytes([request[4], request[5], request[6], request[7]]), 80_877_103);
                stream.write_all(b"S").await.unwrap();
            }
            let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
        });
        address
    }

    #[tokio::test]
    async fn tells_the_serial_number_that_is_shown_to_nginx_and_postgresql_alike() {
        for opening in [Opening::AtOnce, Opening::Postgresql] {
            let address = server(&[0x0c, 0xa1], opening).await;
            assert_eq!(serial(address, opening, "web-1.example.org").await.unwrap(), "0ca1");
        }
    }

    #[tokio::test]
    async fn a_port_without_tls_shows_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 8];
                let _ = stream.read_exact(&mut request).await;
                let _ = stream.write_all(b"N").await;
            }
        });
        assert!(serial(address, Opening::Postgresql, "web-1.example.org").await.is_err());
        assert!(serial(address, Opening::AtOnce, "web-1.example.org").await.is_err());
    }
}
