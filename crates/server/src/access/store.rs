//! The table `access_token`: links, sessions and API tokens, by digest.

use base::Sha256;
use sea_orm::{ActiveValue::Set, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "access_token")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_sha256: String,
    pub kind: String,
    pub operator: String,
    pub form_token: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub used_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps a token.
pub async fn insert(db: &DatabaseConnection, token: Model) -> Result<(), DbErr> {
    let row = ActiveModel {
        token_sha256: Set(token.token_sha256),
        kind: Set(token.kind),
        operator: Set(token.operator),
        form_token: Set(token.form_token),
        created_at: Set(token.created_at),
        expires_at: Set(token.expires_at),
        used_at: Set(token.used_at),
    };
    Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// A token of this kind that has not expired.
pub async fn find(
    db: &DatabaseConnection,
    kind: &str,
    token: Sha256,
    now: i64,
) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(token.to_string())
        .filter(Column::Kind.eq(kind))
        .filter(Column::ExpiresAt.gt(now))
        .one(db)
        .await
}

/// Uses a token up. True for exactly one caller.
pub async fn use_up(db: &DatabaseConnection, kind: &str, token: Sha256, now: i64) -> Result<bool, DbErr> {
    let used = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(Column::TokenSha256.eq(token.to_string()))
        .filter(Column::Kind.eq(kind))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec(db)
        .await?;
    Ok(used.rows_affected == 1)
}

/// Removes a token.
pub async fn remove(db: &DatabaseConnection, token: Sha256) -> Result<(), DbErr> {
    Entity::delete_by_id(token.to_string()).exec(db).await?;
    Ok(())
}

/// Removes every token of this kind, and all that have expired.
pub async fn sweep(db: &DatabaseConnection, kind: &str, now: i64) -> Result<(), DbErr> {
    let gone = sea_orm::Condition::any().add(Column::Kind.eq(kind)).add(Column::ExpiresAt.lte(now));
    Entity::delete_many().filter(gone).exec(db).await?;
    Ok(())
}
