//! The ledger of what runs have kept for a way back: whose, since when, until when.

use std::{fmt, sync::Arc};

use base::{Clock, KeepsakeId, Problem, RunId, ServerId};
use jiff::Timestamp;
use providers::SnapshotName;
use sea_orm::{ActiveValue::Set, DatabaseConnection, QueryOrder, entity::prelude::*, sea_query::SimpleExpr};
use serde::Serialize;
use wire::JobKey;

use crate::db::{moment, now, storage_problem, stored};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "keepsake")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub server: String,
        pub kind: String,
        pub name: String,
        pub run: Option<String>,
        pub created_at: i64,
        pub expires_at: i64,
        pub deleted_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Keepsake {
    /// A disk snapshot at the provider.
    Snapshot(SnapshotName),
    /// Packages on the host, by the job that staged them.
    Packages(JobKey),
}

impl Keepsake {
    fn kind(&self) -> &'static str {
        match self {
            Self::Snapshot(_) => "snapshot",
            Self::Packages(_) => "packages",
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Snapshot(name) => name.to_string(),
            Self::Packages(key) => key.to_string(),
        }
    }

    fn read(kind: &str, name: &str) -> Option<Self> {
        match kind {
            "snapshot" => name.parse().ok().map(Self::Snapshot),
            "packages" => name.parse().ok().map(Self::Packages),
            _ => None,
        }
    }
}

impl fmt::Display for Keepsake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind(), self.name())
    }
}

/// One entry.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerEntry {
    /// Its id.
    pub id: KeepsakeId,
    /// Of which server.
    pub server: ServerId,
    /// What is kept.
    pub keepsake: Keepsake,
    /// Kept by which run.
    pub run: Option<RunId>,
    /// Since when.
    pub created_at: Timestamp,
    /// When it may be dropped.
    pub expires_at: Timestamp,
}

/// Everything that was kept and not dropped.
#[derive(Clone)]
pub struct Ledger {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
}

fn entry(row: row::Model) -> Option<LedgerEntry> {
    Some(LedgerEntry {
        id: row.id.parse().ok()?,
        server: row.server.parse().ok()?,
        keepsake: Keepsake::read(&row.kind, &row.name)?,
        run: row.run.and_then(|run| run.parse().ok()),
        created_at: moment(row.created_at),
        expires_at: moment(row.expires_at),
    })
}

impl Ledger {
    /// The ledger in this database.
    pub fn new(db: DatabaseConnection, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    /// Enters something before it is made: an entry without a snapshot is found and
    /// dropped, a snapshot without an entry would cost money for ever. Entering it again
    /// changes nothing.
    pub async fn enter(
        &self,
        server: ServerId,
        keepsake: &Keepsake,
        run: RunId,
        expires_at: Timestamp,
    ) -> Result<(), Problem> {
        let failed = |error: DbErr| storage_problem("enter into the ledger what is kept", &error);
        let known = row::Entity::find()
            .filter(row::Column::Server.eq(server.to_string()))
            .filter(row::Column::Kind.eq(keepsake.kind()))
            .filter(row::Column::Name.eq(keepsake.name()))
            .one(&self.db)
            .await
            .map_err(failed)?;
        if known.is_some() {
            return Ok(());
        }
        let row = row::ActiveModel {
            id: Set(KeepsakeId::new().to_string()),
            server: Set(server.to_string()),
            kind: Set(keepsake.kind().to_owned()),
            name: Set(keepsake.name()),
            run: Set(Some(run.to_string())),
            created_at: Set(now(&*self.clock)),
            expires_at: Set(stored(expires_at)),
            deleted_at: Set(None),
        };
        row::Entity::insert(row).exec_without_returning(&self.db).await.map_err(failed)?;
        Ok(())
    }

    /// What may be dropped by now, oldest first.
    pub async fn expired(&self) -> Result<Vec<LedgerEntry>, Problem> {
        self.kept(row::Column::ExpiresAt.lte(now(&*self.clock))).await
    }

    /// What is kept of a server, oldest first.
    pub async fn of(&self, server: ServerId) -> Result<Vec<LedgerEntry>, Problem> {
        self.kept(row::Column::Server.eq(server.to_string())).await
    }

    async fn kept(&self, which: SimpleExpr) -> Result<Vec<LedgerEntry>, Problem> {
        let rows = row::Entity::find()
            .filter(row::Column::DeletedAt.is_null())
            .filter(which)
            .order_by_asc(row::Column::CreatedAt)
            .all(&self.db)
            .await
            .map_err(|error| storage_problem("read the ledger of what is kept", &error))?;
        Ok(rows.into_iter().filter_map(entry).collect())
    }

    /// Notes that something is gone.
    pub async fn strike(&self, id: KeepsakeId) -> Result<(), Problem> {
        row::Entity::update_many()
            .col_expr(row::Column::DeletedAt, Expr::value(now(&*self.clock)))
            .filter(row::Column::Id.eq(id.to_string()))
            .exec(&self.db)
            .await
            .map(drop)
            .map_err(|error| storage_problem("strike off the ledger what is gone", &error))
    }
}
