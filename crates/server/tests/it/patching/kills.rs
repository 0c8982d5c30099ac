//! Killed at every moment with the real store: the process is gone, and another opens
//! the same data directory and goes on.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use base::{Clock, RunId};
use runs::{Hooks, Moment, Outcome, Phase, RunRecord, RunStore, Status, Verdict, trial::Point};
use testkit::HostBuilder;

use crate::app::{Setup, TestApp, in_short};

/// Spoils one step, and dies once.
#[derive(Default)]
struct Script {
    fail_at: Option<&'static str>,
    die_at: Option<Point>,
    died: Mutex<bool>,
    passed: Mutex<BTreeSet<Point>>,
}

impl Hooks for Script {
    fn at(&self, moment: Moment, run: &RunRecord) -> Verdict {
        let point = Point::of(moment, run);
        self.passed.lock().unwrap().insert(point.clone());
        if self.die_at.as_ref() == Some(&point) && !std::mem::replace(&mut *self.died.lock().unwrap(), true) {
            return Verdict::Die;
        }
        let forward = run.phase == Phase::Forward && moment == Moment::AfterEffect;
        if forward && self.fail_at == Some(run.step.as_str()) {
            return Verdict::Fail;
        }
        Verdict::GoOn
    }
}

/// Carries the run to its end, opening the control plane anew whenever it dies.
async fn carry(mut app: TestApp, script: &Script, run: RunId) -> (TestApp, RunRecord) {
    let mut deaths = false;
    for _ in 0..10_000 {
        app.app.patching.engine().run_until_idle().await.unwrap();
        let dead = *script.died.lock().unwrap();
        if dead && !deaths {
            deaths = true;
            app = app.restart().await;
            continue;
        }
        let record = app.app.resources.runs.find(run).await.unwrap().expect("the run is on record");
        if record.status != Status::Active {
            return (app, record);
        }
        if record.wake_at > app.clock.now() {
            app.clock.set(record.wake_at);
        }
    }
    panic!("the run waits for ever");
}

async fn play(fail_at: Option<&'static str>, die_at: Option<Point>) -> BTreeSet<Point> {
    let script = Arc::new(Script { fail_at, die_at: die_at.clone(), ..Script::default() });
    let app = TestApp::with(Setup { hooks: script.clone(), ..Setup::default() }).await;
    let (server, host) = app.server(HostBuilder::debian12("web-3").kernel_update()).await;
    let run = app.patch(&app.plan(&server).await).await;
    let (app, ended) = carry(app, &script, run).await;

    let told = format!("killed at {die_at:?}, failed at {fail_at:?}: {ended:#?}");
    let expected = if fail_at.is_some() { Outcome::RolledBack } else { Outcome::Done };
    let fits = ended.outcome == Some(expected) || ended.outcome == Some(Outcome::Failed) && fail_at.is_some();
    assert!(fits, "{told}");
    let effects = host.effects();
    assert!(effects.installs <= 1 && effects.stagings <= 1 && effects.restores <= 1, "{effects:?}: {told}");
    assert!(app.provider.effects().snapshots <= 1 && app.provider.effects().restores == 0, "{told}");
    let version = host.version_of("openssl");
    let planned = if fail_at.is_some() { "3.0.16-1~deb12u1" } else { "3.0.17-1~deb12u3" };
    assert_eq!(version.as_deref(), Some(planned), "{told}");
    assert!(!app.known(server.id).await.in_maintenance, "{told}");
    let entries: Vec<_> =
        app.audit().await.iter().filter(|line| line.entry.run == Some(run)).map(in_short).collect();
    let distinct: BTreeSet<_> = entries.iter().collect();
    assert_eq!(distinct.len(), entries.len(), "an entry was written twice: {entries:?}: {told}");
    assert_eq!(app.app.audit.verify().await.unwrap().fault, None, "{told}");
    let journal = app.app.patching.journal(run, 0).await.unwrap();
    let finished = journal.iter().filter(|line| line.line.event == runs::Event::Finished).count();
    assert_eq!(finished, 1, "{told}");
    script.passed.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_survives_being_killed_at_every_moment() {
    let mut killed = 0;
    // Undisturbed; failed before anything is installed; failed in the middle; at the end.
    for fail_at in [None, Some("stage_packages"), Some("install_packages"), Some("verify")] {
        for point in play(fail_at, None).await {
            play(fail_at, Some(point)).await;
            killed += 1;
        }
    }
    println!("patch over the real store: killed at {killed} points");
    assert!(killed > 100, "only {killed} points");
}
