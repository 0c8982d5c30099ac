//! The table `region`.

use sea_orm::{ActiveValue::Set, SqlErr, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "region")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub ca_certificate: String,
    pub ca_key_sealed: String,
    pub identity_sealed: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The region of this name.
pub async fn find(db: &DatabaseConnection, name: &str) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(name).one(db).await
}

/// Adds a region. False when another control plane has just done so.
pub async fn insert(db: &DatabaseConnection, region: Model) -> Result<bool, DbErr> {
    let row = ActiveModel {
        name: Set(region.name),
        ca_certificate: Set(region.ca_certificate),
        ca_key_sealed: Set(region.ca_key_sealed),
        identity_sealed: Set(region.identity_sealed),
    };
    match Entity::insert(row).exec_without_returning(db).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error),
    }
}
