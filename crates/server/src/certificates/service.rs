//! What a host is told about its certificate, and what an operator can order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::{Clock, Problem, ServerId};
use baseline::{Description, Service};
use jiff::Timestamp;
use sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, Notify};
use wire::{CertificateAnswer, CertificateQuestion, ServedProof, TlsService};

use super::{
    acme::Acme,
    model::{Certificate, CertificateState, IssueOrder, Served},
    parsed,
    queue::same_request,
    renewal, store,
};
use crate::{
    audit::{Actor, Audit, Outcome},
    db::storage_problem,
    dns::{DnsName, Zones},
    hosts::Server,
};

/// How long a host is kept waiting before it is told to ask again: below the idle time-outs
/// of what may stand between.
const LONG_POLL: Duration = Duration::from_secs(20);

/// What a host is told to wait when its order is not due for long.
const LONGEST_WAIT: u32 = 3600;

/// Issues and renews the certificates of servers.
#[derive(Clone)]
pub struct Certificates {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
    zones: Zones,
    acme: Acme,
    queue: Arc<Notify>,
    changed: Arc<Notify>,
    desks: Arc<Mutex<BTreeMap<DnsName, Arc<Mutex<()>>>>>,
}

impl Certificates {
    /// Starts nothing; see [`Certificates::serve`].
    pub fn new(
        db: DatabaseConnection,
        clock: Arc<dyn Clock>,
        audit: Audit,
        zones: Zones,
        acme: Acme,
    ) -> Self {
        Self {
            db,
            clock,
            audit,
            zones,
            acme,
            queue: Arc::default(),
            changed: Arc::default(),
            desks: Arc::default(),
        }
    }

    pub(super) fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    pub(super) fn zones(&self) -> &Zones {
        &self.zones
    }

    pub(super) fn acme(&self) -> &Acme {
        &self.acme
    }

    pub(super) fn audit(&self) -> &Audit {
        &self.audit
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    pub(super) fn queue_changed(&self) -> &Notify {
        &self.queue
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whoever holds this works on the orders of the zone.
    pub(super) async fn desk(&self, zone: &DnsName) -> Arc<Mutex<()>> {
        self.desks.lock().await.entry(zone.clone()).or_default().clone()
    }

    pub(super) async fn change(
        &self,
        server: ServerId,
        change: impl FnOnce(&mut Certificate) + Send,
    ) -> Result<(), Problem> {
        let changed = store::change(&self.db, server, change).await;
        changed.map_err(|error| storage_problem("change what is known of a certificate", &error))?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// Every certificate, by name.
    pub async fn all(&self) -> Result<Vec<Certificate>, Problem> {
        store::all(&self.db).await.map_err(|error| storage_problem("list the certificates", &error))
    }

    /// Servers whose certificate needs a look, and why.
    pub async fn troubled(&self) -> Result<Vec<(String, String)>, Problem> {
        let now = self.now();
        let all = self.all().await?.into_iter();
        Ok(all.filter_map(|one| one.trouble(now).map(|trouble| (one.host, trouble))).collect())
    }

    /// The certificate of a server, if it is to have one.
    pub async fn find(&self, server: &Server) -> Result<Option<Certificate>, Problem> {
        let found = store::find(&self.db, server.id).await;
        found.map_err(|error| storage_problem("read a certificate", &error))
    }

    /// Forgets what a server that is gone had.
    pub async fn forget(&self, server: ServerId) -> Result<(), Problem> {
        store::remove(&self.db, server).await.map_err(|error| storage_problem("forget a certificate", &error))
    }

    /// Orders a certificate for a server, or another one now. The host has to ask for it.
    pub async fn issue(
        &self,
        actor: &Actor,
        server: &Server,
        order: &IssueOrder,
    ) -> Result<Certificate, Problem> {
        let host = server.name.as_str();
        if let Some(why) = server.unmanaged_because() {
            return Err(Problem::new(
                "certificate.unmanaged",
                format!("could not order a certificate for `{host}`"),
            )
            .found(why)
            .state("Nothing was changed"));
        }
        let known = self.find(server).await?;
        let zone = match (&order.zone, &known) {
            (Some(zone), _) => self.zones.named(zone).await?.name,
            (None, Some(known)) => known.zone.clone(),
            (None, None) => self.first_zone().await?.ok_or_else(|| {
                Problem::new("certificate.no_zone", format!("could not order a certificate for `{host}`"))
                    .found("no zone is set")
                    .state("Nothing was changed")
                    .next("add one with `holdfast dns zone set`")
            })?,
        };
        let known_service = known.as_ref().map(|known| known.service);
        let service =
            order.service.or(known_service).unwrap_or_else(|| purpose(server).unwrap_or(TlsService::None));
        let name = full_name(host, &zone)?;
        let detail = format!("{name}, shown by {service:?}").to_lowercase();
        self.audit.record(actor, "certificate.issue", host, Outcome::Begun, None, detail).await?;
        let fresh = Certificate::wanted(server.id, host, name.clone(), zone.clone(), service);
        let kept = store::insert(&self.db, &fresh).await;
        kept.map_err(|error| storage_problem("keep the order of a certificate", &error))?;
        let renamed = name.clone();
        self.change(server.id, move |one| {
            if one.name != renamed {
                *one = Certificate { served: one.served.take(), ..fresh };
            }
            one.service = service;
            one.renewal_wanted = one.serial.is_some();
            // The operator has mended something, or wants to see it fail now.
            one.attempts = 0;
            one.next_attempt_at = None;
            one.fault = None;
        })
        .await?;
        self.queue.notify_one();
        self.find(server).await?.ok_or_else(|| unknown(host))
    }

    /// Answers a host. Waits a little while its order is at work.
    pub async fn answer(
        &self,
        server: &Server,
        question: &CertificateQuestion,
    ) -> Result<CertificateAnswer, Problem> {
        let Some(certificate) = self.of_host(server).await? else { return Ok(CertificateAnswer::Nothing) };
        self.note_served(&certificate, question).await?;
        let certificate = self.refresh_window(certificate).await?;
        let now = self.now();
        let installed = question.installed.as_ref().map(|installed| installed.serial.as_str());
        let has_the_newest = installed.is_some() && installed == certificate.serial.as_deref();
        let Some(csr) = &question.csr_pem else {
            if has_the_newest && !certificate.is_due(now) {
                return Ok(CertificateAnswer::Keep { service: certificate.service });
            }
            return Ok(CertificateAnswer::Request {
                name: certificate.name.to_string(),
                service: certificate.service,
            });
        };
        if let Err(why) = parsed::request(csr, &certificate.name) {
            return Err(self.refuse(&certificate, &why).await);
        }
        let same = certificate.csr_pem.as_deref().is_some_and(|known| same_request(known, csr));
        if !same {
            if has_the_newest && !certificate.is_due(now) {
                return Ok(CertificateAnswer::Keep { service: certificate.service });
            }
            let csr = csr.trim().to_owned();
            self.change(certificate.server, move |one| {
                one.csr_pem = Some(csr);
                one.queued_at = Some(now);
                one.state = CertificateState::Queued;
                // The time of the next attempt stays: a host cannot hurry the queue along by
                // sending requests.
            })
            .await?;
            self.queue.notify_one();
        }
        self.await_chain(server, csr).await
    }

    async fn await_chain(&self, server: &Server, csr: &str) -> Result<CertificateAnswer, Problem> {
        let until = tokio::time::Instant::now() + LONG_POLL;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listening begins before the look, so that nothing falls between the two.
            changed.as_mut().enable();
            let Some(now) = self.find(server).await? else { return Ok(CertificateAnswer::Nothing) };
            let same = now.csr_pem.as_deref().is_some_and(|known| same_request(known, csr));
            if let (true, CertificateState::Issued, Some(chain)) = (same, now.state, &now.chain_pem) {
                return Ok(CertificateAnswer::Issued { service: now.service, chain_pem: chain.clone() });
            }
            // One that failed and is not due soon is not worth holding a connection for.
            let pause = now.next_attempt_at.map_or(0, |at| at.duration_since(self.now()).as_secs());
            let wait = u32::try_from(pause.clamp(1, i64::from(LONGEST_WAIT))).unwrap_or(LONGEST_WAIT);
            if !same || i64::from(wait) > 5 {
                return Ok(CertificateAnswer::Wait { seconds: wait });
            }
            if tokio::time::timeout_at(until, changed).await.is_err() {
                return Ok(CertificateAnswer::Wait { seconds: wait });
            }
        }
    }

    /// The certificate of a host; where there is none yet and the server's purpose needs one,
    /// it is in the first zone.
    async fn of_host(&self, server: &Server) -> Result<Option<Certificate>, Problem> {
        if let Some(known) = self.find(server).await? {
            return Ok(Some(known));
        }
        let (Some(service), Some(zone)) = (purpose(server), self.first_zone().await?) else {
            return Ok(None);
        };
        let host = server.name.as_str();
        let fresh = Certificate::wanted(server.id, host, full_name(host, &zone)?, zone, service);
        let kept = store::insert(&self.db, &fresh).await;
        kept.map_err(|error| storage_problem("keep the order of a certificate", &error))?;
        self.find(server).await
    }

    async fn first_zone(&self) -> Result<Option<DnsName>, Problem> {
        // A zone without a key only leads elsewhere, by CNAME records, and can hold names too.
        Ok(self.zones.views().await?.into_iter().next().map(|zone| zone.name))
    }

    async fn note_served(
        &self,
        certificate: &Certificate,
        question: &CertificateQuestion,
    ) -> Result<(), Problem> {
        let at = self.now();
        let served = Served {
            serial: question.installed.as_ref().map(|one| one.serial.chars().take(64).collect()),
            proof: question.installed.as_ref().map(|one| one.proof),
            fault: question.fault.as_ref().map(|fault| fault.chars().take(1_000).collect()),
            at,
        };
        let host = &certificate.host;
        let actor = Actor::Host(host.clone());
        if let Some(fault) = &served.fault {
            let mark =
                format!("certificate.install {} {fault}", certificate.serial.as_deref().unwrap_or_default());
            self.audit
                .record_marked(&actor, "certificate.install", host, Outcome::Failed, mark, fault.clone())
                .await?;
        } else if let (Some(serial), Some(ServedProof::Served | ServedProof::NoService)) =
            (&served.serial, served.proof)
        {
            let mark = format!("certificate.install {} {serial}", certificate.server);
            let detail = format!("{}, serial {serial}", certificate.name);
            self.audit
                .record_marked(&actor, "certificate.install", host, Outcome::Done, mark, detail)
                .await?;
        }
        self.change(certificate.server, move |one| one.served = Some(served)).await
    }

    /// Asks the CA now and then whether it wants the certificate replaced earlier.
    async fn refresh_window(&self, certificate: Certificate) -> Result<Certificate, Problem> {
        let now = self.now();
        let asked_lately = certificate.renewal_asked_at.is_some_and(|at| at + renewal::ASK_AGAIN > now);
        let Some(chain) = certificate.chain_pem.as_deref().filter(|_| !asked_lately) else {
            return Ok(certificate);
        };
        // The host is not kept waiting for a CA that is down.
        let account = tokio::time::timeout(renewal::PATIENCE, self.acme.account()).await;
        let suggested = match (account, parsed::leaf(chain)) {
            (Ok(Ok(account)), Ok(leaf)) => renewal::suggested(&account, &leaf).await,
            _ => None,
        };
        let mut certificate = certificate;
        certificate.renewal_asked_at = Some(now);
        certificate.renew_at = suggested.or(certificate.renew_at);
        let renew_at = certificate.renew_at;
        self.change(certificate.server, move |one| {
            one.renewal_asked_at = Some(now);
            one.renew_at = renew_at;
        })
        .await?;
        Ok(certificate)
    }

    async fn refuse(&self, certificate: &Certificate, why: &str) -> Problem {
        let host = &certificate.host;
        let actor = Actor::Host(host.clone());
        let written = self
            .audit
            .record(&actor, "certificate.request", host, Outcome::Refused, None, why.to_owned())
            .await;
        if let Err(problem) = written {
            return problem;
        }
        tracing::warn!(host, why, "a request for a certificate was refused");
        Problem::new("certificate.refused", format!("could not take the request of `{host}`"))
            .found(why.to_owned())
            .state("Nothing was ordered")
            .next(format!("ask for `{}` and nothing else", certificate.name))
    }
}

/// Who shows the certificate of a server of this purpose; none for one that shows nothing.
fn purpose(server: &Server) -> Option<TlsService> {
    let described: Description = serde_json::from_str(server.baseline.as_deref()?).ok()?;
    match described.service {
        Service::Bare => None,
        Service::Minio => Some(TlsService::Nginx),
        Service::Postgres => Some(TlsService::Postgresql),
    }
}

fn full_name(host: &str, zone: &DnsName) -> Result<DnsName, Problem> {
    DnsName::below(host, zone).map_err(|error| {
        Problem::new("certificate.name", format!("could not name `{host}` in `{zone}`"))
            .found(error.to_string())
            .state("Nothing was changed")
    })
}

/// There is none for this server.
pub(super) fn unknown(host: &str) -> Problem {
    Problem::new("certificate.unknown", format!("`{host}` has no certificate"))
        .next(format!("`holdfast certificate issue {host}` orders one"))
}
