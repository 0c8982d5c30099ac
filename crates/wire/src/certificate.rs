//! How a host gets the TLS certificate of its own name: it makes the key, sends a request
//! for a certificate (CSR), and receives the chain. Neither the account at the CA nor a DNS
//! key is ever on a host.
//!
//! ```text
//! host:          what should I have? ─► CSR ─► (wait) ─► chain ─► installed, and served?
//! control plane: name and service        order at the CA          noted
//! ```

use serde::{Deserialize, Serialize};

/// Which service shows the certificate, and so how the host reloads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsService {
    /// Nginx on port 443.
    Nginx,
    /// PostgreSQL on port 5432.
    Postgresql,
    /// Nobody: the files are written, and whoever reads them is the operator's affair.
    None,
}

/// `POST` to [`crate::limits::CERTIFICATE_PATH`], over TLS with the agent's own certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CertificateQuestion {
    /// A PKCS#10 request in PEM. None: the host only asks what it should have.
    pub csr_pem: Option<String>,
    /// What the host has installed.
    pub installed: Option<InstalledCertificate>,
    /// Why the newest chain could not be put to use, if so: at most 1 000 characters.
    pub fault: Option<String>,
}

/// A certificate on a host, and whether it is really shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledCertificate {
    /// Its serial number in lower-case hexadecimal digits.
    pub serial: String,
    /// What the service's port shows.
    pub proof: ServedProof,
}

/// What was seen at the service's own port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServedProof {
    /// This very certificate.
    Served,
    /// The service is not running; it will read the files when it starts.
    NotRunning,
    /// There is no service to ask.
    NoService,
    /// Another certificate, or none.
    NotServed,
}

/// What the control plane says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum CertificateAnswer {
    /// This host is to have none.
    Nothing,
    /// What is installed is right.
    Keep {
        /// Who shows it.
        service: TlsService,
    },
    /// Make a key and ask with a request for exactly this name.
    Request {
        /// The host's full name.
        name: String,
        /// Who shows it.
        service: TlsService,
    },
    /// The order is under way: ask again with the same request.
    Wait {
        /// After so many seconds.
        seconds: u32,
    },
    /// Here it is.
    Issued {
        /// Who shows it.
        service: TlsService,
        /// The certificate and those that lead to the CA's root, PEM.
        chain_pem: String,
    },
}
