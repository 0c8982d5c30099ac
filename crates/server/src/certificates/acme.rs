//! The account at the CA: made at the first order, its key sealed in the store, used for all.

use std::{path::PathBuf, sync::Arc};

use base::Problem;
use instant_acme::{Account, AccountCredentials, NewAccount};
use sea_orm::DatabaseConnection;
use tokio::sync::Mutex;

use super::{
    fault::OrderFault,
    http::{AcmeHttp, TurnedAway},
    limits, store,
};
use crate::{db::storage_problem, secrets::Vault};

/// The directory of the CA that is asked unless another is configured.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Which CA, and how.
#[derive(Debug, Clone)]
pub struct AcmeConfig {
    /// Address of its directory. With the first order an account is made there, and its terms
    /// of service are agreed to.
    pub directory: String,
    /// A file with further root certificates that its own HTTPS may be signed by, PEM.
    pub root: Option<PathBuf>,
    /// Whom it may write to, such as `mailto:ops@example.org`.
    pub contact: Option<String>,
    /// The certificate profile to order, where the CA has several.
    pub profile: Option<String>,
}

impl Default for AcmeConfig {
    fn default() -> Self {
        Self { directory: LETS_ENCRYPT.to_owned(), root: None, contact: None, profile: None }
    }
}

/// The CA, with our account there.
#[derive(Clone)]
pub struct Acme {
    config: Arc<AcmeConfig>,
    http: AcmeHttp,
    db: DatabaseConnection,
    vault: Vault,
    account: Arc<Mutex<Option<Account>>>,
}

impl Acme {
    /// Asks nothing yet.
    pub fn new(config: AcmeConfig, db: DatabaseConnection, vault: Vault) -> anyhow::Result<Self> {
        let http = AcmeHttp::new(config.root.as_deref())?;
        Ok(Self { config: Arc::new(config), http, db, vault, account: Arc::default() })
    }

    /// What is configured.
    pub fn config(&self) -> &AcmeConfig {
        &self.config
    }

    /// The limits that this CA has.
    pub(super) fn limits(&self) -> limits::Limits {
        if self.config.directory == LETS_ENCRYPT { limits::LETS_ENCRYPT } else { limits::OTHERS }
    }

    /// The account; made if there is none.
    pub(super) async fn account(&self) -> Result<Account, OrderFault> {
        let mut held = self.account.lock().await;
        if let Some(account) = &*held {
            return Ok(account.clone());
        }
        let builder = || Account::builder_with_http(Box::new(self.http.clone()));
        let account = match self.kept().await? {
            Some(credentials) => builder().from_credentials(credentials).await?,
            None => {
                let contact: Vec<&str> = self.config.contact.as_deref().into_iter().collect();
                let new = NewAccount {
                    contact: &contact,
                    terms_of_service_agreed: true,
                    only_return_existing: false,
                };
                let made = builder().create(&new, self.config.directory.clone(), None).await?;
                self.keep(&made.1).await?;
                made.0
            }
        };
        *held = Some(account.clone());
        Ok(account)
    }

    /// Forgets an account that the CA does not know: a CA for tests forgets them all when it
    /// starts anew. The next order makes another.
    pub(super) async fn forget_account(&self) {
        *self.account.lock().await = None;
        if let Err(error) = store::forget_account(&self.db, &self.config.directory).await {
            tracing::error!(%error, "the account at the CA could not be forgotten");
        }
    }

    fn label(&self) -> String {
        format!("ACME account at {}", self.config.directory)
    }

    async fn kept(&self) -> Result<Option<AccountCredentials>, OrderFault> {
        let row = store::account(&self.db, &self.config.directory).await;
        let row = row.map_err(|error| stored(storage_problem("read the account at the CA", &error)))?;
        let Some(sealed) = row else { return Ok(None) };
        let opened = self.vault.unseal(&self.label(), &sealed).map_err(|error| stored(broken(&error)))?;
        serde_json::from_slice(opened.expose()).map(Some).map_err(|error| stored(broken(&error)))
    }

    async fn keep(&self, credentials: &AccountCredentials) -> Result<(), OrderFault> {
        let text = serde_json::to_vec(credentials).map_err(|error| stored(broken(&error)))?;
        let text = base::Redacted::new(text);
        let sealed = self.vault.seal(&self.label(), text.expose()).map_err(|error| stored(broken(&error)))?;
        store::keep_account(&self.db, &self.config.directory, sealed)
            .await
            .map_err(|error| stored(storage_problem("keep the account at the CA", &error)))
    }
}

fn stored(source: Problem) -> OrderFault {
    OrderFault::Store { source }
}

fn broken(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error, "the account at the CA cannot be sealed or opened");
    Problem::new("certificate.store", "could not use the account at the CA")
        .next("see whether `master.key` is the one this database was made with")
}

/// The kinds of problems that RFC 8555 §6.7 names, without their common beginning.
const KINDS: &str = "urn:ietf:params:acme:error:";

impl From<instant_acme::Error> for OrderFault {
    fn from(error: instant_acme::Error) -> Self {
        use instant_acme::Error;
        match error {
            Error::Api(problem) => {
                let detail = said(&problem);
                match problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(KINDS)) {
                    Some("rateLimited") => Self::RateLimited { retry_after: None, detail },
                    Some("badNonce") => Self::Nonce { detail },
                    Some("accountDoesNotExist") => Self::Account { detail },
                    Some("serverInternal") => Self::Unavailable { detail, retry_after: None },
                    _ => Self::Refused { detail },
                }
            }
            Error::Timeout(_) => Self::Unavailable {
                detail: "the order did not move on in time".to_owned(),
                retry_after: None,
            },
            Error::Other(inner) => match inner.downcast::<TurnedAway>() {
                Ok(away) if away.status.is_server_error() => {
                    Self::Unavailable { detail: away.to_string(), retry_after: away.retry_after }
                }
                Ok(away) => Self::RateLimited { retry_after: away.retry_after, detail: away.detail },
                Err(inner) => Self::Unavailable { detail: agent::daemon::chain(&*inner), retry_after: None },
            },
            Error::Json(_) | Error::Str(_) | Error::Unsupported(_) => {
                Self::Answer { detail: error.to_string() }
            }
            other => Self::Answer { detail: other.to_string() },
        }
    }
}

/// A problem in the CA's words, with what it says about single names.
fn said(problem: &instant_acme::Problem) -> String {
    let details = std::iter::once(problem.detail.as_deref())
        .chain(problem.subproblems.iter().map(|sub| sub.detail.as_deref()));
    let text: Vec<&str> = details.flatten().collect();
    text.join("; ").chars().take(500).collect()
}
