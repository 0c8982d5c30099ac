//! Accepting, revoking and expiring, each with the servers in its scope judged anew.

use std::time::Duration;

use base::{AcceptanceId, Problem};

use super::{Acceptance, AcceptanceOrder, Fault, Field, OrderScope, Scope, Terms};
use crate::{access::SignedIn, app::App};

/// Between two looks for what has expired. Whatever is judged meanwhile goes by the clock.
const PASS: Duration = Duration::from_secs(30);

/// Why an order was not carried out.
#[derive(Debug)]
pub enum Refused {
    /// Fields that a form can show again.
    Fields(Vec<Fault>),
    /// Anything else.
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl App {
    /// Accepts a risk. On one server only what was found there can be accepted: a slip of
    /// the pen would otherwise lie in wait for a finding to come.
    pub async fn accept_risk(&self, who: &SignedIn, order: &AcceptanceOrder) -> Result<Acceptance, Refused> {
        let terms = order.check(self.clock.now(), &who.operator);
        let scope = self.scope(order).await?;
        let (terms, scope) = match (terms, scope) {
            (Ok(terms), Ok(scope)) => (terms, scope),
            (terms, scope) => {
                let faults = terms.err().unwrap_or_default();
                return Err(Refused::Fields(faults.into_iter().chain(scope.err()).collect()));
            }
        };
        if let Scope::Server { name, .. } = &scope
            && let Some(fault) = self.absent(name, &terms).await?
        {
            return Err(Refused::Fields(vec![fault]));
        }
        // What has expired unnoticed must not stand in the way.
        self.expire_acceptances().await?;
        let acceptance = self.exposure.acceptances().enter(&who.actor(), scope, terms).await?;
        self.judge_scope(&acceptance.scope).await?;
        Ok(acceptance)
    }

    /// Takes an acceptance back: what it covered is open again.
    pub async fn revoke_acceptance(&self, who: &SignedIn, id: AcceptanceId) -> Result<Acceptance, Problem> {
        let acceptance = self.exposure.acceptances().withdraw(&who.actor(), id).await?;
        self.judge_scope(&acceptance.scope).await?;
        Ok(acceptance)
    }

    /// Notes which acceptances have expired, and judges the servers in their scope. Closed
    /// last: whoever dies in between begins again.
    pub async fn expire_acceptances(&self) -> Result<(), Problem> {
        for acceptance in self.exposure.acceptances().due().await? {
            self.exposure.acceptances().tell_expired(&acceptance).await?;
            self.judge_scope(&acceptance.scope).await?;
            self.exposure.acceptances().close_expired(&acceptance).await?;
        }
        Ok(())
    }

    /// Looks for what has expired until the task is dropped.
    pub async fn watch_acceptances(self) {
        loop {
            if let Err(problem) = self.expire_acceptances().await {
                tracing::error!(%problem, "acceptances that have expired could not be closed");
            }
            tokio::time::sleep(PASS).await;
        }
    }

    async fn scope(&self, order: &AcceptanceOrder) -> Result<Result<Scope, Fault>, Problem> {
        let OrderScope::Server(name) = &order.scope else { return Ok(Ok(Scope::Fleet)) };
        match self.servers.named(name.trim()).await {
            Ok(server) => Ok(Ok(Scope::Server { id: server.id, name: server.name.to_string() })),
            Err(problem) if problem.code.0 == "server.unknown" => {
                let said = match name.trim().is_empty() {
                    true => "Which server is missing.".to_owned(),
                    false => {
                        format!("There is no server `{}`.", name.trim().chars().take(64).collect::<String>())
                    }
                };
                Ok(Err(Fault::new(Field::Scope, said)))
            }
            Err(problem) => Err(problem),
        }
    }

    async fn absent(&self, name: &str, terms: &Terms) -> Result<Option<Fault>, Problem> {
        let found = self.findings_of(name).await?;
        let there = found.list.iter().any(|listed| listed.finding.cve.eq_ignore_ascii_case(&terms.cve));
        let said = || format!("`{}` is not found on `{name}`, so there is nothing to accept.", terms.cve);
        Ok((!there).then(|| Fault::new(Field::Cve, said())))
    }

    async fn judge_scope(&self, scope: &Scope) -> Result<(), Problem> {
        match scope {
            Scope::Server { id, .. } => {
                self.exposure.grounds_changed();
                self.inventories.judge(*id).await
            }
            Scope::Fleet => {
                self.exposure.all_due().await;
                self.inventories.judge_all().await.map(drop)
            }
        }
    }
}
