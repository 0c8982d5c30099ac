//! The tables `certificate`, `certificate_issuance` and `acme_account`.

use base::ServerId;
use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, QueryOrder, TransactionTrait, entity::prelude::*, sea_query::OnConflict};

use super::{limits::Issuance, model::Certificate};
use crate::db::{moment, stored};

mod certificate {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "certificate")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub server: String,
        pub name: String,
        pub zone: String,
        pub state: String,
        pub next_attempt_at: Option<i64>,
        /// The whole of it in JSON; the other columns are for finding it.
        pub record: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod issuance {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "certificate_issuance")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub number: i64,
        pub zone: String,
        pub name: String,
        pub at: i64,
        pub replaced: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod account {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "acme_account")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub directory: String,
        pub credentials_sealed: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn read(row: certificate::Model) -> Result<Certificate, DbErr> {
    let damaged = |_| DbErr::Custom(format!("the certificate of `{}` cannot be read", row.name));
    serde_json::from_str(&row.record).map_err(damaged)
}

fn write(certificate: &Certificate) -> Result<certificate::ActiveModel, DbErr> {
    let record = serde_json::to_string(certificate).map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(certificate::ActiveModel {
        server: Set(certificate.server.to_string()),
        name: Set(certificate.name.to_string()),
        zone: Set(certificate.zone.to_string()),
        state: Set(certificate.state.name().to_owned()),
        next_attempt_at: Set(certificate.next_attempt_at.map(stored)),
        record: Set(record),
    })
}

/// Adds a certificate unless the server has one.
pub async fn insert(db: &DatabaseConnection, certificate: &Certificate) -> Result<(), DbErr> {
    let unless = OnConflict::column(certificate::Column::Server).do_nothing().to_owned();
    let insert = certificate::Entity::insert(write(certificate)?).on_conflict(unless);
    insert.exec_without_returning(db).await.map(drop)
}

/// Reads one, lets `change` alter it, and writes it back in one transaction.
pub async fn change(
    db: &DatabaseConnection,
    server: ServerId,
    change: impl FnOnce(&mut Certificate) + Send,
) -> Result<Option<Certificate>, DbErr> {
    let transaction = db.begin().await?;
    // A write first takes the lock, so that the read below cannot be overtaken.
    let touched = certificate::Entity::update_many()
        .col_expr(certificate::Column::Name, Expr::col(certificate::Column::Name))
        .filter(certificate::Column::Server.eq(server.to_string()))
        .exec(&transaction)
        .await?;
    if touched.rows_affected == 0 {
        return Ok(None);
    }
    let row = certificate::Entity::find_by_id(server.to_string()).one(&transaction).await?;
    let Some(row) = row else { return Ok(None) };
    let mut certificate = read(row)?;
    change(&mut certificate);
    certificate::Entity::update(write(&certificate)?).exec(&transaction).await?;
    transaction.commit().await?;
    Ok(Some(certificate))
}

/// The certificate of a server.
pub async fn find(db: &DatabaseConnection, server: ServerId) -> Result<Option<Certificate>, DbErr> {
    certificate::Entity::find_by_id(server.to_string()).one(db).await?.map(read).transpose()
}

/// Every certificate, by name.
pub async fn all(db: &DatabaseConnection) -> Result<Vec<Certificate>, DbErr> {
    let rows = certificate::Entity::find().order_by_asc(certificate::Column::Name).all(db).await?;
    rows.into_iter().map(read).collect()
}

/// Those in this state, by name.
pub async fn in_state(db: &DatabaseConnection, state: &str) -> Result<Vec<Certificate>, DbErr> {
    let rows = certificate::Entity::find()
        .filter(certificate::Column::State.eq(state))
        .order_by_asc(certificate::Column::Name)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Forgets a server's certificate.
pub async fn remove(db: &DatabaseConnection, server: ServerId) -> Result<(), DbErr> {
    certificate::Entity::delete_by_id(server.to_string()).exec(db).await.map(drop)
}

/// Notes that a certificate was issued.
pub async fn note_issuance(db: &DatabaseConnection, issuance: &Issuance) -> Result<(), DbErr> {
    let row = issuance::ActiveModel {
        zone: Set(issuance.zone.to_string()),
        name: Set(issuance.name.to_string()),
        at: Set(stored(issuance.at)),
        replaced: Set(issuance.replaced),
        ..Default::default()
    };
    issuance::Entity::insert(row).exec_without_returning(db).await.map(drop)
}

/// What was issued since this moment.
pub async fn issued_since(db: &DatabaseConnection, since: Timestamp) -> Result<Vec<Issuance>, DbErr> {
    let rows = issuance::Entity::find().filter(issuance::Column::At.gt(stored(since))).all(db).await?;
    let damaged = |_| DbErr::Custom("a record of an issued certificate cannot be read".to_owned());
    rows.into_iter()
        .map(|row| {
            Ok(Issuance {
                zone: row.zone.parse().map_err(damaged)?,
                name: row.name.parse().map_err(damaged)?,
                at: moment(row.at),
                replaced: row.replaced,
            })
        })
        .collect()
}

/// The sealed credentials at this CA.
pub async fn account(db: &DatabaseConnection, directory: &str) -> Result<Option<String>, DbErr> {
    let row = account::Entity::find_by_id(directory).one(db).await?;
    Ok(row.map(|row| row.credentials_sealed))
}

/// Keeps sealed credentials, in place of former ones.
pub async fn keep_account(db: &DatabaseConnection, directory: &str, sealed: String) -> Result<(), DbErr> {
    let row = account::ActiveModel { directory: Set(directory.to_owned()), credentials_sealed: Set(sealed) };
    let replace = OnConflict::column(account::Column::Directory)
        .update_column(account::Column::CredentialsSealed)
        .to_owned();
    account::Entity::insert(row).on_conflict(replace).exec_without_returning(db).await.map(drop)
}

/// Forgets the account at a CA that does not know it any more.
pub async fn forget_account(db: &DatabaseConnection, directory: &str) -> Result<(), DbErr> {
    account::Entity::delete_by_id(directory).exec(db).await.map(drop)
}
