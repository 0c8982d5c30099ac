//! The provision run: a new host, enrolled, observed, and hardened as described.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::body::Bytes;
use base::{HostName, Problem, Release, ServerId, Sha256};
use baseline::{Baseline, Description, Severity};
use providers::HostSpec;
use runs::{Context, Next, Program, UndoNext};
use serde::{Deserialize, Serialize};
use wire::{Bootstrap, JobState, Verb};

use super::model::ServerState;
use crate::{
    audit::Outcome,
    patching::{Resources, actor},
    providers::provider_problem,
};

runs::steps! {
    /// The steps, in running order.
    pub enum Step {
        /// Creates the host at the provider, with its user-data.
        CreateHost = "create_host" => "Create the host",
        /// Waits until the host has redeemed its token.
        AwaitEnrolment = "await_enrolment" => "Wait for enrolment",
        /// Refreshes its package lists and takes the first inventory.
        FirstInventory = "first_inventory" => "Take the first inventory",
        /// Compares the host with its baseline.
        VerifyBaseline = "verify_baseline" => "Verify the hardening",
    }
}

/// Creating and the whole first boot: cloud-init on a slow host installs a firewall.
const FIRST_BOOT: Duration = Duration::from_secs(20 * 60);
/// From the first sign of life to the end.
const FIRST_LOOK: Duration = Duration::from_secs(10 * 60);

/// What is provisioned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProvisionPlan {
    /// The server to be.
    pub server: ServerId,
    /// Its name.
    pub name: HostName,
    /// The driver it will live at.
    pub provider: String,
    /// Its operating system.
    pub release: Release,
    /// What it shall look like.
    pub baseline: Description,
}

/// What a provision run remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    line: u64,
}

/// How the effects are undone.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Destroys the host and forgets the server.
    DestroyHost,
}

/// What a new host needs to find and recognise its control plane.
#[derive(Clone)]
pub struct Welcome {
    /// Where hosts reach the control plane: `https://…`.
    pub url: String,
    /// The addresses in that certificate and from which agents are called.
    pub addresses: Vec<IpAddr>,
    /// The agent program that hosts fetch, as it was at the start: a build while the
    /// control plane runs must not change what user-data has promised.
    pub agent_program: Bytes,
    /// Its SHA-256.
    pub agent_sha256: Sha256,
}

/// The program.
pub struct Provision {
    /// What its steps reach.
    pub resources: Resources,
    /// The region's authority, for the certificate hosts pin.
    pub regions: super::Regions,
    /// How hosts find us.
    pub welcome: Arc<Welcome>,
}

#[async_trait]
impl Program for Provision {
    const KIND: &'static str = "provision";
    const STATE_VERSION: u16 = 1;
    type Step = Step;
    type Plan = ProvisionPlan;
    type State = State;
    type Undo = Undo;

    async fn step(&self, step: Step, run: &mut Context<'_, Self>) -> Next<Step> {
        match step {
            Step::CreateHost => self.create_host(run).await,
            Step::AwaitEnrolment => self.await_enrolment(run).await,
            Step::FirstInventory => self.first_inventory(run).await,
            Step::VerifyBaseline => self.verify_baseline(run).await,
        }
    }

    async fn undo(&self, undo: &Undo, run: &mut Context<'_, Self>) -> UndoNext {
        match undo {
            Undo::DestroyHost => self.destroy_host(run).await,
        }
    }

    async fn verify_undone(&self, run: &mut Context<'_, Self>) -> UndoNext {
        let left = match self.resources.providers.get(&run.plan.provider) {
            Ok(provider) => provider.find(&run.plan.name).await,
            Err(_) => return UndoNext::done("the provider is not set up, so there is no host"),
        };
        match left {
            Ok(None) => UndoNext::done("there is no such host at the provider"),
            Ok(Some(_)) => UndoNext::Stuck(Problem::new(
                "provision.left_over",
                format!("the host `{}` is still at the provider", run.plan.name),
            )),
            Err(error) => UndoNext::wait(5, error.to_string()),
        }
    }
}

impl Provision {
    async fn create_host(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::FirstInventory, FIRST_BOOT);
        }
        let (who, name) = (actor(run.actor()), run.plan.name.clone());
        let begun = self
            .resources
            .audit
            .record_once(
                &who,
                "server.provision",
                name.as_str(),
                Outcome::Begun,
                run.id(),
                run.plan.provider.as_str(),
            )
            .await;
        if let Err(problem) = begun {
            return Next::RollBack(problem);
        }
        if run.record_undo(&Undo::DestroyHost).await.is_err() {
            return Next::Go(Step::CreateHost);
        }
        let user_data = match self.user_data(run).await {
            Ok(user_data) => user_data,
            Err(problem) => return Next::RollBack(problem),
        };
        let provider = match self.resources.providers.get(&run.plan.provider) {
            Ok(provider) => provider,
            Err(problem) => return Next::RollBack(problem),
        };
        run.progress(0.0, "Creating the host; the first of a release builds its image");
        let spec = HostSpec { name: name.clone(), release: run.plan.release, user_data };
        let host = match provider.create(&spec).await {
            Ok(host) => host,
            Err(error) if error.retryable() => return Next::back_off(run.attempt(), error.to_string()),
            Err(error) => return Next::RollBack(provider_problem(&format!("create `{name}`"), &error)),
        };
        run.note(format!("Host `{name}` has {} and {}", host.ipv4, host.ipv6));
        let changed = self.resources.servers.change(run.plan.server, move |server| {
            (server.ipv4, server.ipv6) = (Some(host.ipv4), Some(host.ipv6));
            server.release = Some(host.release);
        });
        match changed.await {
            Ok(_) => Next::Go(Step::AwaitEnrolment),
            Err(problem) => Next::RollBack(problem),
        }
    }

    async fn user_data(&self, run: &Context<'_, Self>) -> Result<String, Problem> {
        let unfit = |error: &dyn std::error::Error| {
            Problem::new("provision.baseline", format!("could not describe `{}`", run.plan.name))
                .found(error.to_string())
        };
        let server = self.resources.servers.get(run.plan.server).await?;
        let region = self.regions.get(&server.region).await?;
        let identity = region
            .authority
            .listener_identity(&self.welcome.addresses, region.key()?)
            .map_err(|error| unfit(&error))?;
        let token = self.resources.enrolments.issue(run.plan.server).await?;
        let bootstrap = Bootstrap {
            control_plane_url: self.welcome.url.clone(),
            ca_pem: region.authority.certificate_pem().to_owned(),
            public_key_sha256: identity.public_key_sha256,
            token: token.reveal().to_owned(),
        };
        let baseline = Baseline::try_from(run.plan.baseline.clone()).map_err(|error| unfit(&error))?;
        baseline.user_data(&bootstrap, self.welcome.agent_sha256).map_err(|error| unfit(&error))
    }

    async fn destroy_host(&self, run: &mut Context<'_, Self>) -> UndoNext {
        let provider = match self.resources.providers.get(&run.plan.provider) {
            Ok(provider) => provider,
            Err(problem) => return UndoNext::Stuck(problem),
        };
        match provider.destroy(&run.plan.name).await {
            Ok(()) => {}
            Err(error) if error.retryable() => return UndoNext::wait(5, error.to_string()),
            Err(error) => {
                return UndoNext::Stuck(provider_problem(&format!("destroy `{}`", run.plan.name), &error));
            }
        }
        let (who, name) = (actor(run.actor()), run.plan.name.as_str());
        let recorded = self
            .resources
            .audit
            .record_once(&who, "server.provision", name, Outcome::Failed, run.id(), "")
            .await;
        match (recorded, self.resources.servers.forget(run.plan.server).await) {
            (Ok(()), Ok(())) => UndoNext::done("the host is destroyed and the server forgotten"),
            (Err(problem), _) | (_, Err(problem)) => UndoNext::wait(5, problem.to_string()),
        }
    }

    async fn await_enrolment(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        match self.resources.servers.get(run.plan.server).await {
            Ok(server) if server.state == ServerState::Enrolled => Next::Go(Step::FirstInventory),
            Ok(_) => Next::wait(1, "the host boots, hardens itself and fetches its agent"),
            Err(problem) => Next::RollBack(problem),
        }
    }

    async fn first_inventory(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::VerifyBaseline, FIRST_LOOK);
        }
        let (server, agent) = match self.resources.reach(run.plan.server).await {
            Ok(reached) => reached,
            Err(problem) => return Next::RollBack(problem),
        };
        let key = crate::patching::job_key(run, "lists");
        let status = match agent.start_job(&key, &Verb::RefreshLists).await {
            Ok(_) => agent.job(&key, run.state.line).await,
            Err(error) => Err(error),
        };
        match status.map(|status| status.state) {
            Ok(JobState::Queued | JobState::Running { .. }) => {
                return Next::wait(0, "the host refreshes its package lists");
            }
            Ok(JobState::Succeeded { .. }) => {}
            Ok(JobState::Failed { failure }) => {
                run.note(format!("Its package lists are not fresh: {}", failure.message))
            }
            Err(error) if error.retryable() => return Next::wait(1, error.to_string()),
            Err(error) => {
                return Next::RollBack(
                    Problem::new(
                        "provision.agent",
                        format!("could not work with the agent of `{}`", server.name),
                    )
                    .found(error.to_string()),
                );
            }
        }
        match self.resources.inventories.collect(&server, &*agent).await {
            Ok(_) => Next::Go(Step::VerifyBaseline),
            Err(problem) => Next::back_off(run.attempt(), problem.to_string()),
        }
    }

    async fn verify_baseline(&self, run: &mut Context<'_, Self>) -> Next<Step> {
        if run.attempt() == 0 {
            run.must_reach(Step::VerifyBaseline, FIRST_LOOK);
        }
        let agent = match self.resources.reach(run.plan.server).await {
            Ok((_, agent)) => agent,
            Err(problem) => return Next::RollBack(problem),
        };
        let posture = match agent.posture().await {
            Ok(posture) => posture,
            Err(error) if run.attempt() < 30 => return Next::wait(2, error.to_string()),
            Err(error) => {
                return Next::RollBack(
                    Problem::new("provision.posture", "could not see the hardening").found(error.to_string()),
                );
            }
        };
        let baseline = match Baseline::try_from(run.plan.baseline.clone()) {
            Ok(baseline) => baseline,
            Err(error) => return Next::RollBack(Problem::new("provision.baseline", error.to_string())),
        };
        let deviations = baseline.deviations(&posture);
        for deviation in &deviations {
            run.note(format!(
                "{}: expected {}, found {}",
                deviation.item, deviation.expected, deviation.found
            ));
        }
        let open_by_choice = run.plan.baseline.admin_networks.is_empty();
        let red = deviations.iter().filter(|deviation| {
            deviation.severity == Severity::Red
                && !(open_by_choice && deviation.item == baseline::Item::SshOpen)
        });
        let red: Vec<_> = red.map(|deviation| deviation.item.to_string()).collect();
        // cloud-init applies the last of the hardening while the agent already answers.
        if !red.is_empty() && run.attempt() < 30 {
            return Next::wait(2, "the host still hardens itself");
        }
        if !red.is_empty() {
            return Next::RollBack(
                Problem::new(
                    "provision.not_hardened",
                    format!("`{}` is not hardened as described", run.plan.name),
                )
                .found(red.join(", ")),
            );
        }
        let (who, name) = (actor(run.actor()), run.plan.name.as_str());
        let done = self
            .resources
            .audit
            .record_once(&who, "server.provision", name, Outcome::Done, run.id(), "")
            .await;
        match done {
            Ok(()) => Next::finish("the host is enrolled and hardened"),
            Err(problem) => Next::back_off(run.attempt(), problem.to_string()),
        }
    }
}
