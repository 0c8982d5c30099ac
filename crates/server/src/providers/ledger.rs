//! The ledger of disk snapshots: whose, since when, until when.

use std::sync::Arc;

use base::{Clock, Problem, RunId, ServerId, SnapshotId};
use jiff::Timestamp;
use providers::SnapshotName;
use sea_orm::{ActiveValue::Set, DatabaseConnection, QueryOrder, entity::prelude::*};
use serde::Serialize;

use crate::db::{moment, now, storage_problem, stored};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "snapshot")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub server: String,
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

/// One snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerEntry {
    /// Its id.
    pub id: SnapshotId,
    /// Of which server.
    pub server: ServerId,
    /// Its name at the provider.
    pub name: SnapshotName,
    /// Taken by which run.
    pub run: Option<RunId>,
    /// When it was taken.
    pub created_at: Timestamp,
    /// When it may be deleted.
    pub expires_at: Timestamp,
}

/// All snapshots that were taken and not deleted.
#[derive(Clone)]
pub struct Ledger {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
}

fn entry(row: row::Model) -> Option<LedgerEntry> {
    Some(LedgerEntry {
        id: row.id.parse().ok()?,
        server: row.server.parse().ok()?,
        name: row.name.parse().ok()?,
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

    /// Enters a snapshot, before it is taken: an entry without a snapshot is found and
    /// dropped, a snapshot without an entry would cost money for ever. Entering it again
    /// changes nothing.
    pub async fn enter(
        &self,
        server: ServerId,
        name: &SnapshotName,
        run: RunId,
        expires_at: Timestamp,
    ) -> Result<(), Problem> {
        let failed = |error: DbErr| storage_problem("enter a snapshot into the ledger", &error);
        let known = row::Entity::find()
            .filter(row::Column::Server.eq(server.to_string()))
            .filter(row::Column::Name.eq(name.as_str()))
            .one(&self.db)
            .await
            .map_err(failed)?;
        if known.is_some() {
            return Ok(());
        }
        let row = row::ActiveModel {
            id: Set(SnapshotId::new().to_string()),
            server: Set(server.to_string()),
            name: Set(name.to_string()),
            run: Set(Some(run.to_string())),
            created_at: Set(now(&*self.clock)),
            expires_at: Set(stored(expires_at)),
            deleted_at: Set(None),
        };
        row::Entity::insert(row).exec_without_returning(&self.db).await.map_err(failed)?;
        Ok(())
    }

    /// Snapshots that may be deleted by now, oldest first.
    pub async fn expired(&self) -> Result<Vec<LedgerEntry>, Problem> {
        let rows = row::Entity::find()
            .filter(row::Column::DeletedAt.is_null())
            .filter(row::Column::ExpiresAt.lte(now(&*self.clock)))
            .order_by_asc(row::Column::CreatedAt)
            .all(&self.db)
            .await
            .map_err(|error| storage_problem("read the snapshot ledger", &error))?;
        Ok(rows.into_iter().filter_map(entry).collect())
    }

    /// Notes that a snapshot is gone.
    pub async fn strike(&self, id: SnapshotId) -> Result<(), Problem> {
        row::Entity::update_many()
            .col_expr(row::Column::DeletedAt, Expr::value(now(&*self.clock)))
            .filter(row::Column::Id.eq(id.to_string()))
            .exec(&self.db)
            .await
            .map(drop)
            .map_err(|error| storage_problem("strike a snapshot off the ledger", &error))
    }
}
