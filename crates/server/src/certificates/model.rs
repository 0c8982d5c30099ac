//! What is known of a server's certificate.

use base::{Problem, ServerId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wire::{ServedProof, TlsService};

use crate::dns::DnsName;

/// The certificate that a server has or should have. Holds nothing secret: the key is on the
/// host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// The server.
    pub server: ServerId,
    /// Its short name.
    pub host: String,
    /// The one name in the certificate.
    pub name: DnsName,
    /// The zone in which the name is.
    pub zone: DnsName,
    /// Who shows it.
    pub service: TlsService,
    /// Where it stands.
    pub state: CertificateState,
    /// The host's newest request, PEM.
    pub csr_pem: Option<String>,
    /// When the request came: the queue's order.
    pub queued_at: Option<Timestamp>,
    /// The newest chain, PEM.
    pub chain_pem: Option<String>,
    /// Serial number of the newest certificate, hexadecimal.
    pub serial: Option<String>,
    /// From when it is valid.
    pub not_before: Option<Timestamp>,
    /// Until when.
    pub not_after: Option<Timestamp>,
    /// When it is to be replaced.
    pub renew_at: Option<Timestamp>,
    /// When the CA was last asked for a better moment.
    pub renewal_asked_at: Option<Timestamp>,
    /// An operator wants another one now.
    pub renewal_wanted: bool,
    /// Failed attempts since the last success.
    pub attempts: u32,
    /// Before this moment nothing is tried.
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub fault: Option<Problem>,
    /// What the host last said of it.
    pub served: Option<Served>,
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    /// The host has not sent a request yet.
    Wanted,
    /// The request waits for the CA.
    Queued,
    /// The chain is there for the host to fetch.
    Issued,
}

impl CertificateState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Queued => "queued",
            Self::Issued => "issued",
        }
    }
}

/// What a host last said about its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Serial number of what is installed.
    pub serial: Option<String>,
    /// Whether the service shows it.
    pub proof: Option<ServedProof>,
    /// Why a newer one was not put to use.
    pub fault: Option<String>,
    /// When it said so.
    pub at: Timestamp,
}

/// An operator's order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueOrder {
    /// The zone for the name; none for the one it is in, or the first zone.
    #[serde(default)]
    pub zone: Option<DnsName>,
    /// Who shows it; none for what the server is for.
    #[serde(default)]
    pub service: Option<TlsService>,
}

impl Certificate {
    /// A certificate that nobody has asked the CA for.
    pub fn wanted(server: ServerId, host: &str, name: DnsName, zone: DnsName, service: TlsService) -> Self {
        Self {
            server,
            host: host.to_owned(),
            name,
            zone,
            service,
            state: CertificateState::Wanted,
            csr_pem: None,
            queued_at: None,
            chain_pem: None,
            serial: None,
            not_before: None,
            not_after: None,
            renew_at: None,
            renewal_asked_at: None,
            renewal_wanted: false,
            attempts: 0,
            next_attempt_at: None,
            fault: None,
            served: None,
        }
    }

    /// Whether a new one is due.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.serial.is_none() || self.renewal_wanted || self.renew_at.is_none_or(|at| at <= now)
    }

    /// What an operator should know, if anything: the order fails, the host does not show what
    /// it was given, or the end is near although the replacement was due long before.
    pub fn trouble(&self, now: Timestamp) -> Option<String> {
        if let Some(fault) = &self.fault {
            return Some(fault.found.clone().unwrap_or_else(|| fault.what.clone()));
        }
        if let Some(fault) = self.served.as_ref().and_then(|served| served.fault.clone()) {
            return Some(fault);
        }
        let (end, renew) = (self.not_after?, self.renew_at?);
        // Half of the time between renewal and end has gone by without a new one.
        let half = (end.as_second() - renew.as_second()) / 2;
        let late = now.as_second() > renew.as_second() + half;
        late.then(|| "it was due for renewal long ago, and the host has not asked".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).unwrap()
    }

    fn issued() -> Certificate {
        let zone: DnsName = "example.org".parse().unwrap();
        let name = DnsName::below("web-1", &zone).unwrap();
        let mut certificate = Certificate::wanted(ServerId::new(), "web-1", name, zone, TlsService::Nginx);
        assert!(certificate.is_due(at(0)), "what was never issued is due");
        certificate.serial = Some("01".to_owned());
        (certificate.not_after, certificate.renew_at) = (Some(at(90)), Some(at(60)));
        certificate
    }

    #[test]
    fn it_is_due_at_its_time_or_when_somebody_asks() {
        let mut certificate = issued();
        assert!(!certificate.is_due(at(59)) && certificate.is_due(at(60)));
        certificate.renewal_wanted = true;
        assert!(certificate.is_due(at(1)));
    }

    #[test]
    fn trouble_is_told_long_before_the_end() {
        let certificate = issued();
        assert_eq!(certificate.trouble(at(74)), None);
        assert!(certificate.trouble(at(76)).unwrap().contains("has not asked"), "two weeks before the end");
        let mut failing = issued();
        failing.fault = Some(Problem::new("certificate.dns", "no").found("the server is down"));
        assert_eq!(failing.trouble(at(61)).unwrap(), "the server is down");
        let mut unused = issued();
        let fault = Some("nginx.service could not be reloaded".to_owned());
        unused.served = Some(Served { serial: None, proof: None, fault: fault.clone(), at: at(61) });
        assert_eq!(unused.trouble(at(61)), fault);
    }
}
