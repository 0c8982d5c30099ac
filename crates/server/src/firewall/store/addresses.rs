//! The table `control_plane_addresses`: one row once somebody has set them.

use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};

use super::super::ControlPlaneAddresses;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "control_plane_addresses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub body: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The key of the one row.
const ONLY: &str = "only";

/// Those that were set.
pub async fn find(db: &DatabaseConnection) -> Result<Option<ControlPlaneAddresses>, DbErr> {
    let Some(row) = Entity::find_by_id(ONLY).one(db).await? else { return Ok(None) };
    let unreadable =
        |error| DbErr::Custom(format!("the addresses of the control plane are unreadable: {error}"));
    serde_json::from_str(&row.body).map(Some).map_err(unreadable)
}

/// Sets them.
pub async fn put(db: &DatabaseConnection, addresses: &ControlPlaneAddresses) -> Result<(), DbErr> {
    let body = serde_json::to_string(addresses).map_err(|error| DbErr::Custom(error.to_string()))?;
    let row = ActiveModel { id: Set(ONLY.to_owned()), body: Set(body) };
    let replace = OnConflict::column(Column::Id).update_column(Column::Body).to_owned();
    Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}
