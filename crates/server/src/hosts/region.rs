//! Regions: each has an authority of its own, and the control plane's identity in it.

use std::{collections::BTreeMap, sync::Arc};

use base::{Problem, Redacted};
use rcgen::KeyPair;
use sea_orm::DatabaseConnection;
use tokio::sync::Mutex;

use super::store::region as store;
use crate::{
    db::storage_problem,
    secrets::{Authority, AuthorityError, Vault, VaultError},
};

/// The region that a server belongs to unless another is asked for.
pub const DEFAULT: &str = "default";

/// One region.
pub struct Region {
    /// Its name.
    pub name: String,
    /// Who signs its agents.
    pub authority: Authority,
    /// The key with which the control plane proves itself in this region, PKCS#8.
    key: Redacted<Vec<u8>>,
}

impl Region {
    /// The control plane's key in this region.
    pub fn key(&self) -> Result<KeyPair, Problem> {
        KeyPair::try_from(self.key.expose().as_slice()).map_err(|error| broken(&self.name, &error))
    }
}

/// All regions, loaded when first asked for.
#[derive(Clone)]
pub struct Regions {
    db: DatabaseConnection,
    vault: Vault,
    loaded: Arc<Mutex<BTreeMap<String, Arc<Region>>>>,
}

fn broken(name: &str, error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error, region = name, "the region's authority does not work");
    Problem::new("region.broken", format!("could not use the certificate authority of region `{name}`"))
        .state("Nothing was changed")
        .next("see whether `master.key` in the data directory is the one this database was made with")
}

impl Regions {
    /// The regions in this database.
    pub fn new(db: DatabaseConnection, vault: Vault) -> Self {
        Self { db, vault, loaded: Arc::default() }
    }

    /// The region of this name, made if it is new.
    pub async fn get(&self, name: &str) -> Result<Arc<Region>, Problem> {
        let mut loaded = self.loaded.lock().await;
        if let Some(region) = loaded.get(name) {
            return Ok(region.clone());
        }
        let failed = |error: sea_orm::DbErr| storage_problem(&format!("read region `{name}`"), &error);
        let row = match store::find(&self.db, name).await.map_err(failed)? {
            Some(row) => row,
            None => {
                let fresh = self.create(name)?;
                if store::insert(&self.db, fresh.clone()).await.map_err(failed)? {
                    fresh
                } else {
                    store::find(&self.db, name).await.map_err(failed)?.unwrap_or(fresh)
                }
            }
        };
        let region = Arc::new(self.open(row)?);
        loaded.insert(name.to_owned(), region.clone());
        Ok(region)
    }

    fn create(&self, name: &str) -> Result<store::Model, Problem> {
        let authority = Authority::create(name).map_err(|error: AuthorityError| broken(name, &error))?;
        let key = KeyPair::generate().map_err(|error| broken(name, &error))?;
        let seal = |what: &str, secret: &[u8]| {
            self.vault
                .seal(&format!("region {name} {what}"), secret)
                .map_err(|error: VaultError| broken(name, &error))
        };
        Ok(store::Model {
            name: name.to_owned(),
            ca_certificate: authority.certificate_pem().to_owned(),
            ca_key_sealed: seal("ca", authority.key_pkcs8().expose())?,
            identity_sealed: seal("identity", &key.serialize_der())?,
        })
    }

    fn open(&self, row: store::Model) -> Result<Region, Problem> {
        let name = row.name;
        let unseal = |what: &str, sealed: &str| {
            self.vault
                .unseal(&format!("region {name} {what}"), sealed)
                .map_err(|error: VaultError| broken(&name, &error))
        };
        let ca_key = unseal("ca", &row.ca_key_sealed)?;
        let key = unseal("identity", &row.identity_sealed)?;
        let authority =
            Authority::load(row.ca_certificate, ca_key.expose()).map_err(|error| broken(&name, &error))?;
        Ok(Region { name, authority, key })
    }
}
