//! `holdfast-agent certificate`: this host's TLS key and certificate. The key is made here and
//! never leaves; the control plane is asked for the chain; the service is reloaded, and only
//! what its port really shows counts. Until then the former pair stays, and it comes back if
//! the new one is not shown.
//!
//! ```text
//! settle ─► ask ─► nothing or keep
//!                └► key and request ─► ask until issued ─► switch ─► reload ─► shown? ─► report
//!                                                                        └► switch back ─┘
//! ```
//!
//! This half is root and does not speak with the network: a child without privilege passes
//! questions on; see [`pass_on`].

mod asking;
mod error;
mod pair;
mod request;
mod served;
mod service;

use std::time::Duration;

use tokio::time::Instant;
use wire::{CertificateAnswer, CertificateQuestion, InstalledCertificate, ServedProof, TlsService};

use crate::Places;

use asking::Asking;
pub use asking::pass_on;
pub use error::CertificateError;
use pair::Pairs;
use request::Pending;

/// How long one start waits for the CA. The next start takes up the same request.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// How long a host may take from its first boot to its enrolment.
const ENROLMENT: Duration = Duration::from_secs(15 * 60);

/// Brings the certificate of this host up to date.
pub async fn run(places: &Places) -> Result<(), CertificateError> {
    await_identity(places).await?;
    let asking = Asking::from_this_host()?;
    Host { pairs: Pairs::new(places), asking }.update().await
}

async fn await_identity(places: &Places) -> Result<(), CertificateError> {
    let file = places.identity().join("identity.json");
    let until = Instant::now() + ENROLMENT;
    while !file.exists() {
        if Instant::now() > until {
            return Err(CertificateError::Later { reason: "this host has not enrolled yet".to_owned() });
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Ok(())
}

struct Host {
    pairs: Pairs,
    asking: Asking,
}

impl Host {
    async fn update(&self) -> Result<(), CertificateError> {
        let fault = self.settle().await?;
        let question = CertificateQuestion { csr_pem: None, installed: self.installed().await?, fault };
        let (name, service) = match self.asking.ask(&question).await? {
            CertificateAnswer::Nothing => return Ok(()),
            CertificateAnswer::Keep { service } => return self.keep(service, &question).await,
            CertificateAnswer::Request { name, service } => (name, service),
            other => return Err(CertificateError::answer(format!("to no request it said {other:?}"))),
        };
        let pending = Pending::for_name(&self.pairs, &name)?;
        tracing::info!(name, "asking for a certificate");
        let (chain, service) = self.await_chain(&pending, service, question.installed).await?;
        let fault = self.put_to_use(&pending, &chain, service).await?;
        let report =
            CertificateQuestion { csr_pem: None, installed: self.installed().await?, fault: fault.clone() };
        // What matters is done; the next start tells it again.
        if let Err(error) = self.asking.ask(&report).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the control plane could not be told");
        }
        match fault {
            Some(reason) => Err(CertificateError::Later { reason }),
            None => Ok(()),
        }
    }

    /// Finishes what a start before this one has left half done: a pair that was switched to
    /// and not seen yet.
    async fn settle(&self) -> Result<Option<String>, CertificateError> {
        let state = self.pairs.state()?;
        let current = self.pairs.current()?;
        if current.is_none() || current == state.proven {
            return Ok(None);
        }
        self.prove_or_go_back(state.service, &state.name).await
    }

    /// The right certificate is installed; a service that shows another is reloaded.
    async fn keep(&self, service: TlsService, asked: &CertificateQuestion) -> Result<(), CertificateError> {
        let shown = asked.installed.as_ref().map(|installed| installed.proof);
        let mut state = self.pairs.state()?;
        let changed = state.service != service;
        if !changed && shown != Some(ServedProof::NotServed) {
            return Ok(());
        }
        state.service = service;
        self.pairs.keep_state(&state)?;
        if let Some(serial) = self.pairs.current()? {
            self.pairs.own(&serial, service)?;
        }
        let fault = service::show(service, &state.name, self.pairs.current()?.as_deref()).await.err();
        let report = CertificateQuestion { csr_pem: None, installed: self.installed().await?, fault };
        self.asking.ask(&report).await.map(drop)
    }

    async fn await_chain(
        &self,
        pending: &Pending,
        service: TlsService,
        installed: Option<InstalledCertificate>,
    ) -> Result<(String, TlsService), CertificateError> {
        let question = CertificateQuestion { csr_pem: Some(pending.csr_pem.clone()), installed, fault: None };
        let until = Instant::now() + PATIENCE;
        let later = |reason: &str| CertificateError::Later { reason: reason.to_owned() };
        loop {
            match self.asking.ask(&question).await? {
                CertificateAnswer::Issued { service, chain_pem } => return Ok((chain_pem, service)),
                CertificateAnswer::Wait { seconds } => {
                    // At least a second, whatever the answer says.
                    let pause = Duration::from_secs(u64::from(seconds.max(1)));
                    if Instant::now() + pause > until {
                        return Err(later("the control plane has no certificate yet"));
                    }
                    tokio::time::sleep(pause).await;
                }
                CertificateAnswer::Keep { .. } | CertificateAnswer::Nothing => {
                    return Err(later("the control plane wants no new certificate any more"));
                }
                CertificateAnswer::Request { name, .. } => {
                    return Err(later(&format!("the name has become `{name}`, shown by {service:?}")));
                }
            }
        }
    }

    /// Installs a chain. Gives what went wrong, if the former pair is back in its place.
    async fn put_to_use(
        &self,
        pending: &Pending,
        chain: &str,
        service: TlsService,
    ) -> Result<Option<String>, CertificateError> {
        let serial = pending.check(chain)?;
        let mut state = self.pairs.state()?;
        self.pairs.add(&serial, chain, pending.key_pem.expose(), service)?;
        state.service = service;
        state.name = pending.name.clone();
        self.pairs.keep_state(&state)?;
        self.pairs.switch_to(&serial)?;
        let fault = self.prove_or_go_back(service, &pending.name).await?;
        if fault.is_none() {
            pending.forget()?;
            tracing::info!(serial, "the certificate is in use");
        }
        Ok(fault)
    }

    async fn prove_or_go_back(
        &self,
        service: TlsService,
        name: &str,
    ) -> Result<Option<String>, CertificateError> {
        let mut state = self.pairs.state()?;
        let current = self.pairs.current()?;
        let Err(reason) = service::show(service, name, current.as_deref()).await else {
            state.proven = current;
            self.pairs.keep_state(&state)?;
            self.pairs.drop_others()?;
            return Ok(None);
        };
        tracing::error!(reason, "the new certificate is not shown");
        // Without a former pair the new one stays: it is as good as none, and better once the
        // service is mended.
        if let Some(proven) = &state.proven
            && self.pairs.has(proven)
        {
            self.pairs.switch_to(proven)?;
            if let Err(reason) = service::show(service, name, Some(proven)).await {
                tracing::error!(reason, "nor is the former one");
            }
            self.pairs.drop_others()?;
        }
        Ok(Some(reason))
    }

    async fn installed(&self) -> Result<Option<InstalledCertificate>, CertificateError> {
        let Some(serial) = self.pairs.current()? else { return Ok(None) };
        let state = self.pairs.state()?;
        let proof = service::look(state.service, &state.name, &serial).await;
        Ok(Some(InstalledCertificate { serial, proof }))
    }
}
