//! How a host redeems its one-time token and becomes a server we can speak to.

use std::{net::IpAddr, sync::Arc, time::Duration};

use base::{Clock, Problem, ServerId, Sha256};
use sea_orm::DatabaseConnection;
use wire::{EnrolmentRequest, EnrolmentResponse};

use super::{
    model::ServerState,
    region::Regions,
    store::{enrolment as store, server},
};
use crate::{
    audit::{Actor, Audit, Outcome},
    db::{now, storage_problem, stored},
    secrets::{Token, Vault},
};

/// A token dies after this long, used or not (requirement H2).
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Issues and redeems enrolment tokens.
#[derive(Clone)]
pub struct Enrolments {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
    regions: Regions,
    vault: Vault,
    addresses: Arc<Vec<IpAddr>>,
}

/// The label under which a server's bearer token is sealed.
pub fn bearer_label(server: ServerId) -> String {
    format!("bearer token of {server}")
}

impl Enrolments {
    /// `addresses` are those from which the control plane calls agents.
    pub fn new(
        db: DatabaseConnection,
        clock: Arc<dyn Clock>,
        audit: Audit,
        regions: Regions,
        vault: Vault,
        addresses: Vec<IpAddr>,
    ) -> Self {
        Self { db, clock, audit, regions, vault, addresses: Arc::new(addresses) }
    }

    /// A new token for this server. Tokens issued before stay valid until they are used
    /// or expire, since one of them may already be on a host's disk.
    pub async fn issue(&self, server: ServerId) -> Result<Token, Problem> {
        let token = Token::generate();
        let expires_at = stored(self.clock.now() + LIFETIME);
        store::insert(&self.db, server, token.digest(), expires_at)
            .await
            .map_err(|error| storage_problem("keep an enrolment token", &error))?;
        Ok(token)
    }

    /// Redeems a token: signs the host's key and gives the server a bearer token of its
    /// own. A second redemption is refused and audited.
    pub async fn redeem(
        &self,
        request: &EnrolmentRequest,
        from: IpAddr,
    ) -> Result<EnrolmentResponse, Problem> {
        let failed = |error: sea_orm::DbErr| storage_problem("look an enrolment token up", &error);
        let digest = Sha256::of(request.token.as_bytes());
        let host = Actor::Host(from.to_string());
        let Some(row) = store::find(&self.db, digest).await.map_err(failed)? else {
            return Err(self.refuse(&host, "unknown", "the token is not one of ours").await);
        };
        let server = match row.server.parse() {
            Ok(id) => server::find(&self.db, id).await.map_err(failed)?,
            Err(_) => None,
        };
        let Some(server) = server else {
            return Err(self.refuse(&host, &row.server, "its server is gone").await);
        };
        let id = server.id;
        let name = server.name.as_str();
        if row.used_at.is_some() {
            return Err(self.refuse(&host, name, "the token was used before").await);
        }
        if row.expires_at <= now(&*self.clock) {
            return Err(self.refuse(&host, name, "the token has expired").await);
        }
        let region = self.regions.get(&server.region).await?;
        let (certificate_pem, certificate) =
            region.authority.sign_agent(id, &request.csr_pem).map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, server = name, "enrolment refused");
                Problem::new("enrolment.request", "could not enrol the host")
                    .found("the certificate request is not a PKCS#10 request in PEM that we take")
                    .state("The token is still good")
            })?;
        let bearer = Token::generate();
        let sealed = self.vault.seal(&bearer_label(id), bearer.reveal().as_bytes()).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot seal a bearer token");
            Problem::new("enrolment.seal", "could not keep the server's token")
                .state("The token is still good")
        })?;
        let detail = format!("certificate {certificate}");
        self.audit.record(&host, "server.enrol", name, Outcome::Begun, None, detail.clone()).await?;
        if !store::redeem(&self.db, &row.id, now(&*self.clock)).await.map_err(failed)? {
            return Err(self.refuse(&host, name, "the token was used before").await);
        }
        let changed = server::change(&self.db, id, move |server| {
            server.agent_certificate = Some(certificate);
            server.bearer_token_sealed = Some(sealed);
            server.state = ServerState::Enrolled;
            server.last_fault = None;
        });
        changed.await.map_err(failed)?;
        self.audit.record(&host, "server.enrol", name, Outcome::Done, None, detail).await?;
        Ok(EnrolmentResponse {
            server: id,
            certificate_pem,
            ca_pem: region.authority.certificate_pem().to_owned(),
            bearer_token_sha256: bearer.digest(),
            control_plane_addresses: self.addresses.to_vec(),
        })
    }

    async fn refuse(&self, host: &Actor, target: &str, why: &str) -> Problem {
        if let Err(problem) =
            self.audit.record(host, "server.enrol", target, Outcome::Refused, None, why).await
        {
            return problem;
        }
        tracing::warn!(%host, target, why, "enrolment refused");
        Problem::new("enrolment.refused", "could not enrol the host")
            .found(why)
            .state("Nothing was changed")
            .next("if this host is yours, provision it again or ask an operator for a new token")
    }
}
