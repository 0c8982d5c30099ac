//! The real control plane on a throwaway database: a clock that a test moves, hosts that
//! are simulated, a router that is called in this process.
//!
//! Dropping one fails the test when a run is left open, unless the test says that this
//! is what it wanted. Nothing here sleeps.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use base::{Clock, HostName, Problem, Redacted, RunId, ServerId};
use runs::{Hooks, NoHooks, RunRecord, RunStore, Status};
use serde_json::Value;
use server::{
    app::{App, Parts},
    audit::{Actor, AuditLine},
    certificates::AcmeConfig,
    config::Config,
    exposure::{FeedSource, FeedSources},
    hosts::{Agents, Enrolments, Origin, Server, ServerState},
    http::router,
    patching::PatchPlan,
    providers::Providers,
};
use testkit::{FakeClock, HostBuilder, SimulatedHost, SimulatedProvider};
use tower::ServiceExt;
use vulns::FeedKind;
use wire::{
    AgentApi, AgentError, EnrolmentRequest, EnrolmentResponse, FirewallReport, Hello, Inventory, JobKey,
    JobStatus, Posture, UpgradeScope, Verb,
};

/// An address for documentation (RFC 5737): hosts take it, and nothing is ever sent there.
pub const ADDRESS: &str = "203.0.113.4";

/// More turns than any run needs. One that is not at rest by then waits for ever.
const TURNS: usize = 10_000;

/// What a test makes of the control plane before it opens.
pub struct Setup {
    /// Watches the moments of runs.
    pub hooks: Arc<dyn Hooks>,
    /// Where feeds are read from.
    pub feeds: FeedSource,
    /// Feeds that are read from elsewhere.
    pub own_feeds: Vec<(FeedKind, FeedSource)>,
    /// The address at which hosts find it.
    pub address: &'static str,
    /// Who signs certificates.
    pub acme: AcmeConfig,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            hooks: Arc::new(NoHooks),
            feeds: FeedSource::Directories(Vec::new()),
            own_feeds: Vec::new(),
            address: ADDRESS,
            acme: AcmeConfig::default(),
        }
    }
}

/// A control plane under test.
pub struct TestApp {
    /// The real thing.
    pub app: App,
    /// Its time.
    pub clock: FakeClock,
    /// Where its hosts live.
    pub provider: Arc<SimulatedProvider>,
    /// Who answers for them.
    pub agents: Arc<SimulatedAgents>,
    /// A good API token.
    pub token: String,
    setup: Setup,
    router: Router,
    folder: Arc<tempfile::TempDir>,
    leaves_runs_open: bool,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its content type.
    pub kind: String,
    /// Its body.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null when it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The problem in it.
    pub fn problem(&self) -> Problem {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no problem: {error} in {self:?}"))
    }
}

impl TestApp {
    /// A control plane without servers.
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// A control plane without servers, watched or fed as the test says.
    pub async fn with(setup: Setup) -> Self {
        let clock = FakeClock::default();
        let provider = Arc::new(SimulatedProvider::new(Arc::new(clock.clone())));
        let agents = Arc::new(SimulatedAgents::new(Arc::clone(&provider)));
        let folder = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("holdfast-agent"), b"the agent program").unwrap();
        Self::open(setup, clock, provider, agents, folder).await
    }

    async fn open(
        setup: Setup,
        clock: FakeClock,
        provider: Arc<SimulatedProvider>,
        agents: Arc<SimulatedAgents>,
        folder: Arc<tempfile::TempDir>,
    ) -> Self {
        let feeds = FeedSources::from(setup.feeds.clone());
        let own = setup.own_feeds.iter().cloned();
        let feeds = own.fold(feeds, |feeds, (kind, source)| feeds.with(kind, source));
        let config = Config {
            data: folder.path().join("data"),
            listen: "127.0.0.1:8470".parse().unwrap(),
            agent_listen: format!("{}:8443", setup.address).parse().unwrap(),
            feeds,
            agent_binary: folder.path().join("holdfast-agent"),
            lab: false,
            acme: setup.acme.clone(),
        };
        let parts = Parts {
            clock: Arc::new(clock.clone()),
            hooks: Arc::clone(&setup.hooks),
            agents: Some(agents.clone()),
            providers: Some(Providers::new(vec![provider.clone()])),
        };
        let app = App::open(config, parts).await.unwrap();
        *agents.enrolments.lock().unwrap() = Some(app.enrolments.clone());
        let token = app.access.issue_command_line("ann").await.unwrap().reveal().to_owned();
        let router = router(app.clone());
        Self { app, clock, provider, agents, token, setup, router, folder, leaves_runs_open: false }
    }

    /// The control plane again, on the same data, as after its process was killed.
    pub async fn restart(mut self) -> Self {
        self.leaves_runs_open = true;
        let setup = Setup {
            hooks: Arc::clone(&self.setup.hooks),
            feeds: self.setup.feeds.clone(),
            own_feeds: self.setup.own_feeds.clone(),
            address: self.setup.address,
            acme: self.setup.acme.clone(),
        };
        let (clock, provider) = (self.clock.clone(), Arc::clone(&self.provider));
        let (agents, folder) = (Arc::clone(&self.agents), Arc::clone(&self.folder));
        drop(self);
        Self::open(setup, clock, provider, agents, folder).await
    }

    /// Lets this control plane be dropped with runs that have not ended.
    pub fn leave_runs_open(&mut self) {
        self.leaves_runs_open = true;
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// An enrolled server on a host like this.
    pub async fn server(&self, builder: HostBuilder) -> (Server, Arc<SimulatedHost>) {
        let host = builder.boot(Arc::new(self.clock.clone()));
        self.provider.adopt(Arc::clone(&host));
        let id = ServerId::new();
        let servers = &self.app.servers;
        servers.add(id, host.name().clone(), "simulated", Origin::Provisioned).await.unwrap();
        let server = servers.change(id, |server| server.state = ServerState::Enrolled).await.unwrap();
        self.app.inventories.collect(&server, &*host).await.unwrap();
        (servers.get(id).await.unwrap(), host)
    }

    /// The server as it is known now.
    pub async fn known(&self, id: ServerId) -> Server {
        self.app.servers.get(id).await.unwrap()
    }

    /// The plan of a security patch.
    pub async fn plan(&self, server: &Server) -> PatchPlan {
        self.app.patching.plan(server, UpgradeScope::Security).await.unwrap()
    }

    /// Starts a patch run.
    pub async fn patch(&self, plan: &PatchPlan) -> RunId {
        self.app.patching.patch(&ann(), plan).await.unwrap()
    }

    /// The run as it is now.
    pub async fn run(&self, run: RunId) -> RunRecord {
        self.app.resources.runs.find(run).await.unwrap().expect("the run is on record")
    }

    /// Carries every run, moving the clock to whenever this one is due, until it has
    /// ended or rests. Hosts that were created meanwhile boot and enrol.
    pub async fn settle(&self, run: RunId) -> RunRecord {
        for _ in 0..TURNS {
            self.app.patching.engine().run_until_idle().await.unwrap();
            let record = self.run(run).await;
            if record.status != Status::Active {
                return record;
            }
            if record.wake_at > self.clock.now() {
                self.clock.set(record.wake_at);
            }
            self.boot_new_hosts().await;
        }
        panic!("the run waits for ever: {:#?}", self.run(run).await);
    }

    /// What cloud-init does on a created host: hardens it and enrols its agent.
    pub async fn boot_new_hosts(&self) {
        for server in self.app.servers.all().await.unwrap() {
            if server.state == ServerState::Provisioning
                && let Some(machine) = self.provider.machine(&server.name)
                && let Some(token) = self.enrolment_token(&server.name)
            {
                machine.set_posture(hardened());
                let from = "192.0.2.1".parse().unwrap();
                // A host that was killed in the middle of its enrolment asks again.
                let _ = self.app.enrolments.redeem(&enrolment_request(&token), from).await;
            }
        }
    }

    /// The one-time token in a host's user-data.
    pub fn enrolment_token(&self, name: &HostName) -> Option<String> {
        let user_data = self.provider.user_data(name)?;
        let config: Value = serde_json::from_str(user_data.strip_prefix("#cloud-config\n")?).unwrap();
        let files = config["write_files"].as_array().unwrap();
        let file = files.iter().find(|file| file["path"] == wire::BOOTSTRAP_FILE).unwrap();
        let content = file["content"].as_str().unwrap();
        let text = match file["encoding"].as_str() {
            Some(_) => {
                use base64::Engine;
                let bytes = base64::engine::general_purpose::STANDARD.decode(content).unwrap();
                String::from_utf8(bytes).unwrap()
            }
            None => content.to_owned(),
        };
        let bootstrap: wire::Bootstrap = serde_json::from_str(&text).unwrap();
        Some(bootstrap.token)
    }

    /// The trail, oldest entry first.
    pub async fn audit(&self) -> Vec<AuditLine> {
        let mut lines = self.app.audit.newest(None, None, 1000).await.unwrap();
        lines.reverse();
        lines
    }

    /// Action and outcome of every entry of a run, oldest first, such as
    /// `security.patch begun`.
    pub async fn audited(&self, run: RunId) -> Vec<String> {
        let lines = self.audit().await.into_iter().filter(|line| line.entry.run == Some(run));
        lines.map(|line| in_short(&line)).collect()
    }

    /// Sends a request, as anybody could.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let body = to_bytes(response.into_body(), 64 << 20).await.unwrap();
        Answer { status, kind, text: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Calls the API with a good token.
    pub async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    /// Reads from the API with a good token.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Body::empty()).await
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if self.leaves_runs_open || std::thread::panicking() {
            return;
        }
        let runs = self.app.resources.runs.clone();
        let open = wait_for(async move { runs.open().await.unwrap() });
        assert!(open.is_empty(), "runs were left open: {open:#?}");
    }
}

/// Waits for a future where only plain code may stand. Needs a runtime of several threads.
pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

/// The operator of every test.
pub fn ann() -> Actor {
    Actor::Operator("ann".to_owned())
}

/// Action and outcome of an entry, such as `security.patch begun`.
pub fn in_short(line: &AuditLine) -> String {
    let outcome = serde_json::to_value(line.entry.outcome).unwrap();
    format!("{} {}", line.entry.action, outcome.as_str().unwrap())
}

/// What a host with a new key of its own sends.
pub fn enrolment_request(token: &str) -> EnrolmentRequest {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
    EnrolmentRequest {
        token: token.to_owned(),
        csr_pem: request.pem().unwrap(),
        boot_id: "00000000-0000-4000-8000-000000000000".to_owned(),
        agent_version: "0.1.0-simulated".to_owned(),
    }
}

/// A posture without anything red.
pub fn hardened() -> Posture {
    Posture {
        firewall: FirewallReport {
            installed: true,
            active: true,
            default_incoming: "deny".to_owned(),
            ipv6: true,
            rules: Vec::new(),
        },
        ..Posture::default()
    }
}

/// The agents of the provider's hosts, found by name.
pub struct SimulatedAgents {
    provider: Arc<SimulatedProvider>,
    enrolments: Mutex<Option<Enrolments>>,
    instead: Mutex<BTreeMap<HostName, Arc<dyn AgentApi>>>,
    /// What the control plane answered to every enrolment.
    pub enrolled: Arc<Mutex<Vec<(String, EnrolmentResponse)>>>,
}

impl SimulatedAgents {
    fn new(provider: Arc<SimulatedProvider>) -> Self {
        Self { provider, enrolments: Mutex::default(), instead: Mutex::default(), enrolled: Arc::default() }
    }

    /// Has another agent answer for this host.
    pub fn answer_with(&self, name: &HostName, agent: Arc<dyn AgentApi>) {
        self.instead.lock().unwrap().insert(name.clone(), agent);
    }
}

#[async_trait]
impl Agents for SimulatedAgents {
    async fn of(&self, server: &Server) -> Result<Arc<dyn AgentApi>, Problem> {
        if let Some(agent) = self.instead.lock().unwrap().get(&server.name) {
            return Ok(Arc::clone(agent));
        }
        let host = self.provider.machine(&server.name);
        let host = host.ok_or_else(|| Problem::new("server.not_enrolled", "there is no such host"))?;
        let enrolments = self.enrolments.lock().unwrap().clone().expect("the app is open");
        Ok(Arc::new(Enrolling { host, enrolments, enrolled: Arc::clone(&self.enrolled) }))
    }
}

/// A simulated host that redeems its tokens at the real control plane.
struct Enrolling {
    host: Arc<SimulatedHost>,
    enrolments: Enrolments,
    enrolled: Arc<Mutex<Vec<(String, EnrolmentResponse)>>>,
}

#[async_trait]
impl AgentApi for Enrolling {
    async fn hello(&self) -> Result<Hello, AgentError> {
        self.host.hello().await
    }

    async fn inventory(&self) -> Result<Inventory, AgentError> {
        self.host.inventory().await
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
        self.host.renew_identity(token).await?;
        let from = "192.0.2.1".parse().unwrap();
        let redeemed = self.enrolments.redeem(&enrolment_request(token.expose()), from).await;
        let response = redeemed.map_err(|problem| AgentError::Internal { reason: problem.to_string() })?;
        self.enrolled.lock().unwrap().push((token.expose().clone(), response));
        Ok(())
    }
}
