//! The `audit` table. It is inserted into and read; nothing here updates or deletes.

use sea_orm::{ActiveValue::Set, QueryOrder, QuerySelect, SqlErr, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub id: String,
    pub once: Option<String>,
    pub entry: String,
    pub action: String,
    pub target: String,
    pub at: i64,
    pub previous: String,
    pub hash: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The newest entry.
pub async fn last(db: &DatabaseConnection) -> Result<Option<Model>, DbErr> {
    Entity::find().order_by_desc(Column::Number).one(db).await
}

/// Whether an entry with this mark is there.
pub async fn is_marked(db: &DatabaseConnection, once: &str) -> Result<bool, DbErr> {
    Ok(Entity::find().filter(Column::Once.eq(once)).one(db).await?.is_some())
}

/// Appends. `Ok(false)` when another process took the number first.
pub async fn append(db: &DatabaseConnection, model: Model) -> Result<bool, DbErr> {
    let row = ActiveModel {
        number: Set(model.number),
        id: Set(model.id),
        once: Set(model.once),
        entry: Set(model.entry),
        action: Set(model.action),
        target: Set(model.target),
        at: Set(model.at),
        previous: Set(model.previous),
        hash: Set(model.hash),
    };
    match Entity::insert(row).exec_without_returning(db).await {
        Ok(_) => Ok(true),
        Err(error) => match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Up to `limit` entries with a number above `after`, oldest first.
pub async fn after(db: &DatabaseConnection, after: i64, limit: u64) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::Number.gt(after)).order_by_asc(Column::Number).limit(limit).all(db).await
}

/// The newest entries first, with a number below `before`; about one target if given.
pub async fn newest(
    db: &DatabaseConnection,
    target: Option<&str>,
    before: i64,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut query =
        Entity::find().filter(Column::Number.lt(before)).order_by_desc(Column::Number).limit(limit);
    if let Some(target) = target {
        query = query.filter(Column::Target.eq(target));
    }
    query.all(db).await
}
