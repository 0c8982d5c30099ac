//! Looking servers up, and changing what is known of them.

use std::sync::Arc;

use base::{Clock, HostName, Problem, ServerId, Sha256};
use sea_orm::{DatabaseConnection, SqlErr};

use super::{
    model::{Origin, Server, ServerState},
    region,
    store::server as store,
};
use crate::db::storage_problem;

/// The servers.
#[derive(Clone)]
pub struct Servers {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
}

impl Servers {
    /// The servers in this database.
    pub fn new(db: DatabaseConnection, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    /// Every server, by name.
    pub async fn all(&self) -> Result<Vec<Server>, Problem> {
        store::all(&self.db).await.map_err(|error| storage_problem("list the servers", &error))
    }

    /// The server with this id.
    pub async fn get(&self, id: ServerId) -> Result<Server, Problem> {
        let found = store::find(&self.db, id).await;
        found
            .map_err(|error| storage_problem("read a server", &error))?
            .ok_or_else(|| unknown(&id.to_string()))
    }

    /// The server of this name.
    pub async fn named(&self, name: &str) -> Result<Server, Problem> {
        let Ok(parsed) = name.parse::<HostName>() else { return Err(unknown(name)) };
        self.find_named(&parsed).await?.ok_or_else(|| unknown(name))
    }

    /// The server of this name, if there is one.
    pub async fn find_named(&self, name: &HostName) -> Result<Option<Server>, Problem> {
        store::find_by_name(&self.db, name).await.map_err(|error| storage_problem("read a server", &error))
    }

    /// The enrolled server whose agent has this certificate.
    pub async fn of_agent(&self, certificate: Sha256) -> Result<Option<Server>, Problem> {
        let found = store::find_by_agent(&self.db, certificate).await;
        let found = found.map_err(|error| storage_problem("find a server by its agent", &error))?;
        Ok(found.filter(|server| server.state == ServerState::Enrolled))
    }

    /// Adds a server.
    pub async fn add(
        &self,
        id: ServerId,
        name: HostName,
        provider: &str,
        origin: Origin,
    ) -> Result<Server, Problem> {
        let state = match origin {
            Origin::ThisMachine => ServerState::Enrolled,
            Origin::Provisioned => ServerState::Provisioning,
        };
        let server = Server {
            id,
            name,
            region: region::DEFAULT.to_owned(),
            provider: provider.to_owned(),
            origin,
            state,
            release: None,
            ipv4: None,
            ipv6: None,
            agent_certificate: None,
            bearer_token_sealed: None,
            baseline: None,
            probes: Vec::new(),
            in_maintenance: false,
            last_seen_at: None,
            last_fault: None,
            inventory: None,
            facts: None,
            risk: None,
            created_at: self.clock.now(),
        };
        store::insert(&self.db, &server).await.map_err(|error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => {
                Problem::new("server.name_taken", format!("could not add `{}`", server.name))
                    .found("a server of that name is known already")
                    .state("Nothing was changed")
                    .next("choose another name")
            }
            _ => storage_problem("add a server", &error),
        })?;
        Ok(server)
    }

    /// Changes what is known of a server.
    pub async fn change(
        &self,
        id: ServerId,
        change: impl FnOnce(&mut Server) + Send,
    ) -> Result<Server, Problem> {
        let changed = store::change(&self.db, id, change).await;
        changed
            .map_err(|error| storage_problem("change a server", &error))?
            .ok_or_else(|| unknown(&id.to_string()))
    }

    /// Forgets a server.
    pub async fn forget(&self, id: ServerId) -> Result<(), Problem> {
        store::remove(&self.db, id).await.map_err(|error| storage_problem("forget a server", &error))
    }

    /// Notes whether a server's agent answers.
    pub async fn seen(&self, id: ServerId, fault: Option<String>) -> Result<(), Problem> {
        let now = self.clock.now();
        self.change(id, move |server| {
            if fault.is_none() {
                server.last_seen_at = Some(now);
            }
            server.last_fault = fault;
        })
        .await
        .map(drop)
    }
}

fn unknown(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::new("server.unknown", format!("there is no server `{name}`"))
        .next("`holdfast server list` shows the known ones")
}
