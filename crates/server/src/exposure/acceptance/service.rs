//! Keeping acceptances: entered, listed, revoked, and closed when their time is over.

use std::sync::Arc;

use base::{AcceptanceId, Clock, Problem, ServerId};
use sea_orm::{DatabaseConnection, SqlErr};

use super::{Acceptance, AcceptedHere, Scope, Standing, Terms, day};
use crate::{
    audit::{Actor, Audit, Outcome},
    db::storage_problem,
    exposure::store::acceptance as store,
};

/// Acceptances that a list holds, newest first. Those in effect come before all others,
/// so that only what is long over is ever left out.
pub const LISTED: u64 = 1000;

/// The acceptances.
#[derive(Clone)]
pub struct Acceptances {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
}

impl Acceptances {
    /// The acceptances in this database.
    pub fn new(db: DatabaseConnection, clock: Arc<dyn Clock>, audit: Audit) -> Self {
        Self { db, clock, audit }
    }

    /// Enters one. The caller judges the servers in its scope anew.
    pub(super) async fn enter(
        &self,
        actor: &Actor,
        scope: Scope,
        terms: Terms,
    ) -> Result<Acceptance, Problem> {
        let failed = |error: sea_orm::DbErr| storage_problem("keep an acceptance", &error);
        let acceptance = Acceptance {
            id: AcceptanceId::new(),
            cve: terms.cve,
            scope,
            reason: terms.reason,
            owner: terms.owner,
            accepted_by: actor.to_string(),
            accepted_at: self.clock.now(),
            until: terms.until,
            standing: Standing::Active,
            revoked_by: None,
            revoked_at: None,
        };
        if let Some(known) = store::open_of(&self.db, &acceptance).await.map_err(failed)? {
            return Err(accepted_already(&known));
        }
        let (target, detail) = (acceptance.scope.target(), in_trail(&acceptance));
        self.audit.record(actor, "finding.accept", target, Outcome::Begun, None, detail.clone()).await?;
        if let Err(error) = store::insert(&self.db, &acceptance).await {
            let overtaken = matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)));
            let outcome = if overtaken { Outcome::Refused } else { Outcome::Failed };
            self.audit.record(actor, "finding.accept", target, outcome, None, detail).await?;
            return Err(if overtaken { accepted_already(&acceptance) } else { failed(error) });
        }
        Ok(acceptance)
    }

    /// Takes one back. The caller judges the servers in its scope anew.
    pub(super) async fn withdraw(&self, actor: &Actor, id: AcceptanceId) -> Result<Acceptance, Problem> {
        let failed = |error: sea_orm::DbErr| storage_problem("revoke an acceptance", &error);
        let known = self.get(id).await?;
        if known.standing != Standing::Active {
            return Err(over_already(&known));
        }
        let detail = in_trail(&known);
        let target = known.scope.target();
        self.audit.record(actor, "finding.accept.revoke", target, Outcome::Begun, None, detail).await?;
        let (by, at) = (actor.to_string(), self.clock.now());
        store::close(&self.db, id, Standing::Revoked, Some(&by), at).await.map_err(failed)?;
        self.get(id).await
    }

    /// The acceptance with this id.
    pub async fn get(&self, id: AcceptanceId) -> Result<Acceptance, Problem> {
        let found = store::find(&self.db, id, self.clock.now()).await;
        found
            .map_err(|error| storage_problem("read an acceptance", &error))?
            .ok_or_else(|| unknown(&id.to_string()))
    }

    /// Those in this standing, or all: first what is in effect, soonest over first; then
    /// what is over, newest first.
    pub async fn list(&self, standing: Option<Standing>) -> Result<Vec<Acceptance>, Problem> {
        let now = self.clock.now();
        let rows = store::newest(&self.db, standing, now, LISTED).await;
        let mut list = rows.map_err(|error| storage_problem("list the acceptances", &error))?;
        list.sort_by_key(|acceptance| match acceptance.standing {
            Standing::Active => (0, acceptance.until.as_microsecond()),
            Standing::Expired | Standing::Revoked => (1, -acceptance.accepted_at.as_microsecond()),
        });
        Ok(list)
    }

    /// What is in effect on a server now.
    pub async fn here(&self, server: ServerId) -> Result<AcceptedHere, Problem> {
        let found = store::in_effect(&self.db, server, self.clock.now()).await;
        Ok(AcceptedHere::of(found.map_err(|error| storage_problem("read the acceptances", &error))?))
    }

    /// Those whose time is over and of which this was not noted yet.
    pub(super) async fn due(&self) -> Result<Vec<Acceptance>, Problem> {
        let due = store::due(&self.db, self.clock.now()).await;
        due.map_err(|error| storage_problem("look for acceptances that have expired", &error))
    }

    /// Leaves the one entry in the trail that says that its time is over.
    pub(super) async fn tell_expired(&self, acceptance: &Acceptance) -> Result<(), Problem> {
        let target = acceptance.scope.target();
        let mark = format!("{} expired", acceptance.id);
        let (action, detail) = ("finding.accept.expired", in_trail(acceptance));
        self.audit.record_marked(&Actor::System, action, target, Outcome::Done, mark, detail).await
    }

    /// Notes that its time is over.
    pub(super) async fn close_expired(&self, acceptance: &Acceptance) -> Result<(), Problem> {
        let closed = store::close(&self.db, acceptance.id, Standing::Expired, None, acceptance.until).await;
        closed.map_err(|error| storage_problem("note that an acceptance has expired", &error))
    }
}

fn in_trail(acceptance: &Acceptance) -> String {
    let Acceptance { id, cve, owner, reason, .. } = acceptance;
    format!("{cve} until {} by {owner} because {reason} ({id})", day(acceptance.until))
}

fn accepted_already(known: &Acceptance) -> Problem {
    Problem::new("acceptance.exists", format!("could not accept `{}`", known.cve))
        .found(format!(
            "it is accepted on {} already, until {} by {}",
            known.scope.in_words(),
            day(known.until),
            known.owner
        ))
        .state("That acceptance stays as it is")
        .next("revoke it first to give it another reason or end")
}

fn over_already(known: &Acceptance) -> Problem {
    let found = match known.standing {
        Standing::Revoked => "it was revoked already",
        Standing::Active | Standing::Expired => "its time is over already",
    };
    Problem::new("acceptance.ended", format!("could not revoke the acceptance of `{}`", known.cve))
        .found(found)
        .state("Nothing was changed")
}

/// There is no such acceptance.
pub fn unknown(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    Problem::new("acceptance.unknown", format!("there is no acceptance `{id}`"))
        .next("`holdfast finding acceptances` lists the known ones")
}
