//! Where the challenge of a name is answered, and putting the answer there: CNAME records are
//! followed, and the value must be seen at every authoritative server before the CA is told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use base::Clock;
use serde::{Deserialize, Serialize};

use super::{DnsError, DnsName, DnsProvider, Rfc2136, Zone, lookup};

/// CNAME records that are followed. A delegation has one; CAs stop at about this many.
const ALIASES: usize = 8;

/// How long secondaries may take to fetch a zone. A NOTIFY needs seconds; a server that only
/// polls is waited for once, and the next attempt finds the rest.
const PROPAGATION: Duration = Duration::from_secs(120);
/// The first pause between two looks, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where the TXT record of a name's challenge has to stand.
#[derive(Debug, Clone)]
pub struct ChallengePlace {
    /// The zone that holds it.
    pub zone: Zone,
    /// The record's name: `_acme-challenge.NAME`, or where its CNAME records lead.
    pub record: DnsName,
}

/// What a trial of a zone has found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckReport {
    /// The record that was written and removed.
    pub record: DnsName,
    /// The zone it is in, after all CNAME records.
    pub zone: DnsName,
    /// Every server at which it was seen.
    pub seen_at: Vec<SocketAddr>,
    /// How long it took until it was, in milliseconds.
    pub milliseconds: u64,
}

/// The smallest of these zones that holds the name.
fn holding<'a>(zones: &'a [Zone], name: &DnsName) -> Result<&'a Zone, DnsError> {
    let holders = zones.iter().filter(|zone| name.is_within(&zone.name));
    holders.max_by_key(|zone| zone.name.as_str().len()).ok_or_else(|| DnsError::NoZone { name: name.clone() })
}

impl ChallengePlace {
    /// Finds the place for a certificate's name among these zones.
    pub async fn find(zones: &[Zone], name: &DnsName) -> Result<Self, DnsError> {
        let unusable = |_| DnsError::NoZone { name: name.clone() };
        let first = DnsName::below("_acme-challenge", name).map_err(unusable)?;
        let mut record = first.clone();
        for _ in 0..=ALIASES {
            let zone = holding(zones, &record)?;
            match first_answer(&zone.servers, &record).await? {
                Some(target) => record = target,
                None if zone.key.is_none() => {
                    return Err(DnsError::NoKey { zone: zone.name.clone(), name: record });
                }
                None => return Ok(Self { zone: zone.clone(), record }),
            }
        }
        Err(DnsError::EndlessAlias { name: first })
    }

    /// Writes the value and waits until every authoritative server has it. Gives the servers.
    pub async fn answer(&self, value: &str, clock: Arc<dyn Clock>) -> Result<Vec<SocketAddr>, DnsError> {
        self.driver(clock).set_txt(&self.record, value).await?;
        let servers = self.authoritative().await?;
        self.await_everywhere(&servers, value).await?;
        Ok(servers)
    }

    /// Takes the value away.
    pub async fn clear(&self, value: &str, clock: Arc<dyn Clock>) -> Result<(), DnsError> {
        self.driver(clock).remove_txt(&self.record, value).await
    }

    fn driver(&self, clock: Arc<dyn Clock>) -> impl DnsProvider {
        Rfc2136::new(self.zone.clone(), clock)
    }

    async fn authoritative(&self) -> Result<Vec<SocketAddr>, DnsError> {
        if !self.zone.authoritative.is_empty() {
            return Ok(self.zone.authoritative.clone());
        }
        let mut last = DnsError::NoZone { name: self.record.clone() };
        for server in &self.zone.servers {
            match lookup::authoritative(*server, &self.zone.name).await {
                Ok(servers) => return Ok(servers),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn await_everywhere(&self, servers: &[SocketAddr], value: &str) -> Result<(), DnsError> {
        let started = tokio::time::Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut missing = servers.to_vec();
        loop {
            let mut still = Vec::new();
            for server in missing {
                // A server that is down for a moment is one that does not have it yet.
                let seen = lookup::texts(server, &self.record).await.is_ok_and(|texts| texts.contains(value));
                if !seen {
                    still.push(server);
                }
            }
            if still.is_empty() {
                return Ok(());
            }
            missing = still;
            if started.elapsed() + pause > PROPAGATION {
                return Err(DnsError::NotPropagated {
                    servers: missing,
                    seconds: started.elapsed().as_secs(),
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Asks one server after the other until one answers.
async fn first_answer(servers: &[SocketAddr], name: &DnsName) -> Result<Option<DnsName>, DnsError> {
    let mut last = DnsError::NoZone { name: name.clone() };
    for server in servers {
        match lookup::alias(*server, name).await {
            Ok(target) => return Ok(target),
            Err(error) => last = error,
        }
    }
    Err(last)
}
