//! The tables `inventory` and `package_list`: what hosts reported, compressed. Hosts of a
//! fleet are alike and change rarely, so a list of packages is kept once, by its digest,
//! however many inventories have it.

use base::{ServerId, Sha256};
use sea_orm::{
    ActiveValue::Set,
    QueryOrder, QuerySelect, TransactionTrait,
    entity::prelude::*,
    sea_query::{OnConflict, Query},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub server: String,
    pub received_at: i64,
    pub body_zstd: Vec<u8>,
    /// None in rows from before lists were kept apart: those have theirs in the body.
    pub package_list: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

mod list {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "package_list")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sha256: String,
        pub body_zstd: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// One inventory, in the two parts in which it is kept.
pub struct Parts {
    /// All but the packages.
    pub body_zstd: Vec<u8>,
    /// The packages and their digest; none in an old row, whose body is whole.
    pub packages: Option<(Sha256, Vec<u8>)>,
}

/// Keeps an inventory, and its packages unless another has the same.
pub async fn insert(
    db: &DatabaseConnection,
    id: &str,
    server: ServerId,
    received_at: i64,
    parts: Parts,
) -> Result<(), DbErr> {
    let Parts { body_zstd, packages } = parts;
    let row = ActiveModel {
        id: Set(id.to_owned()),
        server: Set(server.to_string()),
        received_at: Set(received_at),
        body_zstd: Set(body_zstd),
        package_list: Set(packages.as_ref().map(|(digest, _)| digest.to_string())),
    };
    // Both or neither: pruning drops lists that no inventory names.
    let transaction = db.begin().await?;
    if let Some((digest, body_zstd)) = packages {
        let list = list::ActiveModel { sha256: Set(digest.to_string()), body_zstd: Set(body_zstd) };
        let known = OnConflict::column(list::Column::Sha256).do_nothing().to_owned();
        list::Entity::insert(list).on_conflict(known).try_insert().exec(&transaction).await?;
    }
    Entity::insert(row).exec_without_returning(&transaction).await?;
    transaction.commit().await
}

/// One inventory; none when it, or its list of packages, is not there.
pub async fn find(db: &DatabaseConnection, id: &str) -> Result<Option<Parts>, DbErr> {
    let Some(row) = Entity::find_by_id(id).one(db).await? else { return Ok(None) };
    let Some(digest) = row.package_list else {
        return Ok(Some(Parts { body_zstd: row.body_zstd, packages: None }));
    };
    let Some(list) = list::Entity::find_by_id(&digest).one(db).await? else { return Ok(None) };
    let digest = digest.parse().map_err(|_| DbErr::Custom(format!("`{digest}` is no digest")))?;
    Ok(Some(Parts { body_zstd: row.body_zstd, packages: Some((digest, list.body_zstd)) }))
}

/// Drops all but the newest `keep` inventories of a server, and none that was received at
/// `droppable` or later.
pub async fn prune(
    db: &DatabaseConnection,
    server: ServerId,
    keep: u64,
    droppable: i64,
) -> Result<(), DbErr> {
    let oldest_kept = Entity::find()
        .select_only()
        .column(Column::ReceivedAt)
        .filter(Column::Server.eq(server.to_string()))
        .order_by_desc(Column::ReceivedAt)
        .offset(keep - 1)
        .limit(1)
        .into_tuple::<i64>()
        .one(db)
        .await?;
    if let Some(oldest_kept) = oldest_kept {
        let dropped = Entity::delete_many()
            .filter(Column::Server.eq(server.to_string()))
            .filter(Column::ReceivedAt.lt(oldest_kept.min(droppable)))
            .exec(db)
            .await?;
        if dropped.rows_affected > 0 {
            prune_lists(db).await?;
        }
    }
    Ok(())
}

/// Drops the lists of packages that no inventory has any more.
async fn prune_lists(db: &DatabaseConnection) -> Result<(), DbErr> {
    let named = Query::select()
        .column(Column::PackageList)
        .from(Entity)
        .and_where(Column::PackageList.is_not_null())
        .to_owned();
    list::Entity::delete_many().filter(list::Column::Sha256.not_in_subquery(named)).exec(db).await.map(drop)
}
