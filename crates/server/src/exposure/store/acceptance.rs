//! The table `acceptance`: risks that were accepted, for good also those that are over.

use base::{AcceptanceId, ServerId};
use jiff::Timestamp;
use sea_orm::{ActiveValue::Set, Condition, QueryOrder, QuerySelect, entity::prelude::*};

use super::super::acceptance::{Acceptance, Scope, Standing};
use crate::db::{moment, stored};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "acceptance")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub cve: String,
    /// The id of a server, or `fleet`: never null, so that no two open ones are alike.
    pub scope: String,
    pub server_name: Option<String>,
    pub reason: String,
    pub owner: String,
    pub accepted_by: String,
    pub accepted_at: i64,
    pub until: i64,
    /// Revoked or seen to be expired, and when.
    pub closed_as: Option<String>,
    pub closed_at: Option<i64>,
    pub closed_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Scope of what is accepted everywhere.
const FLEET: &str = "fleet";

fn scope_of(scope: &Scope) -> String {
    match scope {
        Scope::Fleet => FLEET.to_owned(),
        Scope::Server { id, .. } => id.to_string(),
    }
}

impl Model {
    fn into_acceptance(self, now: Timestamp) -> Result<Acceptance, DbErr> {
        let wrong =
            |what: &str| DbErr::Custom(format!("acceptance `{}` has an unreadable `{what}`", self.id));
        let scope = match self.scope.as_str() {
            FLEET => Scope::Fleet,
            id => Scope::Server {
                id: id.parse().map_err(|_| wrong("scope"))?,
                name: self.server_name.clone().ok_or_else(|| wrong("server_name"))?,
            },
        };
        let standing = match self.closed_as.as_deref() {
            Some(name) => Standing::from_name(name).ok_or_else(|| wrong("closed_as"))?,
            None if moment(self.until) <= now => Standing::Expired,
            None => Standing::Active,
        };
        let revoked = standing == Standing::Revoked;
        Ok(Acceptance {
            id: self.id.parse().map_err(|_| wrong("id"))?,
            scope,
            standing,
            accepted_at: moment(self.accepted_at),
            until: moment(self.until),
            revoked_by: self.closed_by.filter(|_| revoked),
            revoked_at: self.closed_at.filter(|_| revoked).map(moment),
            cve: self.cve,
            reason: self.reason,
            owner: self.owner,
            accepted_by: self.accepted_by,
        })
    }
}

fn read(rows: Vec<Model>, now: Timestamp) -> Result<Vec<Acceptance>, DbErr> {
    rows.into_iter().map(|row| row.into_acceptance(now)).collect()
}

/// Adds one. A second open one of the same CVE and scope is a unique-constraint error.
pub async fn insert(db: &DatabaseConnection, acceptance: &Acceptance) -> Result<(), DbErr> {
    let server_name = match &acceptance.scope {
        Scope::Fleet => None,
        Scope::Server { name, .. } => Some(name.clone()),
    };
    let row = ActiveModel {
        id: Set(acceptance.id.to_string()),
        cve: Set(acceptance.cve.clone()),
        scope: Set(scope_of(&acceptance.scope)),
        server_name: Set(server_name),
        reason: Set(acceptance.reason.clone()),
        owner: Set(acceptance.owner.clone()),
        accepted_by: Set(acceptance.accepted_by.clone()),
        accepted_at: Set(stored(acceptance.accepted_at)),
        until: Set(stored(acceptance.until)),
        closed_as: Set(None),
        closed_at: Set(None),
        closed_by: Set(None),
    };
    Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// The open one of the same CVE and scope, if there is one.
pub async fn open_of(db: &DatabaseConnection, like: &Acceptance) -> Result<Option<Acceptance>, DbErr> {
    let query = Entity::find()
        .filter(Column::Cve.eq(&like.cve))
        .filter(Column::Scope.eq(scope_of(&like.scope)))
        .filter(Column::ClosedAs.is_null());
    query.one(db).await?.map(|row| row.into_acceptance(like.accepted_at)).transpose()
}

/// The one with this id.
pub async fn find(
    db: &DatabaseConnection,
    id: AcceptanceId,
    now: Timestamp,
) -> Result<Option<Acceptance>, DbErr> {
    let row = Entity::find_by_id(id.to_string()).one(db).await?;
    row.map(|row| row.into_acceptance(now)).transpose()
}

/// Those in effect on a server at this moment.
pub async fn in_effect(
    db: &DatabaseConnection,
    server: ServerId,
    now: Timestamp,
) -> Result<Vec<Acceptance>, DbErr> {
    let query = Entity::find()
        .filter(Column::Scope.is_in([FLEET.to_owned(), server.to_string()]))
        .filter(Column::ClosedAs.is_null())
        .filter(Column::Until.gt(stored(now)));
    read(query.all(db).await?, now)
}

/// Those that are open and whose time is over.
pub async fn due(db: &DatabaseConnection, now: Timestamp) -> Result<Vec<Acceptance>, DbErr> {
    let query = Entity::find().filter(Column::ClosedAs.is_null()).filter(Column::Until.lte(stored(now)));
    read(query.order_by_asc(Column::Until).all(db).await?, now)
}

/// Those in this standing, or all; what is open first, then the newest.
pub async fn newest(
    db: &DatabaseConnection,
    standing: Option<Standing>,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<Acceptance>, DbErr> {
    let open = Column::ClosedAs.is_null();
    let wanted = match standing {
        None => Condition::all(),
        Some(Standing::Active) => Condition::all().add(open).add(Column::Until.gt(stored(now))),
        Some(Standing::Expired) => Condition::any()
            .add(Column::ClosedAs.eq(Standing::Expired.name()))
            .add(Condition::all().add(open).add(Column::Until.lte(stored(now)))),
        Some(Standing::Revoked) => Condition::all().add(Column::ClosedAs.eq(Standing::Revoked.name())),
    };
    let query = Entity::find().filter(wanted);
    let query = query.order_by_desc(Column::ClosedAs.is_null()).order_by_desc(Column::AcceptedAt);
    read(query.limit(limit).all(db).await?, now)
}

/// Closes one that is open; one that is closed stays as it is.
pub async fn close(
    db: &DatabaseConnection,
    id: AcceptanceId,
    as_: Standing,
    by: Option<&str>,
    at: Timestamp,
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::ClosedAs, Expr::value(as_.name()))
        .col_expr(Column::ClosedAt, Expr::value(stored(at)))
        .col_expr(Column::ClosedBy, Expr::value(by.map(str::to_owned)))
        .filter(Column::Id.eq(id.to_string()))
        .filter(Column::ClosedAs.is_null())
        .exec(db)
        .await
        .map(drop)
}
