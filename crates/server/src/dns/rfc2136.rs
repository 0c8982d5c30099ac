//! The driver for name servers that take dynamic updates (RFC 2136) signed with a shared key
//! (TSIG, RFC 8945): BIND, Knot, PowerDNS and their like.
//!
//! A server that answers without the signature it owes is not believed.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use base::Clock;
use hickory_proto::{
    op::{Message, ResponseCode, update_message},
    rr::{
        Name, RData, Record, RecordSet, TSigner,
        rdata::{TXT, tsig::TsigAlgorithm},
    },
};

use super::{
    DnsError, DnsName, DnsProvider, KeyAlgorithm, UpdateKey, Zone,
    lookup::fqdn,
    transport::{exchange, parse},
};

/// Challenge records are read once or twice and go within minutes; a short time in caches
/// lets the next attempt be seen (RFC 8555 leaves the value open).
const TTL: Duration = Duration::from_secs(60);

/// How far clocks may differ (RFC 8945 §10 recommends 300).
const FUDGE_SECONDS: u16 = 300;

/// Changes one zone by signed updates.
pub struct Rfc2136 {
    zone: Zone,
    clock: Arc<dyn Clock>,
}

impl Rfc2136 {
    /// The driver for this zone. The clock dates signatures.
    pub fn new(zone: Zone, clock: Arc<dyn Clock>) -> Self {
        Self { zone, clock }
    }

    /// Asks one server after the other until one can be reached; a refusal is final, since
    /// they all have the same zone.
    async fn update(
        &self,
        name: &DnsName,
        message: impl Fn(RecordSet, Name) -> Message,
        value: &str,
    ) -> Result<(), DnsError> {
        let no_key = || DnsError::NoKey { zone: self.zone.name.clone(), name: name.clone() };
        let key = self.zone.key.as_ref().ok_or_else(no_key)?;
        if !name.is_within(&self.zone.name) {
            return Err(DnsError::NoZone { name: name.clone() });
        }
        let ttl = u32::try_from(TTL.as_secs()).unwrap_or(u32::MAX);
        let data = RData::TXT(TXT::new(vec![value.to_owned()]));
        let mut last = no_key();
        for server in &self.zone.servers {
            let record = Record::from_rdata(fqdn(*server, name)?, ttl, data.clone());
            let message = message(record.into(), fqdn(*server, &self.zone.name)?);
            match self.send(*server, key, message).await {
                Ok(()) => return Ok(()),
                Err(error) if error.retryable() => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn send(&self, server: SocketAddr, key: &UpdateKey, mut message: Message) -> Result<(), DnsError> {
        let malformed = |reason: String| DnsError::Malformed { server, reason };
        let unusable = |code: &str| DnsError::KeyRefused { server, code: code.to_owned() };
        let name = Name::from_ascii(&key.name).map_err(|_| unusable("its name is no domain name"))?;
        let signer = TSigner::new(key.secret.expose().clone(), key.algorithm.into(), name, FUDGE_SECONDS)
            .map_err(|_| unusable("the algorithm is not supported"))?;
        let now = u64::try_from(self.clock.now().as_second()).unwrap_or_default();
        let verifier = message.finalize(&signer, now).map_err(|error| malformed(error.to_string()))?;
        let bytes = message.to_vec().map_err(|error| malformed(error.to_string()))?;
        let answer = exchange(server, &bytes).await?;
        let read = parse(server, message.id, &answer)?;
        let code = |code: ResponseCode| code.to_str().to_owned();
        match read.response_code {
            // Wrong key, wrong secret or wrong time: such an answer cannot be signed (RFC 8945 §5.3.2).
            ResponseCode::NotAuth => {
                let why = read.signature().and_then(|signature| signature.data.error);
                let why = why.map_or_else(|| code(ResponseCode::NotAuth), |why| format!("{why:?}"));
                return Err(DnsError::KeyRefused { server, code: why });
            }
            ResponseCode::ServFail => {
                return Err(DnsError::ServerFailed { server, code: code(ResponseCode::ServFail) });
            }
            ResponseCode::NoError => {}
            other => return Err(DnsError::Refused { server, code: code(other) }),
        }
        let mut verifier = verifier.ok_or_else(|| malformed("the question was not signed".to_owned()))?;
        verifier.verify(&answer).map_err(|_| malformed("its signature is missing or wrong".to_owned()))?;
        Ok(())
    }
}

impl From<KeyAlgorithm> for TsigAlgorithm {
    fn from(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::HmacSha256 => Self::HmacSha256,
            KeyAlgorithm::HmacSha384 => Self::HmacSha384,
            KeyAlgorithm::HmacSha512 => Self::HmacSha512,
        }
    }
}

#[async_trait]
impl DnsProvider for Rfc2136 {
    async fn set_txt(&self, name: &DnsName, value: &str) -> Result<(), DnsError> {
        let append = |records, zone| update_message::append(records, zone, false, false);
        self.update(name, append, value).await
    }

    async fn remove_txt(&self, name: &DnsName, value: &str) -> Result<(), DnsError> {
        let delete = |records, zone| update_message::delete_by_rdata(records, zone, false);
        self.update(name, delete, value).await
    }
}
