//! Everything that can go wrong in a patch run, and the end it must come to: the update
//! in effect, the host as it was, or a person asked. Never anything in between.

use std::sync::Arc;

use providers::Capabilities;
use runs::{Outcome, Status};
use server::patching::{PatchPlan, SignedReceipt};
use testkit::{Fault, HostBuilder, ProviderCall, SimulatedHost, Times, Update};
use wire::{AgentApi, Inventory, Probe};

use crate::app::TestApp;

/// How a run must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The update is in effect.
    Done,
    /// It failed with this code, and the host is as it was.
    Back(&'static str),
    /// It failed with this code before anything of the host was changed.
    Untouched(&'static str),
    /// A person is asked, with this code; the server stays in maintenance.
    Asked(&'static str),
}

/// What really happened: installations, package restores, reboots of the host; snapshots
/// and disk restores at the provider.
type Effects = (u32, u32, u32, u32, u32);

struct Case {
    name: &'static str,
    host: fn() -> HostBuilder,
    /// Called between planning and starting.
    spoil: fn(&TestApp, &SimulatedHost, &mut PatchPlan),
    end: End,
    effects: Effects,
}

/// Two libraries, of which one restarts sshd, and a kernel.
fn web() -> HostBuilder {
    HostBuilder::debian12("web-3").kernel_update()
}

/// The libraries only: no reboot is needed.
fn without_kernel() -> HostBuilder {
    HostBuilder::debian12("web-3")
}

fn former_gone() -> HostBuilder {
    web().update(Update::security("openssl", "3.0.17-1~deb12u3").former_gone())
}

fn case(
    name: &'static str,
    spoil: fn(&TestApp, &SimulatedHost, &mut PatchPlan),
    end: End,
    effects: Effects,
) -> Case {
    Case { name, host: web, spoil, end, effects }
}

fn cases() -> Vec<Case> {
    use End::{Asked, Back, Done, Untouched};
    vec![
        case("nothing goes wrong", |_, _, _| {}, Done, (1, 0, 1, 1, 0)),
        Case { host: without_kernel, ..case("no reboot needed", |_, _, _| {}, Done, (1, 0, 0, 1, 0)) },
        case("mirror down once", |_, host, _| host.inject(Fault::MirrorDown), Done, (1, 0, 1, 1, 0)),
        case(
            "mirror down for good",
            |_, host, _| host.inject_times(Fault::MirrorDown, Times::Always),
            Untouched("patch.archive_unavailable"),
            (0, 0, 0, 1, 0),
        ),
        case(
            "disk full while staging",
            |_, host, _| host.inject(Fault::DiskFull),
            Untouched("patch.no_space"),
            (0, 0, 0, 1, 0),
        ),
        case(
            "disk full while installing",
            |_, host, _| host.inject(Fault::DiskFullDuringInstall),
            Back("patch.packages_failed"),
            (1, 1, 0, 1, 0),
        ),
        case(
            "a postinst fails",
            |_, host, _| host.inject(Fault::PostinstFails),
            Back("patch.packages_failed"),
            (1, 1, 0, 1, 0),
        ),
        case(
            "a preinst fails",
            |_, host, _| host.inject(Fault::PreinstFails),
            Back("patch.packages_failed"),
            (1, 1, 0, 1, 0),
        ),
        case(
            "the installation dies",
            |_, host, _| host.inject(Fault::KilledDuringInstall),
            Back("patch.interrupted"),
            (1, 1, 0, 1, 0),
        ),
        case(
            "success is a lie",
            |_, host, _| host.inject(Fault::PackageSkipped),
            Back("patch.not_verified"),
            (1, 1, 2, 1, 0),
        ),
        case(
            "a unit does not come up, with a probe",
            |_, host, plan| {
                plan.probes = vec![Probe::UnitActive { unit: "ssh.service".to_owned() }];
                host.inject(Fault::UnitFails);
            },
            Back("patch.probe_failed"),
            (1, 1, 2, 1, 0),
        ),
        Case {
            host: without_kernel,
            ..case(
                "a unit does not come up, without a probe",
                |_, host, _| host.inject(Fault::UnitFails),
                Back("patch.not_verified"),
                (1, 1, 0, 1, 0),
            )
        },
        case(
            "what was kept is unusable",
            |_, host, _| {
                host.inject(Fault::PostinstFails);
                host.inject(Fault::RestoreImpossible);
            },
            Back("patch.packages_failed"),
            (1, 0, 0, 1, 1),
        ),
        case(
            "restoring packages fails",
            |_, host, _| {
                host.inject(Fault::PostinstFails);
                host.inject(Fault::RestoreFails);
            },
            Back("patch.packages_failed"),
            (1, 1, 0, 1, 1),
        ),
        Case {
            host: former_gone,
            ..case(
                "a former version cannot be had",
                |_, host, _| host.inject(Fault::PostinstFails),
                Back("patch.packages_failed"),
                (1, 0, 0, 1, 1),
            )
        },
        case(
            "package rollback is switched off",
            |_, host, plan| {
                plan.without_package_rollback = true;
                host.inject(Fault::PostinstFails);
            },
            Back("patch.packages_failed"),
            (1, 0, 0, 1, 1),
        ),
        case(
            "the host does not come back",
            |_, host, _| host.inject(Fault::RebootNeverReturns),
            Back("run.deadline_missed"),
            (1, 0, 1, 1, 1),
        ),
        case(
            "the boot stays the same",
            |_, host, _| host.inject(Fault::SameBootIdAfterReboot),
            Back("run.deadline_missed"),
            (1, 1, 0, 1, 0),
        ),
        case(
            "a probe fails once",
            |_, host, plan| {
                plan.probes = vec![Probe::UnitActive { unit: "ssh.service".to_owned() }];
                host.inject(Fault::ProbeFails);
            },
            Done,
            (1, 0, 1, 1, 0),
        ),
        case(
            "a probe fails for good, whatever is put back",
            |_, host, plan| {
                plan.probes = vec![Probe::UnitActive { unit: "ssh.service".to_owned() }];
                host.inject_times(Fault::ProbeFails, Times::Always);
            },
            Asked("patch.rollback_stuck"),
            (1, 1, 2, 1, 1),
        ),
        case("an answer is lost", |_, host, _| host.inject(Fault::AnswerLost), Done, (1, 0, 1, 1, 0)),
        case("a job is forgotten", |_, host, _| host.inject(Fault::ForgetJob), Done, (1, 0, 1, 1, 0)),
        case(
            "no trust",
            |_, host, _| host.inject_times(Fault::NotTrusted, Times::Always),
            Untouched("run.deadline_missed"),
            (0, 0, 0, 0, 0),
        ),
        case("silent for a while", |_, host, _| host.unreachable_for(5), Done, (1, 0, 1, 1, 0)),
        case(
            "silent for good",
            |_, host, _| host.unreachable_for(u32::MAX),
            Untouched("run.deadline_missed"),
            (0, 0, 0, 0, 0),
        ),
        case(
            "a slow host",
            |_, host, _| {
                host.set_pace(testkit::Pace::AfterPolls(7));
                host.set_calls_to_boot(40);
            },
            Done,
            (1, 0, 1, 1, 0),
        ),
        case(
            "another hand has changed a package",
            |_, host, _| host.set_version("openssl", "9.9-1"),
            Untouched("patch.plan_stale"),
            (0, 0, 0, 0, 0),
        ),
        case(
            "the provider is away for a while",
            |app, _, _| app.provider.fail(ProviderCall::TakeSnapshot, 3),
            Done,
            (1, 0, 1, 1, 0),
        ),
        case(
            "the provider is away for good",
            |app, _, _| app.provider.fail(ProviderCall::TakeSnapshot, u32::MAX),
            Untouched("provider.failed"),
            (0, 0, 0, 0, 0),
        ),
        case(
            "the provider's answer is lost",
            |app, _, _| app.provider.lose_answer(ProviderCall::TakeSnapshot),
            Done,
            (1, 0, 1, 1, 0),
        ),
        case(
            "the provider's answer to a restore is lost",
            |app, host, _| {
                app.provider.lose_answer(ProviderCall::Restore);
                host.inject(Fault::PostinstFails);
                host.inject(Fault::RestoreImpossible);
            },
            Back("patch.packages_failed"),
            // Putting the same disk back twice is the same as putting it back once.
            (1, 0, 0, 1, 2),
        ),
        case(
            "no way back: the disk cannot be restored either",
            |app, host, _| {
                app.provider.fail(ProviderCall::Restore, u32::MAX);
                host.inject(Fault::PostinstFails);
                host.inject(Fault::RestoreImpossible);
            },
            Asked("run.deadline_missed"),
            (1, 0, 0, 1, 0),
        ),
        case(
            "trust is lost on the way and the disk brings it back",
            |_, host, _| {
                host.inject(Fault::PostinstFails);
                host.inject(Fault::RestoreImpossible);
                host.inject_times(Fault::AnswerLost, Times::Count(2));
            },
            Back("patch.packages_failed"),
            (1, 0, 0, 1, 1),
        ),
    ]
}

/// What a rollback must bring back, as text.
fn software(inventory: &Inventory) -> String {
    let packages: Vec<_> = inventory
        .packages
        .iter()
        .map(|package| format!("{} {} {}", package.name, package.version, package.status.0))
        .collect();
    let (health, failed) = (&inventory.package_health, &inventory.failed_units);
    format!("{packages:#?} {health:?} {failed:?} {}", inventory.kernel.release)
}

async fn observed(host: &SimulatedHost) -> Inventory {
    for _ in 0..200 {
        if let Ok(inventory) = host.inventory().await {
            return inventory;
        }
    }
    panic!("the host is away for good");
}

async fn play(case: &Case) -> Result<(), String> {
    let mut app = TestApp::new().await;
    let (server, host) = app.server((case.host)()).await;
    let mut plan = app.plan(&server).await;
    let before = observed(&host).await;
    (case.spoil)(&app, &host, &mut plan);
    let disturbed = host.version_of("openssl");
    let run = app.patch(&plan).await;
    let ended = app.settle(run).await;
    app.leave_runs_open();

    let code = ended.problem.as_ref().map(|problem| problem.code.0.clone()).unwrap_or_default();
    let told = format!("{ended:#?}\n{:#?}", app.app.patching.journal(run, 0).await.unwrap());
    let found = match (ended.status, ended.outcome) {
        (Status::Finished, Some(Outcome::Done)) => End::Done,
        (Status::Finished, Some(Outcome::RolledBack)) => End::Back(code.leak()),
        (Status::Finished, Some(Outcome::Failed)) => End::Untouched(code.leak()),
        (Status::NeedsOperator, None) => End::Asked(code.leak()),
        other => return Err(format!("it ended as {other:?}: {told}")),
    };
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {told}")) };
    must(found == case.end, &format!("expected {:?}, found {found:?}", case.end))?;
    let (on_host, at_provider) = (host.effects(), app.provider.effects());
    let effects =
        (on_host.installs, on_host.restores, on_host.reboots, at_provider.snapshots, at_provider.restores);
    must(effects == case.effects, &format!("expected {:?}, found {effects:?}", case.effects))?;

    let audited = app.audited(run).await;
    let says = |entry: &str| audited.iter().filter(|found| *found == entry).count() == 1;
    let installed = on_host.installs > 0;
    must(says("run.start.patch begun"), "the start is not audited")?;
    match found {
        End::Done => must(says("security.patch begun") && says("security.patch done"), "no end is audited")?,
        End::Back(_) | End::Untouched(_) => {
            must(says("security.patch failed"), &format!("the failure is not audited: {audited:?}"))?
        }
        End::Asked(_) => {}
    }
    if installed && matches!(found, End::Back(_)) {
        let both = says("security.patch.rollback begun") && says("security.patch.rollback done");
        must(both, &format!("the rollback is not audited: {audited:?}"))?;
    }
    must(!says("snapshot_skipped done"), "a snapshot was skipped")?;
    must(app.app.audit.verify().await.unwrap().fault.is_none(), "the trail is broken")?;

    let known = app.known(server.id).await;
    must(known.in_maintenance == matches!(found, End::Asked(_)), "in maintenance, or not, wrongly")?;
    let receipt = app.app.patching.receipt(run).await;
    match found {
        End::Done => {
            let now = observed(&host).await;
            must(host.version_of("openssl").as_deref() == Some("3.0.17-1~deb12u3"), "not installed")?;
            must(now.package_health.is_sound() && now.failed_units.is_empty(), "not sound")?;
            must(!now.reboot.required, "a reboot is still needed")?;
            must(receipt.is_ok(), "no receipt")?;
        }
        End::Back(_) => {
            must(software(&observed(&host).await) == software(&before), "the host is not as it was")?;
            must(receipt.is_ok() == (on_host.stagings > 0), "a receipt, or none, wrongly")?;
        }
        End::Untouched(_) => {
            must(host.version_of("openssl") == disturbed, "the host was touched")?;
            must(receipt.is_err(), "a receipt of nothing")?;
        }
        End::Asked(_) => must(receipt.is_err(), "a receipt before the end")?,
    }
    if let Ok(text) = receipt {
        let key = app.app.resources.receipts.public_key();
        let (receipt, _) = SignedReceipt::verify(&text, Some(&key)).map_err(|error| error.to_string())?;
        let outcome = if found == End::Done { "done" } else { "rolled_back" };
        must(receipt.outcome == outcome && receipt.run == run, "the receipt is of something else")?;
        must((receipt.packages.len() >= 2) == (found == End::Done), "the receipt has other packages")?;
    }
    // A disk restore brings old keys back, so the agent must have made new ones.
    let enrolled = app.agents.enrolled.lock().unwrap().len() as u32;
    must(enrolled == at_provider.restores.min(1), &format!("{enrolled} new identities"))?;
    must(known.agent_certificate.is_some() == (enrolled > 0), "the new identity is not known")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_comes_to_its_end() {
    let mut wrong = Vec::new();
    for case in cases() {
        if let Err(fault) = play(&case).await {
            wrong.push(format!("== {}: {fault}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_snapshots_it_says_so_and_goes_back_by_packages_only() {
    for (stuck, fault) in [(false, Fault::ProbeFails), (true, Fault::RestoreImpossible)] {
        let mut app = TestApp::new().await;
        app.provider.set_capabilities(Capabilities {
            snapshots: false,
            restore_in_place: false,
            firewall: false,
        });
        let (server, host) = app.server(web()).await;
        let plan = app.plan(&server).await;
        assert!(plan.ways_back()[1].starts_with("no disk snapshot: "), "{:?}", plan.ways_back());
        host.inject(Fault::PostinstFails);
        host.inject(fault);
        let run = app.patch(&plan).await;
        let ended = app.settle(run).await;
        assert!(app.audited(run).await.contains(&"snapshot_skipped done".to_owned()));
        assert_eq!(app.provider.effects().snapshots, 0);
        match stuck {
            false => assert_eq!(ended.outcome, Some(Outcome::RolledBack)),
            true => assert_eq!(ended.status, Status::NeedsOperator),
        }
        app.leave_runs_open();
    }
}

/// A person is asked, repairs, and resumes: the run comes to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_rollback_goes_on_where_it_was_stuck() {
    let app = TestApp::new().await;
    let (server, host) = app.server(web()).await;
    host.inject(Fault::PostinstFails);
    host.inject(Fault::RestoreImpossible);
    app.provider.fail(ProviderCall::Restore, u32::MAX);
    let run = app.patch(&app.plan(&server).await).await;
    assert_eq!(app.settle(run).await.status, Status::NeedsOperator);
    app.provider.fail(ProviderCall::Restore, 0);
    app.app.patching.signal(&crate::app::ann(), run, runs::SignalKind::Resume).await.unwrap();
    let ended = app.settle(run).await;
    assert_eq!((ended.status, ended.outcome), (Status::Finished, Some(Outcome::RolledBack)), "{ended:#?}");
    assert!(!app.known(server.id).await.in_maintenance);
}

/// Trust that was lost after the snapshot was taken is won back by the disk: the agent
/// makes new keys with a fresh token, once.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_lost_its_trust_is_trusted_again_after_a_disk_restore() {
    let app = TestApp::new().await;
    let (server, host) = app.server(web()).await;
    let plan = app.plan(&server).await;
    let hooked = Arc::clone(&host);
    host.inject(Fault::PostinstFails);
    let run = app.patch(&plan).await;
    let engine = app.app.patching.engine();
    let mut events = engine.events();
    let watch = async {
        while let Ok(event) = events.recv().await {
            if let runs::RunEvent::Changed { run } = event
                && app.run(run).await.phase == runs::Phase::Undoing
            {
                hooked.inject_times(Fault::NotTrusted, Times::Always);
                return;
            }
        }
    };
    let (ended, ()) = tokio::join!(app.settle(run), watch);
    assert!(matches!(ended.outcome, Some(Outcome::RolledBack)), "{ended:#?}");
    assert_eq!(app.agents.enrolled.lock().unwrap().len() as u32, app.provider.effects().restores);
}

/// A host that never answers again: the runs that act on it end all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_host_keeps_no_run_waiting_for_ever() {
    let app = TestApp::new().await;
    let (server, host) = app.server(web()).await;
    host.unreachable_for(u32::MAX);
    let reboot = app.app.patching.reboot(&crate::app::ann(), &server).await.unwrap();
    let ended = app.settle(reboot).await;
    assert_eq!(ended.outcome, Some(Outcome::Failed), "{ended:#?}");
    assert_eq!(ended.problem.unwrap().code.0, "run.deadline_missed");
}
