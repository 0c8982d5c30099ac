//! The table `enrolment`: tokens that let a host become a server, once.

use base::{EnrolmentId, ServerId, Sha256};
use sea_orm::{ActiveValue::Set, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "enrolment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub server: String,
    pub token_sha256: String,
    pub expires_at: i64,
    pub used_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps the digest of a new token.
pub async fn insert(
    db: &DatabaseConnection,
    server: ServerId,
    token: Sha256,
    expires_at: i64,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(EnrolmentId::new().to_string()),
        server: Set(server.to_string()),
        token_sha256: Set(token.to_string()),
        expires_at: Set(expires_at),
        used_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// The enrolment with this token's digest.
pub async fn find(db: &DatabaseConnection, token: Sha256) -> Result<Option<Model>, DbErr> {
    Entity::find().filter(Column::TokenSha256.eq(token.to_string())).one(db).await
}

/// Uses the token up. True for exactly one caller, however many try at once.
pub async fn redeem(db: &DatabaseConnection, id: &str, now: i64) -> Result<bool, DbErr> {
    let used = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec(db)
        .await?;
    Ok(used.rows_affected == 1)
}
