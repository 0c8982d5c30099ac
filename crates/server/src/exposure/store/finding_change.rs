//! The table `finding_change`: what opened and closed on each server, and when.

use base::ServerId;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    QueryOrder, QuerySelect,
    entity::prelude::*,
};

use super::super::changes::FindingChange;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "finding_change")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub number: i64,
    pub server: String,
    pub at: i64,
    pub source_package: String,
    pub opened: i64,
    pub closed: i64,
    pub detail: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Adds what changed at one moment.
pub async fn insert(
    db: &DatabaseConnection,
    server: ServerId,
    at: i64,
    changes: &[FindingChange],
) -> Result<(), DbErr> {
    let rows = changes.iter().map(|change| ActiveModel {
        number: NotSet,
        server: Set(server.to_string()),
        at: Set(at),
        source_package: Set(change.source_package.clone()),
        opened: Set(i64::try_from(change.opened.len()).unwrap_or(i64::MAX)),
        closed: Set(i64::try_from(change.closed.len()).unwrap_or(i64::MAX)),
        detail: Set(serde_json::to_string(change).unwrap_or_default()),
    });
    Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}

/// The newest changes of a server, newest first.
pub async fn newest(db: &DatabaseConnection, server: ServerId, limit: u64) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::Server.eq(server.to_string()))
        .order_by_desc(Column::Number)
        .limit(limit)
        .all(db)
        .await
}
