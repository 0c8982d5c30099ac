//! The simulator's own promises.

use std::sync::Arc;

use wire::{FailureKind, Outcome, PackageChange, Probe, UpgradePlan, UpgradeScope};

use super::*;
use crate::FakeClock;

fn boot(builder: HostBuilder) -> Arc<SimulatedHost> {
    builder.boot(Arc::new(FakeClock::default()))
}

fn debian() -> Arc<SimulatedHost> {
    boot(HostBuilder::debian12("web-3"))
}

fn key(text: &str) -> JobKey {
    text.parse().expect("a job key")
}

async fn run(host: &SimulatedHost, name: &str, verb: Verb) -> JobState {
    host.start_job(&key(name), &verb).await.expect("an answer").state
}

async fn plan(host: &SimulatedHost, name: &str) -> UpgradePlan {
    match run(host, name, Verb::PlanUpgrade { scope: UpgradeScope::Security }).await {
        JobState::Succeeded { outcome: Outcome::Planned { plan } } => plan,
        other => panic!("no plan but {other:?}"),
    }
}

/// Plans and stages under the key `stage`.
async fn stage(host: &SimulatedHost) -> JobState {
    let plan = plan(host, "plan").await;
    run(host, "stage", Verb::StagePackages { plan }).await
}

fn install() -> Verb {
    Verb::InstallPackages { staged: key("stage") }
}

fn restore() -> Verb {
    Verb::RestorePackages { staged: key("stage") }
}

fn kind(state: &JobState) -> Option<FailureKind> {
    match state {
        JobState::Failed { failure } => Some(failure.kind),
        JobState::Queued | JobState::Running { .. } | JobState::Succeeded { .. } => None,
    }
}

fn outcome(state: &JobState) -> Option<&Outcome> {
    match state {
        JobState::Succeeded { outcome } => Some(outcome),
        JobState::Queued | JobState::Running { .. } | JobState::Failed { .. } => None,
    }
}

#[tokio::test]
async fn a_plan_takes_in_what_the_scope_says_and_no_held_package() {
    let host = boot(HostBuilder::debian12("web-3").hold("openssl").kernel_update());
    let inventory = host.inventory().await.expect("an inventory");
    assert_eq!(inventory.pending.len(), 5);
    let names: Vec<_> = plan(&host, "plan").await.changes.iter().map(|c| c.name.to_string()).collect();
    assert_eq!(names, ["libssl3", "linux-image-amd64", "linux-image-6.1.0-41-amd64"]);
    let all = run(&host, "all", Verb::PlanUpgrade { scope: UpgradeScope::All }).await;
    let Some(Outcome::Planned { plan }) = outcome(&all) else { panic!("{all:?}") };
    assert_eq!(plan.changes.len(), 4);
}

#[tokio::test]
async fn an_upgrade_installs_exactly_the_plan_once() {
    let host = debian();
    assert!(matches!(outcome(&stage(&host).await), Some(Outcome::Staged { former_kept: true, .. })));
    for _ in 0..3 {
        let state = run(&host, "install", install()).await;
        let Some(Outcome::Installed { restarted }) = outcome(&state) else { panic!("{state:?}") };
        assert_eq!(restarted, &["ssh.service"]);
    }
    assert_eq!(outcome(&run(&host, "again", install()).await), Some(&Outcome::AlreadyDone));
    let inventory = host.inventory().await.expect("an inventory");
    assert_eq!(host.version_of("openssl").as_deref(), Some("3.0.17-1~deb12u3"));
    assert_eq!(host.version_of("tzdata").as_deref(), Some("2025b-0+deb12u1"));
    assert_eq!(inventory.pending.len(), 1);
    assert!(inventory.package_health.is_sound());
    assert_eq!(host.effects(), Effects { boots: 1, stagings: 1, installs: 1, ..Effects::default() });
}

#[tokio::test]
async fn a_key_names_one_job() {
    let host = debian();
    stage(&host).await;
    let conflict = host.start_job(&key("stage"), &Verb::RefreshLists).await;
    assert!(matches!(conflict, Err(AgentError::Conflict { .. })));
    assert!(matches!(host.job(&key("other"), 0).await, Err(AgentError::UnknownJob { .. })));
    host.set_pace(Pace::AfterPolls(2));
    assert_eq!(run(&host, "slow", install()).await, JobState::Queued);
    let busy = host.start_job(&key("refresh"), &Verb::RefreshLists).await;
    assert!(matches!(busy, Err(AgentError::Conflict { .. })));
}

#[tokio::test]
async fn a_slow_job_changes_nothing_before_it_ends_and_numbers_its_log() {
    let host = debian();
    stage(&host).await;
    host.set_pace(Pace::AfterPolls(2));
    let first = host.start_job(&key("install"), &install()).await.expect("an answer");
    assert_eq!((first.next_line, first.ended_at), (1, None));
    let second = host.job(&key("install"), first.next_line).await.expect("an answer");
    assert!(matches!(second.state, JobState::Running { .. }));
    assert_eq!(second.log.iter().map(|line| line.number).collect::<Vec<_>>(), [1]);
    assert_eq!(host.effects().installs, 0);
    let third = host.job(&key("install"), second.next_line).await.expect("an answer");
    assert!(matches!(outcome(&third.state), Some(Outcome::Installed { .. })));
    assert_eq!(host.effects().installs, 1);
    let last = host.job(&key("install"), third.next_line).await.expect("an answer");
    assert!(last.log.is_empty() && last.ended_at.is_some());
}

#[tokio::test]
async fn every_half_way_installation_is_seen_and_restored() {
    for (fault, failure, states) in [
        (Fault::PostinstFails, FailureKind::Packages, ["iF", "ii"]),
        (Fault::PreinstFails, FailureKind::Packages, ["iU", "iU"]),
        (Fault::DiskFullDuringInstall, FailureKind::Packages, ["iU", "iU"]),
        (Fault::KilledDuringInstall, FailureKind::Interrupted, ["iU", "iHR"]),
    ] {
        let host = debian();
        stage(&host).await;
        let before = host.inventory().await.expect("an inventory");
        host.inject(fault);
        assert_eq!(kind(&run(&host, "install", install()).await), Some(failure), "{fault:?}");
        assert!(!host.waits_for(fault));
        let half = host.inventory().await.expect("an inventory");
        let found: Vec<_> = ["libssl3", "openssl"]
            .into_iter()
            .filter_map(|name| half.packages.iter().find(|p| p.name.as_str() == name))
            .map(|package| package.status.0.as_str())
            .collect();
        assert_eq!(found, states, "{fault:?}");
        assert!(!half.package_health.is_sound(), "{fault:?}");
        assert_eq!(half.failed_units.is_empty(), fault != Fault::PreinstFails);

        let restored = run(&host, "restore", restore()).await;
        assert!(matches!(outcome(&restored), Some(Outcome::Restored { .. })), "{fault:?}: {restored:?}");
        assert_eq!(host.inventory().await.expect("an inventory"), before, "{fault:?}");
        assert_eq!(outcome(&run(&host, "twice", restore()).await), Some(&Outcome::AlreadyDone));
        assert_eq!((host.effects().installs, host.effects().restores), (1, 1));
    }
}

#[tokio::test]
async fn success_can_be_a_lie_that_only_looking_again_reveals() {
    let host = debian();
    stage(&host).await;
    host.inject(Fault::PackageSkipped);
    assert!(outcome(&run(&host, "install", install()).await).is_some());
    assert_eq!(host.version_of("libssl3").as_deref(), Some("3.0.16-1~deb12u1"));

    let host = debian();
    stage(&host).await;
    host.inject(Fault::UnitFails);
    assert!(outcome(&run(&host, "install", install()).await).is_some());
    assert_eq!(host.inventory().await.expect("an inventory").failed_units, ["ssh.service"]);
    let probes = vec![Probe::UnitActive { unit: "ssh.service".to_owned() }];
    let probed = run(&host, "probe", Verb::RunProbes { probes: probes.clone() }).await;
    assert_eq!(kind(&probed), Some(FailureKind::NotVerified));
    run(&host, "restore", restore()).await;
    assert_eq!(outcome(&run(&host, "probe-2", Verb::RunProbes { probes }).await), Some(&Outcome::Healthy));
}

#[tokio::test]
async fn refusals_change_nothing() {
    let stale = |plan: &mut UpgradePlan| plan.changes[0].from = Some("0.1-1".parse().expect("a version"));
    let host = debian();
    let mut wrong = plan(&host, "plan").await;
    stale(&mut wrong);
    let before = host.inventory().await.expect("an inventory");
    assert_eq!(kind(&run(&host, "a", Verb::StagePackages { plan: wrong }).await), Some(FailureKind::Stale));
    host.inject(Fault::MirrorDown);
    let good = Verb::StagePackages { plan: plan(&host, "plan").await };
    assert_eq!(kind(&run(&host, "b", good.clone()).await), Some(FailureKind::Unavailable));
    host.inject(Fault::DiskFull);
    assert_eq!(kind(&run(&host, "c", good.clone()).await), Some(FailureKind::NoSpace));
    assert!(outcome(&run(&host, "stage", good).await).is_some());
    host.set_version("openssl", "9.9-1");
    assert_eq!(kind(&run(&host, "d", install()).await), Some(FailureKind::Stale));
    host.set_version("openssl", "3.0.16-1~deb12u1");
    assert_eq!(host.inventory().await.expect("an inventory"), before);
    assert_eq!(host.effects().installs, 0);
    run(&host, "drop", Verb::DropStaged { staged: key("stage") }).await;
    assert_eq!(kind(&run(&host, "e", install()).await), Some(FailureKind::Impossible));
}

#[tokio::test]
async fn a_published_update_is_seen_after_a_refresh_and_outdates_a_plan() {
    let host = debian();
    let old = plan(&host, "plan").await;
    host.publish(Update::security("openssl", "3.0.18-1~deb12u1"));
    assert_eq!(plan(&host, "plan-2").await, old);
    assert_eq!(outcome(&run(&host, "refresh", Verb::RefreshLists).await), Some(&Outcome::Done));
    let staged = run(&host, "stage", Verb::StagePackages { plan: old }).await;
    assert_eq!(kind(&staged), Some(FailureKind::Stale));
}

#[tokio::test]
async fn a_former_version_that_is_gone_makes_package_rollback_impossible() {
    let update = Update::security("openssl", "3.0.17-1~deb12u3").former_gone();
    let host = boot(HostBuilder::debian12("web-3").update(update));
    let staged = stage(&host).await;
    let Some(Outcome::Staged { former_kept: false, former_missing, .. }) = outcome(&staged) else {
        panic!("{staged:?}")
    };
    assert_eq!(former_missing[0].as_str(), "openssl");
    run(&host, "install", install()).await;
    assert_eq!(kind(&run(&host, "restore", restore()).await), Some(FailureKind::Impossible));
}

async fn calls_until_up(host: &SimulatedHost) -> Option<u32> {
    for call in 0..20 {
        if host.hello().await.is_ok() {
            return Some(call);
        }
    }
    None
}

#[tokio::test]
async fn a_reboot_is_away_for_some_calls_and_comes_back_with_a_new_boot_and_kernel() {
    let host = boot(HostBuilder::debian12("web-3").kernel_update());
    stage(&host).await;
    run(&host, "install", install()).await;
    let before = host.inventory().await.expect("an inventory");
    assert!(before.reboot.required);
    assert_eq!(before.kernel.release, HostBuilder::KERNEL);
    let verb = Verb::Reboot { boot_id: before.boot.id.clone() };
    assert!(matches!(run(&host, "reboot", verb.clone()).await, JobState::Running { .. }));
    assert_eq!(calls_until_up(&host).await, Some(SimulatedHost::CALLS_TO_BOOT));
    let after = host.inventory().await.expect("an inventory");
    assert_ne!(after.boot.id, before.boot.id);
    assert_eq!((after.kernel.release.as_str(), after.reboot.required), (HostBuilder::NEW_KERNEL, false));
    assert_eq!(after.kernel.version, "#1 SMP PREEMPT_DYNAMIC Debian 6.1.158-1");
    let job = host.job(&key("reboot"), 0).await.expect("an answer");
    assert_eq!(outcome(&job.state), Some(&Outcome::Done));
    // The same wish under another key finds that the boot is another one already.
    assert_eq!(outcome(&run(&host, "reboot-2", verb).await), Some(&Outcome::AlreadyDone));
    assert_eq!((host.effects().reboots, host.effects().boots), (1, 2));
}

#[tokio::test]
async fn a_host_that_never_returns_is_saved_by_its_disk_only() {
    let host = debian();
    let image = host.capture();
    let boot_id = host.boot_id();
    host.inject(Fault::RebootNeverReturns);
    run(&host, "reboot", Verb::Reboot { boot_id: boot_id.clone() }).await;
    assert_eq!(calls_until_up(&host).await, None);
    host.reset();
    assert_eq!(calls_until_up(&host).await, None);
    host.put_back(&image);
    assert_eq!(calls_until_up(&host).await, Some(SimulatedHost::CALLS_TO_BOOT));
    assert_ne!(host.boot_id(), boot_id);
    assert!(matches!(host.job(&key("reboot"), 0).await, Err(AgentError::UnknownJob { .. })));
    assert_eq!(host.effects().disk_restores, 1);
}

#[tokio::test]
async fn a_reboot_that_did_not_happen_shows_in_the_boot_id() {
    let host = debian();
    let boot_id = host.boot_id();
    host.inject(Fault::SameBootIdAfterReboot);
    run(&host, "reboot", Verb::Reboot { boot_id: boot_id.clone() }).await;
    assert!(calls_until_up(&host).await.is_some());
    assert_eq!(host.hello().await.expect("an answer").boot_id, boot_id);
    assert_eq!(host.effects().reboots, 0);
}

#[tokio::test]
async fn lost_answers_forgotten_jobs_and_cut_networks_cause_no_second_effect() {
    let host = debian();
    stage(&host).await;
    host.inject(Fault::AnswerLost);
    let lost = host.start_job(&key("install"), &install()).await;
    assert!(matches!(lost, Err(AgentError::Unreachable { .. })));
    host.unreachable_for(2);
    assert_eq!(calls_until_up(&host).await, Some(2));
    assert!(outcome(&run(&host, "install", install()).await).is_some());
    host.inject(Fault::ForgetJob);
    assert!(matches!(host.job(&key("install"), 0).await, Err(AgentError::UnknownJob { .. })));
    assert_eq!(outcome(&run(&host, "install", install()).await), Some(&Outcome::AlreadyDone));
    assert_eq!(host.effects().installs, 1);
}

#[tokio::test]
async fn a_power_cut_interrupts_an_installation_half_way() {
    let host = debian();
    stage(&host).await;
    host.set_pace(Pace::AfterPolls(3));
    run(&host, "install", install()).await;
    host.job(&key("install"), 0).await.expect("an answer");
    host.reset();
    assert!(calls_until_up(&host).await.is_some());
    let job = host.job(&key("install"), 0).await.expect("an answer");
    assert_eq!(kind(&job.state), Some(FailureKind::Interrupted));
    assert!(host.inventory().await.expect("an inventory").package_health.interrupted);
    host.power_off();
    assert_eq!(calls_until_up(&host).await, None);
    host.power_on();
    assert!(calls_until_up(&host).await.is_some());
}

#[tokio::test]
async fn trust_is_won_back_with_a_fresh_token_only() {
    let host = debian();
    host.renew_identity(&Redacted::new("first".to_owned())).await.expect("renewed");
    host.inject(Fault::NotTrusted);
    for _ in 0..2 {
        assert!(matches!(host.hello().await, Err(AgentError::NotTrusted { .. })));
    }
    assert!(host.renew_identity(&Redacted::new("first".to_owned())).await.is_err());
    host.renew_identity(&Redacted::new("second".to_owned())).await.expect("renewed");
    assert!(host.hello().await.is_ok());
    assert_eq!(host.effects().identities, 2);
}

#[tokio::test]
async fn two_runs_of_a_test_see_the_same_host() {
    assert_eq!(debian().boot_id(), debian().boot_id());
    assert_eq!(debian().inventory().await.expect("one"), debian().inventory().await.expect("other"));
    let change = PackageChange {
        name: "openssl".parse().expect("a name"),
        architecture: "amd64".to_owned(),
        from: Some("3.0.16-1~deb12u1".parse().expect("a version")),
        to: "3.0.17-1~deb12u3".parse().expect("a version"),
        security: true,
    };
    assert!(plan(&debian(), "plan").await.changes.contains(&change));
}
