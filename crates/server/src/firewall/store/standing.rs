//! The table `firewall`: how each server's firewall stands.

use std::collections::HashSet;

use base::{ServerId, Sha256};
use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};

use super::super::{Standing, State};
use crate::db::{moment, stored};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "firewall")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub server: String,
    pub state: String,
    pub detail: Option<String>,
    pub applied_sha256: Option<String>,
    pub tried_sha256: Option<String>,
    pub failures: i64,
    pub tried_at: Option<i64>,
    pub in_line_since: Option<i64>,
    pub asked: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    fn into_standing(self) -> Result<Standing, DbErr> {
        let wrong = |what: &str| DbErr::Custom(format!("firewall of `{}`: unreadable `{what}`", self.server));
        let digest = |text: &Option<String>, what: &str| {
            text.as_deref().map(str::parse::<Sha256>).transpose().map_err(|_| wrong(what))
        };
        Ok(Standing {
            server: self.server.parse().map_err(|_| wrong("server"))?,
            state: State::from_name(&self.state).ok_or_else(|| wrong("state"))?,
            applied: digest(&self.applied_sha256, "applied_sha256")?,
            tried: digest(&self.tried_sha256, "tried_sha256")?,
            failures: u32::try_from(self.failures).unwrap_or(u32::MAX),
            tried_at: self.tried_at.map(moment),
            in_line_since: self.in_line_since.map(moment),
            asked: self.asked,
            detail: self.detail,
        })
    }
}

/// Every server's that was ever tried or asked for.
pub async fn all(db: &DatabaseConnection) -> Result<Vec<Standing>, DbErr> {
    Entity::find().all(db).await?.into_iter().map(Model::into_standing).collect()
}

/// A server's.
pub async fn find(db: &DatabaseConnection, server: ServerId) -> Result<Option<Standing>, DbErr> {
    Entity::find_by_id(server.to_string()).one(db).await?.map(Model::into_standing).transpose()
}

/// Notes a server's.
pub async fn put(db: &DatabaseConnection, standing: &Standing) -> Result<(), DbErr> {
    let row = ActiveModel {
        server: Set(standing.server.to_string()),
        state: Set(standing.state.name().to_owned()),
        detail: Set(standing.detail.clone()),
        applied_sha256: Set(standing.applied.map(|digest| digest.to_string())),
        tried_sha256: Set(standing.tried.map(|digest| digest.to_string())),
        failures: Set(standing.failures.into()),
        tried_at: Set(standing.tried_at.map(stored)),
        in_line_since: Set(standing.in_line_since.map(stored)),
        asked: Set(standing.asked),
    };
    let columns = [
        Column::State,
        Column::Detail,
        Column::AppliedSha256,
        Column::TriedSha256,
        Column::Failures,
        Column::TriedAt,
        Column::InLineSince,
        Column::Asked,
    ];
    let replace = OnConflict::column(Column::Server).update_columns(columns).to_owned();
    Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}

/// Notes that somebody asked for a server's, without touching what a try notes meanwhile.
/// False if it was never tried.
pub async fn ask(db: &DatabaseConnection, server: ServerId) -> Result<bool, DbErr> {
    let asked = Entity::update_many()
        .col_expr(Column::Asked, Expr::value(true))
        .filter(Column::Server.eq(server.to_string()))
        .exec(db)
        .await?;
    Ok(asked.rows_affected > 0)
}

/// Forgets those of servers that are not among these.
pub async fn retain(db: &DatabaseConnection, servers: &[ServerId]) -> Result<(), DbErr> {
    let known: HashSet<String> = servers.iter().map(ServerId::to_string).collect();
    let rows = Entity::find().all(db).await?.into_iter().map(|row| row.server);
    let gone: Vec<String> = rows.filter(|server| !known.contains(server)).collect();
    if !gone.is_empty() {
        Entity::delete_many().filter(Column::Server.is_in(gone)).exec(db).await?;
    }
    Ok(())
}
