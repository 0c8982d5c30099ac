//! Inventories that no host of ours would send, and those that runs still need.

use std::sync::Arc;

use async_trait::async_trait;
use base::Redacted;
use jiff::SignedDuration;
use testkit::{HostBuilder, SimulatedHost};
use wire::{AgentApi, AgentError, Hello, Inventory, JobKey, JobStatus, Posture, Verb, limits};

use crate::app::{TestApp, ann};

/// What a host says of itself in place of the truth.
type Lie = fn(Inventory) -> Result<Inventory, AgentError>;

/// A host that lies about its packages.
struct Liar {
    host: Arc<SimulatedHost>,
    lie: Lie,
}

#[async_trait]
impl AgentApi for Liar {
    async fn hello(&self) -> Result<Hello, AgentError> {
        self.host.hello().await
    }

    async fn inventory(&self) -> Result<Inventory, AgentError> {
        (self.lie)(self.host.inventory().await?)
    }

    async fn posture(&self) -> Result<Posture, AgentError> {
        self.host.posture().await
    }

    async fn start_job(&self, key: &JobKey, verb: &Verb) -> Result<JobStatus, AgentError> {
        self.host.start_job(key, verb).await
    }

    async fn job(&self, key: &JobKey, from: u64) -> Result<JobStatus, AgentError> {
        self.host.job(key, from).await
    }

    async fn renew_identity(&self, token: &Redacted<String>) -> Result<(), AgentError> {
        self.host.renew_identity(token).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absurd_inventory_is_refused_and_audited_and_the_former_one_stays() {
    let lies: [(&str, Lie); 2] = [
        ("malformed", |_| Err(AgentError::Protocol { reason: "expected an object, found `[[[`".to_owned() })),
        ("absurdly large", |mut inventory| {
            let one = inventory.packages[0].clone();
            inventory.packages = vec![one; limits::PACKAGES + 1];
            Ok(inventory)
        }),
    ];
    for (name, lie) in lies {
        let app = TestApp::new().await;
        let (server, host) = app.server(HostBuilder::debian12("web-3")).await;
        let former = app.app.inventories.newest(server.id).await.unwrap();
        app.agents.answer_with(&server.name, Arc::new(Liar { host, lie }));
        let path = "/api/servers/web-3/refresh";
        let answer = app.call(axum::http::Method::POST, path, "").await;
        assert_eq!(answer.problem().code.0, "server.unobserved", "{name}");
        assert!(answer.problem().state.unwrap().contains("stays"), "{name}");
        assert_eq!(app.app.inventories.newest(server.id).await.unwrap(), former, "{name}");
        let trail = app.audit().await;
        let refused = trail.iter().filter(|line| line.entry.action == "inventory.refused").count();
        assert_eq!(refused, 1, "{name}");
        assert_eq!(app.known(server.id).await.inventory, server.inventory, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_host_keeps_its_former_inventory() {
    let app = TestApp::new().await;
    let (server, host) = app.server(HostBuilder::debian12("web-3")).await;
    let former = app.app.inventories.newest(server.id).await.unwrap();
    host.unreachable_for(1);
    assert!(app.app.inventories.collect(&server, &*host).await.is_err());
    let known = app.known(server.id).await;
    assert!(known.last_fault.is_some());
    assert_eq!(app.app.inventories.newest(server.id).await.unwrap(), former);
    app.app.inventories.collect(&known, &*host).await.unwrap();
    assert_eq!(app.known(server.id).await.last_fault, None);
}

/// What a run compares with at its end must outlive the many looks it takes meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_goes_back_to_is_kept_as_long_as_it_can_be_asked_for() {
    let app = TestApp::new().await;
    let (server, host) = app.server(HostBuilder::debian12("web-3")).await;
    let plan = app.plan(&server).await;
    let run = app.patch(&plan).await;
    app.settle(run).await;
    for _ in 0..100 {
        app.clock.advance(SignedDuration::from_mins(1));
        let server = app.known(server.id).await;
        app.app.inventories.collect(&server, &*host).await.unwrap();
    }
    let back = app.app.patching.roll_back(&ann(), run).await.unwrap();
    let ended = app.settle(back).await;
    assert_eq!(ended.outcome, Some(runs::Outcome::Done), "{ended:#?}");
    // Not for ever: a month of looking keeps its newest only.
    let first = server.inventory.unwrap();
    assert!(app.app.inventories.load(first).await.unwrap().is_some());
    for _ in 0..70 {
        app.clock.advance(SignedDuration::from_hours(24));
        let server = app.known(server.id).await;
        app.app.inventories.collect(&server, &*host).await.unwrap();
    }
    assert!(app.app.inventories.load(first).await.unwrap().is_none());
}

/// How many lists of packages are kept.
async fn lists(app: &TestApp) -> i64 {
    use sea_orm::ConnectionTrait;
    let url = format!("sqlite://{}?mode=ro", app.app.config.database().display());
    let db = sea_orm::Database::connect(url).await.unwrap();
    let row = db.query_one_raw(sea_orm::Statement::from_string(
        sea_orm::DbBackend::Sqlite,
        "SELECT count(*) AS lists FROM package_list",
    ));
    row.await.unwrap().unwrap().try_get("", "lists").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn alike_hosts_have_one_list_of_packages() {
    let app = TestApp::new().await;
    let (first, _) = app.server(HostBuilder::debian12("web-1")).await;
    let (second, host) = app.server(HostBuilder::debian12("web-2")).await;
    assert_eq!(lists(&app).await, 1);
    host.set_version("openssl", "9.9-1");
    let (id, collected) = app.app.inventories.collect(&second, &*host).await.unwrap();
    assert_eq!(lists(&app).await, 2);
    assert_eq!(app.app.inventories.load(id).await.unwrap(), Some(collected), "put together as it was");
    let former = app.app.inventories.newest(first.id).await.unwrap().unwrap();
    assert!(former.packages.iter().all(|package| package.version.to_string() != "9.9-1"));
    // A list that nobody has any more goes with the last inventory that had it.
    app.clock.advance(jiff::SignedDuration::from_hours(24 * 9));
    for number in 0..70 {
        host.set_version("openssl", &format!("9.9-{}", number % 2 + 2));
        app.clock.advance(jiff::SignedDuration::from_hours(24));
        app.app.inventories.collect(&app.known(second.id).await, &*host).await.unwrap();
    }
    assert_eq!(lists(&app).await, 3, "that of the first host and the last two of the second");
}
