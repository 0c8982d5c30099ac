//! The queue: one order at a time in a zone, several zones at once, nothing before its time.

use std::{collections::BTreeSet, time::Duration};

use base::{Problem, Sha256};
use jiff::{SignedDuration, Timestamp};

use super::{
    Certificates,
    fault::OrderFault,
    limits::{Issuance, WEEK},
    model::{Certificate, CertificateState},
    order::{self, Ordered},
    parsed::{self, Leaf},
    renewal, store,
};
use crate::{
    audit::{Actor, Outcome},
    db::storage_problem,
    dns::DnsName,
};

/// The queue is looked through at least this often: what is due may have been written by
/// another process.
const LOOK: Duration = Duration::from_secs(60);

/// And never sooner than this after the last look, whatever the clock says.
const LEAST: Duration = Duration::from_secs(1);

impl Certificates {
    /// Works on the queue for ever.
    pub async fn serve(self) {
        loop {
            let wait = match self.start_due().await {
                Ok(wait) => wait,
                Err(problem) => {
                    tracing::error!(%problem, "the queue of certificates cannot be read");
                    LOOK
                }
            };
            tokio::select! {
                () = self.queue_changed().notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Starts a worker in each zone that has something due and none at work. Gives how long
    /// to wait before the next look.
    async fn start_due(&self) -> Result<Duration, Problem> {
        let now = self.now();
        let queued = self.queued().await?;
        let due = |certificate: &&Certificate| certificate.next_attempt_at.is_none_or(|at| at <= now);
        let zones: BTreeSet<DnsName> =
            queued.iter().filter(due).map(|certificate| certificate.zone.clone()).collect();
        for zone in zones {
            let Ok(desk) = self.desk(&zone).await.try_lock_owned() else { continue };
            let certificates = self.clone();
            tokio::spawn(async move {
                if let Err(problem) = certificates.work(&zone).await {
                    tracing::error!(%problem, %zone, "the queue of a zone stops for now");
                    // The store failed; without a pause it would be asked again at once.
                    tokio::time::sleep(LOOK).await;
                }
                drop(desk);
                // What became due meanwhile was passed over.
                certificates.queue_changed().notify_one();
            });
        }
        let next =
            queued.iter().filter_map(|certificate| certificate.next_attempt_at).filter(|at| *at > now).min();
        let wait = next.and_then(|at| Duration::try_from(at.duration_since(now)).ok()).unwrap_or(LOOK);
        Ok(wait.clamp(LEAST, LOOK))
    }

    /// Carries out every order that is due now, and waits until that is done.
    pub async fn run_due(&self) -> Result<(), Problem> {
        let zones: BTreeSet<DnsName> =
            self.queued().await?.into_iter().map(|certificate| certificate.zone).collect();
        for zone in zones {
            let _desk = self.desk(&zone).await.lock_owned().await;
            self.work(&zone).await?;
        }
        Ok(())
    }

    async fn queued(&self) -> Result<Vec<Certificate>, Problem> {
        let queued = store::in_state(self.db(), CertificateState::Queued.name()).await;
        queued.map_err(|error| storage_problem("read the queue of certificates", &error))
    }

    /// One after the other, the longest waiting first, until nothing is due in the zone.
    async fn work(&self, zone: &DnsName) -> Result<(), Problem> {
        loop {
            let now = self.now();
            let next = self
                .queued()
                .await?
                .into_iter()
                .filter(|one| one.zone == *zone && one.next_attempt_at.is_none_or(|at| at <= now))
                .min_by_key(|one| one.queued_at);
            let Some(next) = next else { return Ok(()) };
            // Whatever comes of it, its next attempt is later than now, or it is not queued.
            self.attempt(&next).await?;
        }
    }

    async fn attempt(&self, certificate: &Certificate) -> Result<(), Problem> {
        let now = self.now();
        let since = now - SignedDuration::try_from(WEEK).unwrap_or(SignedDuration::MAX);
        let issued = store::issued_since(self.db(), since).await;
        let issued = issued.map_err(|error| storage_problem("count the certificates of a week", &error))?;
        let allowed = self.acme().limits().allowed_at(&issued, &certificate.zone, &certificate.name, now);
        if allowed > now {
            let problem = OrderFault::WeeklyLimit.problem(certificate.name.as_str());
            return self.postpone(certificate, allowed, problem, false).await;
        }
        let detail = format!("attempt {}", certificate.attempts + 1);
        self.note(certificate, Outcome::Begun, detail).await?;
        match self.order(certificate).await {
            Ok((chain_pem, leaf, replaced)) => self.keep(certificate, chain_pem, leaf, replaced).await,
            Err(fault) => {
                if matches!(fault, OrderFault::Account { .. }) {
                    self.acme().forget_account().await;
                }
                let pause = fault.pause(certificate.attempts + 1);
                let until = self.now() + SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
                tracing::warn!(error = &fault as &dyn std::error::Error, name = %certificate.name, seconds = pause.as_secs(), "no certificate yet");
                let problem = fault.problem(certificate.name.as_str());
                self.note(certificate, Outcome::Failed, problem.found.clone().unwrap_or_default()).await?;
                self.postpone(certificate, until, problem, true).await?;
                if fault.holds_the_zone() {
                    self.hold_zone(certificate, until).await?;
                }
                Ok(())
            }
        }
    }

    async fn order(&self, certificate: &Certificate) -> Result<(String, Leaf, bool), OrderFault> {
        let unusable = |detail: String| OrderFault::Answer { detail };
        // It was checked when it came.
        let csr = certificate.csr_pem.as_deref().unwrap_or_default();
        let request = parsed::request(csr, &certificate.name).map_err(unusable)?;
        // Name servers that are down are noticed before the CA has any work.
        let place = self.zones().place(&certificate.name).await?;
        let account = self.acme().account().await?;
        let former = certificate.chain_pem.as_deref().and_then(|chain| parsed::leaf(chain).ok());
        let replaces = former.and_then(|leaf| {
            instant_acme::CertificateIdentifier::try_from(&leaf.der).ok().map(|id| id.into_owned())
        });
        let profile = self.acme().config().profile.as_deref();
        let ordered = Ordered { name: &certificate.name, csr: &request.der, replaces, profile };
        let (chain_pem, replaced) = order::carry_out(&account, &place, &self.clock(), &ordered).await?;
        let leaf = parsed::leaf(&chain_pem).map_err(unusable)?;
        if leaf.public_key != request.public_key {
            return Err(unusable("the certificate is for another key".to_owned()));
        }
        Ok((chain_pem, leaf, replaced))
    }

    async fn keep(
        &self,
        certificate: &Certificate,
        chain_pem: String,
        leaf: Leaf,
        replaced: bool,
    ) -> Result<(), Problem> {
        let now = self.now();
        let kept =
            Issuance { zone: certificate.zone.clone(), name: certificate.name.clone(), at: now, replaced };
        store::note_issuance(self.db(), &kept)
            .await
            .map_err(|error| storage_problem("note an issued certificate", &error))?;
        let renew_at = match self.acme().account().await {
            Ok(account) => renewal::suggested(&account, &leaf).await,
            Err(_) => None,
        };
        let renew_at = renew_at.unwrap_or_else(|| renewal::by_lifetime(leaf.not_before, leaf.not_after));
        let detail = format!("{}, serial {}, until {}", certificate.name, leaf.serial, leaf.not_after);
        // On record before the host can have it.
        self.note(certificate, Outcome::Done, detail).await?;
        let csr = certificate.csr_pem.clone();
        self.change(certificate.server, move |one| {
            one.chain_pem = Some(chain_pem);
            one.serial = Some(leaf.serial);
            one.not_before = Some(leaf.not_before);
            one.not_after = Some(leaf.not_after);
            one.renew_at = Some(renew_at);
            one.renewal_asked_at = Some(now);
            one.renewal_wanted = false;
            one.attempts = 0;
            one.next_attempt_at = None;
            one.fault = None;
            // A host that has sent another request meanwhile waits for that one.
            if one.csr_pem == csr {
                one.state = CertificateState::Issued;
            }
        })
        .await
    }

    async fn postpone(
        &self,
        certificate: &Certificate,
        until: Timestamp,
        problem: Problem,
        counts: bool,
    ) -> Result<(), Problem> {
        self.change(certificate.server, move |one| {
            one.attempts = one.attempts.saturating_add(u32::from(counts));
            one.next_attempt_at = Some(until);
            one.fault = Some(problem);
        })
        .await
    }

    /// Everything else in the zone waits as long.
    async fn hold_zone(&self, refused: &Certificate, until: Timestamp) -> Result<(), Problem> {
        for other in self.queued().await? {
            if other.zone == refused.zone && other.server != refused.server {
                self.change(other.server, move |one| {
                    one.next_attempt_at = one.next_attempt_at.max(Some(until))
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn note(&self, certificate: &Certificate, outcome: Outcome, detail: String) -> Result<(), Problem> {
        let host = certificate.host.as_str();
        self.audit().record(&Actor::System, "certificate.order", host, outcome, None, detail).await
    }
}

/// Two requests are the same when their bytes are.
pub(super) fn same_request(one: &str, other: &str) -> bool {
    Sha256::of(one.trim().as_bytes()) == Sha256::of(other.trim().as_bytes())
}
