//! The table `drift`: what differed when each server was last looked at.

use base::ServerId;
use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};

use super::super::drift::Drift;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "drift")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub server: String,
    pub body: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A server's; none if it was never looked at, or what was kept is of a form no longer read.
pub async fn find(db: &DatabaseConnection, server: ServerId) -> Result<Option<Drift>, DbErr> {
    let row = Entity::find_by_id(server.to_string()).one(db).await?;
    Ok(row.and_then(|row| serde_json::from_str(&row.body).ok()))
}

/// Keeps a server's.
pub async fn put(db: &DatabaseConnection, server: ServerId, drift: &Drift) -> Result<(), DbErr> {
    let body = serde_json::to_string(drift).map_err(|error| DbErr::Custom(error.to_string()))?;
    let row = ActiveModel { server: Set(server.to_string()), body: Set(body) };
    let replace = OnConflict::column(Column::Server).update_column(Column::Body).to_owned();
    Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}
