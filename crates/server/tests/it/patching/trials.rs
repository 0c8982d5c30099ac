//! The four programs under trial: failed at every step, and killed at every moment of
//! every step and undo, in a world of simulated hosts.

use std::sync::{Arc, Mutex};

use base::{Clock, HostName, RunId, ServerId};
use jiff::Timestamp;
use providers::VpsProvider;
use runs::{
    AnyProgram, NewRun, Outcome, Program, RunRecord,
    trial::{World, die_at_each_moment, fail_at_each_step},
};
use server::{
    hosts::{Order, Origin, Provision, ProvisionPlan},
    patching::{Patch, Reboot, RebootPlan, Rollback},
};
use testkit::{Effects, HostBuilder, ProviderEffects, SimulatedHost};

use crate::app::{ADDRESS, TestApp, ann, wait_for};

/// What is checked of a world besides that its run ends.
type Check = fn(&Effects, &ProviderEffects, &RunRecord) -> Result<(), String>;

/// A control plane with one server, and one run that has not started.
struct OneServer {
    app: TestApp,
    name: HostName,
    new: Mutex<Option<NewRun>>,
    before: (Effects, ProviderEffects),
    picture: fn(&OneServer) -> String,
    check: Check,
}

impl OneServer {
    fn host(&self) -> Option<Arc<SimulatedHost>> {
        self.app.provider.machine(&self.name)
    }

    fn effects(&self) -> Effects {
        self.host().map(|host| host.effects()).unwrap_or_default()
    }

    fn in_maintenance(&self) -> bool {
        wait_for(self.app.app.servers.find_named(&self.name))
            .unwrap()
            .is_some_and(|server| server.in_maintenance)
    }
}

impl World for OneServer {
    fn programs(&self) -> Vec<Arc<dyn AnyProgram>> {
        let app = &self.app.app;
        let resources = || app.resources.clone();
        let provision =
            Provision { resources: resources(), regions: app.regions.clone(), welcome: app.welcome.clone() };
        vec![
            Arc::new(Patch(resources())),
            Arc::new(Reboot(resources())),
            Arc::new(Rollback(resources())),
            Arc::new(provision),
        ]
    }

    fn new_run(&self) -> NewRun {
        self.new.lock().unwrap().take().expect("a world has one run")
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.app.clock.clone())
    }

    fn pass_time(&self, until: Timestamp) {
        if until > self.app.clock.now() {
            self.app.clock.set(until);
        }
        wait_for(self.app.boot_new_hosts());
    }

    fn picture(&self) -> String {
        (self.picture)(self)
    }

    fn check(&self, ended: &RunRecord) -> Result<(), String> {
        let left = wait_for(self.app.app.resources.runs.open()).unwrap();
        if !left.is_empty() {
            return Err("another run was left open".to_owned());
        }
        if self.in_maintenance() {
            return Err("the server was left in maintenance".to_owned());
        }
        let trail = wait_for(self.app.app.audit.verify()).map_err(|problem| problem.to_string())?;
        if let Some(fault) = trail.fault {
            return Err(fault);
        }
        (self.check)(&since(&self.before.0, self.effects()), &self.app.provider.effects(), ended)
    }
}

/// What happened to a host since.
fn since(before: &Effects, now: Effects) -> Effects {
    Effects {
        refreshes: now.refreshes - before.refreshes.min(now.refreshes),
        stagings: now.stagings - before.stagings.min(now.stagings),
        installs: now.installs - before.installs.min(now.installs),
        restores: now.restores - before.restores.min(now.restores),
        reboots: now.reboots - before.reboots.min(now.reboots),
        ..now
    }
}

/// Packages, their states, the kernel that runs, and the units that have failed.
fn software(world: &OneServer) -> String {
    let host = world.host().expect("the host is there");
    let mut seen = String::new();
    // A host that boots refuses a few calls.
    for _ in 0..20 {
        if let Ok(inventory) = wait_for(wire::AgentApi::inventory(&*host)) {
            let packages: Vec<_> = inventory
                .packages
                .iter()
                .map(|package| format!("{} {} {}", package.name, package.version, package.status.0))
                .collect();
            seen = format!(
                "{packages:#?} {:?} {:?} {}",
                inventory.package_health, inventory.failed_units, inventory.kernel.release
            );
            break;
        }
    }
    format!("{seen} maintenance: {}", world.in_maintenance())
}

fn at_most(what: &str, found: u32, most: u32) -> Result<(), String> {
    if found > most { Err(format!("{found} {what}, at most {most} may be")) } else { Ok(()) }
}

fn patched_once(host: &Effects, provider: &ProviderEffects, ended: &RunRecord) -> Result<(), String> {
    at_most("snapshots", provider.snapshots, 1)?;
    at_most("installations", host.installs, 1)?;
    at_most("stagings", host.stagings, 1)?;
    at_most("package restores", host.restores, 1)?;
    at_most("disk restores", provider.restores, 0)?;
    let forward = ended.outcome == Some(Outcome::Done);
    // Once into the new kernel, and once back out of it.
    at_most("reboots", host.reboots, if forward { 1 } else { 2 })?;
    if forward && (host.installs, host.reboots, provider.snapshots) != (1, 1, 1) {
        return Err(format!("done, and yet {host:?} {provider:?}"));
    }
    Ok(())
}

fn world(
    new: impl AsyncFn(&TestApp) -> NewRun,
    picture: fn(&OneServer) -> String,
    check: Check,
) -> OneServer {
    wait_for(async {
        let app = TestApp::new().await;
        let new = new(&app).await;
        let name: HostName = "web-3".parse().unwrap();
        let host = app.provider.machine(&name).map(|host| host.effects()).unwrap_or_default();
        let before = (host, app.provider.effects());
        OneServer { app, name, new: Mutex::new(Some(new)), before, picture, check }
    })
}

fn new_run(kind: &'static str, server: ServerId, plan: &impl serde::Serialize) -> NewRun {
    NewRun {
        id: RunId::new(),
        kind,
        subject: server.to_string(),
        plan: serde_json::to_value(plan).unwrap(),
        actor: ann().to_string(),
    }
}

fn patch() -> Box<dyn World> {
    let new = async |app: &TestApp| {
        let (server, _) = app.server(HostBuilder::debian12("web-3").kernel_update()).await;
        let mut plan = app.plan(&server).await;
        plan.probes = vec![wire::Probe::UnitActive { unit: "ssh.service".to_owned() }];
        new_run(Patch::KIND, server.id, &plan)
    };
    Box::new(world(new, software, patched_once))
}

fn reboot() -> Box<dyn World> {
    let new = async |app: &TestApp| {
        let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
        let plan = RebootPlan { server: server.id, name: server.name.clone(), probes: Vec::new() };
        new_run(Reboot::KIND, server.id, &plan)
    };
    Box::new(world(new, software, |host, _, ended| match (ended.outcome, host.reboots) {
        (Some(Outcome::Done), 1) => Ok(()),
        (Some(Outcome::Failed), 0 | 1) => Ok(()),
        (outcome, reboots) => Err(format!("{outcome:?} with {reboots} reboots")),
    }))
}

/// A rollback has no way back of its own: wherever it fails, the host is wholly at the
/// one state or wholly at the other.
fn wholly_one_or_the_other(world: &OneServer) -> String {
    let seen = software(world);
    let old = seen.matches("3.0.16-1~deb12u1 ii").count();
    let new = seen.matches("3.0.17-1~deb12u3 ii").count();
    match (old, new) {
        (2, 0) | (0, 2) => format!("whole, in maintenance: {}", world.in_maintenance()),
        _ => format!("half-way: {seen}"),
    }
}

fn rollback() -> Box<dyn World> {
    let new = async |app: &TestApp| {
        let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
        let patched = app.patch(&app.plan(&server).await).await;
        assert_eq!(app.settle(patched).await.outcome, Some(Outcome::Done));
        // Started in the real table to have its plan, and moved from there to the trial.
        let run = app.app.patching.roll_back(&ann(), patched).await.unwrap();
        let record = app.run(run).await;
        app.app.patching.signal(&ann(), run, runs::SignalKind::Cancel).await.unwrap();
        app.settle(run).await;
        NewRun {
            id: RunId::new(),
            kind: Rollback::KIND,
            subject: record.subject,
            plan: record.plan,
            actor: record.actor,
        }
    };
    Box::new(world(new, wholly_one_or_the_other, |host, provider, ended| {
        at_most("package restores", host.restores, 1)?;
        at_most("disk restores", provider.restores, 0)?;
        match (ended.outcome, host.restores) {
            (Some(Outcome::Done), 1) | (Some(Outcome::Failed | Outcome::RolledBack), _) => Ok(()),
            (outcome, restores) => Err(format!("{outcome:?} with {restores} restores")),
        }
    }))
}

/// Hosts at the provider, and servers that are known with an agent.
fn fleet(world: &OneServer) -> String {
    let hosts = wait_for(world.app.provider.list()).unwrap().len();
    format!("{hosts} hosts, {} enrolments", world.app.agents.enrolled.lock().unwrap().len())
}

fn provision() -> Box<dyn World> {
    let new = async |app: &TestApp| {
        let order: Order = serde_json::from_value(serde_json::json!({
            "name": "web-3", "provider": "simulated", "release": base::Release::Debian12, "service": "bare",
        }))
        .unwrap();
        let server = ServerId::new();
        app.app.servers.add(server, order.name.clone(), "simulated", Origin::Provisioned).await.unwrap();
        let plan = ProvisionPlan {
            server,
            name: order.name.clone(),
            provider: "simulated".to_owned(),
            release: order.release,
            baseline: baseline::Description {
                tenancy: baseline::Tenancy::Dedicated,
                tenant_networks: Vec::new(),
                host: order.name,
                service: order.service,
                control_plane_addresses: vec![ADDRESS.parse().unwrap()],
                admin_networks: Vec::new(),
                operator_keys: Vec::new(),
                time_zone: "UTC".to_owned(),
            },
        };
        new_run(Provision::KIND, server, &plan)
    };
    Box::new(world(new, fleet, |_, provider, ended| {
        at_most("hosts made", provider.creates, 1)?;
        match (ended.outcome, provider.creates - provider.destroys) {
            (Some(Outcome::Done), 1) | (Some(Outcome::RolledBack | Outcome::Failed), 0) => Ok(()),
            (outcome, left) => Err(format!("{outcome:?} with {left} hosts at the provider")),
        }
    }))
}

async fn pass_every_trial(name: &str, make: fn() -> Box<dyn World>) {
    let failed = fail_at_each_step(&make).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let killed = die_at_each_moment(&make).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    println!("{name}: failed at {failed} steps, killed at {killed} points");
    assert!(failed >= 3 && killed >= 4 * failed, "{name}: {failed} steps, {killed} points");
}

#[tokio::test(flavor = "multi_thread")]
async fn patch_passes_every_trial() {
    pass_every_trial("patch", patch).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reboot_passes_every_trial() {
    pass_every_trial("reboot", reboot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_passes_every_trial() {
    pass_every_trial("rollback", rollback).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn provision_passes_every_trial() {
    pass_every_trial("provision", provision).await;
}
