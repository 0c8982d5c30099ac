//! The table `server`.

use base::{HostName, ServerId, Sha256};
use sea_orm::{ActiveValue::Set, IntoActiveModel, QueryOrder, entity::prelude::*};

use super::super::model::{Origin, Server, ServerState};
use crate::db::{moment, stored};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "server")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    pub region: String,
    pub provider: String,
    pub origin: String,
    pub state: String,
    pub release: Option<String>,
    pub ipv4: Option<String>,
    pub ipv6: Option<String>,
    pub agent_certificate_sha256: Option<String>,
    pub bearer_token_sealed: Option<String>,
    pub baseline: Option<String>,
    pub probes: Option<String>,
    pub in_maintenance: bool,
    pub last_seen_at: Option<i64>,
    pub last_fault: Option<String>,
    pub inventory: Option<String>,
    pub exposure: Option<String>,
    pub facts: Option<String>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

fn word<T: serde::Serialize>(value: &T) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Some(word),
        _ => None,
    }
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn parse_word<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

impl Model {
    fn of(server: &Server) -> Self {
        let json = |value: serde_json::Result<String>| value.ok();
        Self {
            id: server.id.to_string(),
            name: server.name.to_string(),
            region: server.region.clone(),
            provider: server.provider.clone(),
            origin: word(&server.origin).unwrap_or_default(),
            state: word(&server.state).unwrap_or_default(),
            release: server.release.map(|release| release.to_string()),
            ipv4: server.ipv4.map(|address| address.to_string()),
            ipv6: server.ipv6.map(|address| address.to_string()),
            agent_certificate_sha256: server.agent_certificate.map(|digest| digest.to_string()),
            bearer_token_sealed: server.bearer_token_sealed.clone(),
            baseline: server.baseline.clone(),
            probes: json(serde_json::to_string(&server.probes)),
            in_maintenance: server.in_maintenance,
            last_seen_at: server.last_seen_at.map(stored),
            last_fault: server.last_fault.clone(),
            inventory: server.inventory.as_ref().map(ToString::to_string),
            exposure: server.risk.as_ref().and_then(|risk| json(serde_json::to_string(risk))),
            facts: server.facts.as_ref().and_then(|facts| json(serde_json::to_string(facts))),
            created_at: stored(server.created_at),
        }
    }

    /// A row that cannot be read names what is wrong, rather than being skipped: a
    /// server that vanishes from a list looks like a safe one.
    fn into_server(self) -> Result<Server, DbErr> {
        let wrong = |what: &str| DbErr::Custom(format!("server `{}` has an unreadable `{what}`", self.name));
        Ok(Server {
            id: self.id.parse().map_err(|_| wrong("id"))?,
            name: self.name.parse().map_err(|_| wrong("name"))?,
            origin: parse_word::<Origin>(&self.origin).ok_or_else(|| wrong("origin"))?,
            state: parse_word::<ServerState>(&self.state).ok_or_else(|| wrong("state"))?,
            release: self.release.as_deref().and_then(|text| text.parse().ok()),
            ipv4: self.ipv4.as_deref().and_then(|text| text.parse().ok()),
            ipv6: self.ipv6.as_deref().and_then(|text| text.parse().ok()),
            agent_certificate: self.agent_certificate_sha256.as_deref().and_then(|text| text.parse().ok()),
            probes: self
                .probes
                .as_deref()
                .map_or_else(|| Ok(Vec::new()), |text| parse(text).ok_or_else(|| wrong("probes")))?,
            last_seen_at: self.last_seen_at.map(moment),
            inventory: self.inventory.as_deref().and_then(|text| text.parse().ok()),
            // Both are derived from the inventory and are made anew with the next one.
            facts: self.facts.as_deref().and_then(parse),
            risk: self.exposure.as_deref().and_then(parse),
            created_at: moment(self.created_at),
            in_maintenance: self.in_maintenance,
            region: self.region,
            provider: self.provider,
            bearer_token_sealed: self.bearer_token_sealed,
            baseline: self.baseline,
            last_fault: self.last_fault,
        })
    }
}

/// Adds a server. A second one of the same name is a unique-constraint error.
pub async fn insert(db: &DatabaseConnection, server: &Server) -> Result<(), DbErr> {
    Entity::insert(Model::of(server).into_active_model()).exec_without_returning(db).await?;
    Ok(())
}

/// Reads one server, lets `change` alter it, and writes it back in one transaction, so
/// that two writers never undo each other's columns.
pub async fn change(
    db: &DatabaseConnection,
    id: ServerId,
    change: impl FnOnce(&mut Server) + Send,
) -> Result<Option<Server>, DbErr> {
    use sea_orm::TransactionTrait;
    let transaction = db.begin().await?;
    // A write first: it takes SQLite's only write lock, so that the read below cannot
    // be overtaken, and in PostgreSQL it locks the row.
    let touched = Entity::update_many()
        .col_expr(Column::Name, Expr::col(Column::Name))
        .filter(Column::Id.eq(id.to_string()))
        .exec(&transaction)
        .await?;
    if touched.rows_affected == 0 {
        return Ok(None);
    }
    let Some(row) = Entity::find_by_id(id.to_string()).one(&transaction).await? else { return Ok(None) };
    let mut server = row.into_server()?;
    change(&mut server);
    let model = Model::of(&server);
    let row = ActiveModel {
        id: Set(model.id),
        name: Set(model.name),
        region: Set(model.region),
        provider: Set(model.provider),
        origin: Set(model.origin),
        state: Set(model.state),
        release: Set(model.release),
        ipv4: Set(model.ipv4),
        ipv6: Set(model.ipv6),
        agent_certificate_sha256: Set(model.agent_certificate_sha256),
        bearer_token_sealed: Set(model.bearer_token_sealed),
        baseline: Set(model.baseline),
        probes: Set(model.probes),
        in_maintenance: Set(model.in_maintenance),
        last_seen_at: Set(model.last_seen_at),
        last_fault: Set(model.last_fault),
        inventory: Set(model.inventory),
        exposure: Set(model.exposure),
        facts: Set(model.facts),
        created_at: Set(model.created_at),
    };
    Entity::update(row).exec(&transaction).await?;
    transaction.commit().await?;
    Ok(Some(server))
}

/// Removes a server.
pub async fn remove(db: &DatabaseConnection, id: ServerId) -> Result<(), DbErr> {
    Entity::delete_by_id(id.to_string()).exec(db).await?;
    Ok(())
}

/// The server with this id.
pub async fn find(db: &DatabaseConnection, id: ServerId) -> Result<Option<Server>, DbErr> {
    Entity::find_by_id(id.to_string()).one(db).await?.map(Model::into_server).transpose()
}

/// The server of this name.
pub async fn find_by_name(db: &DatabaseConnection, name: &HostName) -> Result<Option<Server>, DbErr> {
    let row = Entity::find().filter(Column::Name.eq(name.as_str())).one(db).await?;
    row.map(Model::into_server).transpose()
}

/// The server whose agent has this certificate.
pub async fn find_by_agent(db: &DatabaseConnection, certificate: Sha256) -> Result<Option<Server>, DbErr> {
    let row =
        Entity::find().filter(Column::AgentCertificateSha256.eq(certificate.to_string())).one(db).await?;
    row.map(Model::into_server).transpose()
}

/// Every server, by name.
pub async fn all(db: &DatabaseConnection) -> Result<Vec<Server>, DbErr> {
    let rows = Entity::find().order_by_asc(Column::Name).all(db).await?;
    rows.into_iter().map(Model::into_server).collect()
}
