//! The table `outside_change`: what happened on hosts outside of runs.

use base::ServerId;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    QueryOrder, QuerySelect,
    entity::prelude::*,
};

use super::super::drift::OutsideChange;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outside_change")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub number: i64,
    pub server: String,
    pub at: i64,
    pub body: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Adds one.
pub async fn insert(
    db: &DatabaseConnection,
    server: ServerId,
    at: i64,
    change: &OutsideChange,
) -> Result<(), DbErr> {
    let body = serde_json::to_string(change).map_err(|error| DbErr::Custom(error.to_string()))?;
    let row = ActiveModel { number: NotSet, server: Set(server.to_string()), at: Set(at), body: Set(body) };
    Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// A server's, newest first.
pub async fn newest(
    db: &DatabaseConnection,
    server: ServerId,
    limit: u64,
) -> Result<Vec<OutsideChange>, DbErr> {
    let rows = Entity::find()
        .filter(Column::Server.eq(server.to_string()))
        .order_by_desc(Column::Number)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().filter_map(|row| serde_json::from_str(&row.body).ok()).collect())
}
