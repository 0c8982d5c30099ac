//! Signing in and out, and telling who is there.

use std::{net::IpAddr, sync::Arc, time::Duration};

use base::{Clock, Problem, Sha256};
use sea_orm::DatabaseConnection;

use super::{failures::Failures, store};
use crate::{
    audit::{Actor, Audit, Outcome},
    db::{now, storage_problem, stored},
    secrets::{Token, same_digest},
};

/// A sign-in link works once, within this time.
const LINK: Duration = Duration::from_secs(15 * 60);
/// A session ends after a working day.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// The token of the command line lives as long as its control plane runs.
const COMMAND_LINE: Duration = Duration::from_secs(365 * 24 * 3600);

const KIND_LINK: &str = "link";
const KIND_SESSION: &str = "session";
const KIND_API: &str = "api";

/// Somebody who has proven who they are.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Their name.
    pub operator: String,
    /// What their forms must carry. Empty for API tokens, which post no forms.
    pub form_token: String,
}

impl SignedIn {
    /// As the audit trail names them.
    pub fn actor(&self) -> Actor {
        Actor::Operator(self.operator.clone())
    }

    /// Checks the token that came with a form.
    pub fn check_form(&self, token: &str) -> Result<(), Problem> {
        let same = same_digest(&Sha256::of(token.as_bytes()), &Sha256::of(self.form_token.as_bytes()));
        if same && !self.form_token.is_empty() {
            return Ok(());
        }
        Err(Problem::new("access.form", "this form is not from a page of yours")
            .state("Nothing was changed")
            .next("go back, reload the page and send it again"))
    }
}

/// Links, sessions and tokens.
#[derive(Clone)]
pub struct Access {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    audit: Audit,
    failures: Arc<Failures>,
}

impl Access {
    /// Access to this control plane.
    pub fn new(db: DatabaseConnection, clock: Arc<dyn Clock>, audit: Audit) -> Self {
        Self { db, clock, audit, failures: Arc::default() }
    }

    async fn issue(
        &self,
        kind: &str,
        operator: &str,
        lifetime: Duration,
    ) -> Result<(Token, String), Problem> {
        let (token, form_token) = (Token::generate(), Token::generate().reveal().to_owned());
        let row = store::Model {
            token_sha256: token.digest().to_string(),
            kind: kind.to_owned(),
            operator: operator.to_owned(),
            form_token: form_token.clone(),
            created_at: now(&*self.clock),
            expires_at: stored(self.clock.now() + lifetime),
            used_at: None,
        };
        store::insert(&self.db, row).await.map_err(|error| storage_problem("keep a token", &error))?;
        Ok((token, form_token))
    }

    /// A link that signs this operator in, once.
    pub async fn issue_link(&self, asked_by: &Actor, operator: &str) -> Result<Token, Problem> {
        self.audit.record(asked_by, "access.link", operator, Outcome::Done, None, "").await?;
        Ok(self.issue(KIND_LINK, operator, LINK).await?.0)
    }

    /// The token of the command line on this machine; the former one stops working.
    pub async fn issue_command_line(&self, operator: &str) -> Result<Token, Problem> {
        store::sweep(&self.db, KIND_API, now(&*self.clock))
            .await
            .map_err(|error| storage_problem("drop former tokens", &error))?;
        Ok(self.issue(KIND_API, operator, COMMAND_LINE).await?.0)
    }

    /// Signs in with a link: the token for the session's cookie.
    pub async fn sign_in(&self, link: &str, from: IpAddr) -> Result<Token, Problem> {
        if self.failures.too_many(from, self.clock.now()) {
            return Err(Problem::new("access.slow_down", "too many failed attempts from your address")
                .next("wait a minute"));
        }
        let failed = |error: sea_orm::DbErr| storage_problem("sign in", &error);
        let digest = Sha256::of(link.as_bytes());
        let now = now(&*self.clock);
        let row = store::find(&self.db, KIND_LINK, digest, now).await.map_err(failed)?;
        let used = store::use_up(&self.db, KIND_LINK, digest, now).await.map_err(failed)?;
        let (Some(row), true) = (row, used) else {
            self.failures.note(from, self.clock.now());
            let who = Actor::Host(from.to_string());
            self.audit.record(&who, "access.sign_in", "link", Outcome::Refused, None, "").await?;
            return Err(Problem::new("access.link", "this link does not work")
                .found("it was used before, or is older than 15 minutes")
                .next("get a new one with `holdfast sign-in` on the control plane's machine"));
        };
        let who = Actor::Operator(row.operator.clone());
        self.audit
            .record(&who, "access.sign_in", &row.operator, Outcome::Done, None, from.to_string())
            .await?;
        Ok(self.issue(KIND_SESSION, &row.operator, SESSION).await?.0)
    }

    /// Who holds this session.
    pub async fn session(&self, token: &str) -> Result<Option<SignedIn>, Problem> {
        self.holder(KIND_SESSION, token).await
    }

    /// Who holds this API token.
    pub async fn api_token(&self, token: &str, from: IpAddr) -> Result<Option<SignedIn>, Problem> {
        if self.failures.too_many(from, self.clock.now()) {
            return Ok(None);
        }
        let holder = self.holder(KIND_API, token).await?;
        if holder.is_none() {
            self.failures.note(from, self.clock.now());
        }
        Ok(holder)
    }

    async fn holder(&self, kind: &str, token: &str) -> Result<Option<SignedIn>, Problem> {
        // Found by digest: the time this takes tells nothing of the token itself.
        let row = store::find(&self.db, kind, Sha256::of(token.as_bytes()), now(&*self.clock)).await;
        let row = row.map_err(|error| storage_problem("look a session up", &error))?;
        Ok(row.map(|row| SignedIn { operator: row.operator, form_token: row.form_token }))
    }

    /// Ends a session.
    pub async fn sign_out(&self, token: &str) -> Result<(), Problem> {
        store::remove(&self.db, Sha256::of(token.as_bytes()))
            .await
            .map_err(|error| storage_problem("sign out", &error))
    }
}

#[cfg(test)]
mod tests {
    use base::SystemClock;

    use super::*;

    async fn access() -> (Access, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let db = crate::db::open_sqlite(&folder.path().join("t.db")).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let key = base::Redacted::new([1; 32]);
        let audit = Audit::new(db.clone(), clock.clone(), key, folder.path().join("audit.head"));
        (Access::new(db, clock, audit), folder)
    }

    #[tokio::test]
    async fn a_link_works_once_and_only_as_a_link() {
        let (access, _folder) = access().await;
        let from = IpAddr::from([127, 0, 0, 1]);
        let link = access.issue_link(&Actor::System, "ann").await.unwrap();
        assert!(access.session(link.reveal()).await.unwrap().is_none());
        let session = access.sign_in(link.reveal(), from).await.unwrap();
        assert!(access.sign_in(link.reveal(), from).await.is_err());
        let ann = access.session(session.reveal()).await.unwrap().unwrap();
        assert_eq!(ann.operator, "ann");
        assert!(ann.check_form(&ann.form_token).is_ok());
        assert!(ann.check_form("").is_err());
        assert!(access.api_token(session.reveal(), from).await.unwrap().is_none());
        access.sign_out(session.reveal()).await.unwrap();
        assert!(access.session(session.reveal()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn guessing_is_slowed_down() {
        let (access, _folder) = access().await;
        let from = IpAddr::from([203, 0, 113, 7]);
        for _ in 0..10 {
            assert_eq!(access.sign_in("guess", from).await.unwrap_err().code.0, "access.link");
        }
        let link = access.issue_link(&Actor::System, "ann").await.unwrap();
        assert_eq!(access.sign_in(link.reveal(), from).await.unwrap_err().code.0, "access.slow_down");
        assert!(access.sign_in(link.reveal(), IpAddr::from([203, 0, 113, 8])).await.is_ok());
    }
}
