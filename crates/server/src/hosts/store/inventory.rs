//! The table `inventory`: what hosts reported, compressed.

use base::ServerId;
use sea_orm::{ActiveValue::Set, QueryOrder, QuerySelect, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub server: String,
    pub received_at: i64,
    pub body_zstd: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Keeps an inventory.
pub async fn insert(
    db: &DatabaseConnection,
    id: &str,
    server: ServerId,
    received_at: i64,
    body_zstd: Vec<u8>,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(id.to_owned()),
        server: Set(server.to_string()),
        received_at: Set(received_at),
        body_zstd: Set(body_zstd),
    };
    Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// The body of one inventory.
pub async fn body(db: &DatabaseConnection, id: &str) -> Result<Option<Vec<u8>>, DbErr> {
    Ok(Entity::find_by_id(id).one(db).await?.map(|row| row.body_zstd))
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
        Entity::delete_many()
            .filter(Column::Server.eq(server.to_string()))
            .filter(Column::ReceivedAt.lt(oldest_kept.min(droppable)))
            .exec(db)
            .await?;
    }
    Ok(())
}
