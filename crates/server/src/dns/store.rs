//! The table `dns_zone`.

use sea_orm::{ActiveValue::Set, QueryOrder, entity::prelude::*, sea_query::OnConflict};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dns_zone")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The zone's `ZoneView` in JSON.
    pub settings: String,
    pub secret_sealed: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Adds a zone, or replaces its settings. A zone keeps the place it has in the list.
pub async fn put(db: &DatabaseConnection, zone: Model) -> Result<(), DbErr> {
    let row = ActiveModel {
        name: Set(zone.name),
        settings: Set(zone.settings),
        secret_sealed: Set(zone.secret_sealed),
        created_at: Set(zone.created_at),
    };
    let replace =
        OnConflict::column(Column::Name).update_columns([Column::Settings, Column::SecretSealed]).to_owned();
    Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}

/// Every zone, oldest first.
pub async fn all(db: &DatabaseConnection) -> Result<Vec<Model>, DbErr> {
    Entity::find().order_by_asc(Column::CreatedAt).order_by_asc(Column::Name).all(db).await
}

/// Removes a zone. False when there was none.
pub async fn remove(db: &DatabaseConnection, name: &str) -> Result<bool, DbErr> {
    Ok(Entity::delete_by_id(name).exec(db).await?.rows_affected == 1)
}
