//! The table `feed`: how each feed stands.

use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};

#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "feed")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    pub source: String,
    pub as_of: Option<String>,
    pub records: i64,
    pub last_success_at: Option<i64>,
    pub last_attempt_at: Option<i64>,
    pub fault: Option<String>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// How this feed stands.
pub async fn find(db: &DatabaseConnection, kind: &str) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(kind).one(db).await
}

/// Notes how a feed stands.
pub async fn put(db: &DatabaseConnection, state: Model) -> Result<(), DbErr> {
    let row = ActiveModel {
        kind: Set(state.kind),
        source: Set(state.source),
        as_of: Set(state.as_of),
        records: Set(state.records),
        last_success_at: Set(state.last_success_at),
        last_attempt_at: Set(state.last_attempt_at),
        fault: Set(state.fault),
        etag: Set(state.etag),
        last_modified: Set(state.last_modified),
    };
    let columns = [
        Column::Source,
        Column::AsOf,
        Column::Records,
        Column::LastSuccessAt,
        Column::LastAttemptAt,
        Column::Fault,
        Column::Etag,
        Column::LastModified,
    ];
    let replace = OnConflict::column(Column::Kind).update_columns(columns).to_owned();
    Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}
