//! Jobs across crashes and restarts of the helper. Processes are played by the test.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent::{
    Places,
    jobs::{Jobs, Launcher, Store, work},
};
use async_trait::async_trait;
use wire::{AgentError, FailureKind, JobKey, JobState, Outcome, Probe, Progress, Verb};

/// Processes of jobs, as far as the helper can tell.
#[derive(Default)]
struct Played {
    launched: Mutex<Vec<JobKey>>,
    alive: AtomicBool,
    refuses: AtomicBool,
}

#[async_trait]
impl Launcher for Played {
    async fn launch(&self, key: &JobKey) -> Result<(), String> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err("no systemd".into());
        }
        self.launched.lock().unwrap().push(key.clone());
        self.alive.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn is_alive(&self, _key: &JobKey) -> bool {
        self.alive.load(Ordering::SeqCst)
    }
}

struct Host {
    places: Places,
    played: Arc<Played>,
    _folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { places: Places::below(folder.path()), played: Arc::default(), _folder: folder }
    }

    /// A helper that was just started.
    fn helper(&self) -> Jobs {
        Jobs::with_launcher(&self.places, self.played.clone()).unwrap()
    }

    fn dies(&self) {
        self.played.alive.store(false, Ordering::SeqCst);
    }

    fn begins(&self, key: &JobKey) {
        let store = Store::open(&self.places).unwrap();
        let mut record = store.record(key).unwrap().unwrap();
        record.state = JobState::Running { progress: Progress::default() };
        store.write(key, &record).unwrap();
    }

    fn launches(&self) -> usize {
        self.played.launched.lock().unwrap().len()
    }
}

fn key(text: &str) -> JobKey {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_same_key_is_the_same_job_also_after_a_restart() {
    let host = Host::new();
    host.helper().start(&key("a"), &Verb::RefreshLists).await.unwrap();
    host.begins(&key("a"));
    let again = host.helper().start(&key("a"), &Verb::RefreshLists).await.unwrap();
    assert!(matches!(again.state, JobState::Running { .. }));
    assert_eq!(host.launches(), 1);
    let other = host.helper().start(&key("a"), &Verb::DropStaged { staged: key("b") }).await;
    assert!(matches!(other, Err(AgentError::Conflict { .. })));
    let unknown = host.helper().wait(&key("z"), 0, Duration::ZERO).await;
    assert!(matches!(unknown, Err(AgentError::UnknownJob { .. })));
}

#[tokio::test]
async fn one_job_changes_the_host_at_a_time() {
    let host = Host::new();
    let helper = host.helper();
    helper.start(&key("a"), &Verb::RefreshLists).await.unwrap();
    host.begins(&key("a"));
    let refused = helper.start(&key("b"), &Verb::DropStaged { staged: key("x") }).await;
    assert!(matches!(refused, Err(AgentError::Conflict { reason }) if reason.contains("`a`")));
    assert!(helper.start(&key("p"), &Verb::RunProbes { probes: Vec::new() }).await.is_ok());
    host.dies();
    assert!(helper.start(&key("c"), &Verb::RefreshLists).await.is_ok(), "a dead job holds nothing");
}

#[tokio::test]
async fn a_job_whose_process_died_is_interrupted() {
    let host = Host::new();
    host.helper().start(&key("a"), &Verb::RefreshLists).await.unwrap();
    host.begins(&key("a"));
    host.dies();
    let helper = host.helper();
    helper.settle_all().await;
    let status = helper.wait(&key("a"), 0, Duration::ZERO).await.unwrap();
    assert!(matches!(status.state, JobState::Failed { failure } if failure.kind == FailureKind::Interrupted));
    assert!(status.ended_at.is_some());
}

#[tokio::test]
async fn a_job_that_never_began_is_started_again_and_then_given_up() {
    let host = Host::new();
    host.helper().start(&key("a"), &Verb::RefreshLists).await.unwrap();
    for launches in [2, 3, 3] {
        host.dies();
        host.helper().settle_all().await;
        assert_eq!(host.launches(), launches);
    }
    let status = host.helper().wait(&key("a"), 0, Duration::ZERO).await.unwrap();
    assert!(status.state.has_ended());

    let host = Host::new();
    host.played.refuses.store(true, Ordering::SeqCst);
    let status = host.helper().start(&key("a"), &Verb::RefreshLists).await.unwrap();
    assert!(matches!(status.state, JobState::Failed { failure } if failure.kind == FailureKind::Internal));
}

#[tokio::test]
async fn the_process_writes_down_how_its_verb_ended() {
    let host = Host::new();
    let helper = host.helper();
    let boot = Verb::Reboot { boot_id: "of another boot".into() };
    helper.start(&key("a"), &boot).await.unwrap();
    work(&host.places, &key("a")).await.unwrap();
    let status = helper.wait(&key("a"), 0, Duration::from_secs(60)).await.unwrap();
    assert_eq!(status.state, JobState::Succeeded { outcome: Outcome::AlreadyDone });
    assert!(status.log[0].text.starts_with("reboot by agent") && status.next_line == 1);

    let probes = vec![Probe::UnitActive { unit: "--now".into() }];
    helper.start(&key("b"), &Verb::RunProbes { probes }).await.unwrap();
    work(&host.places, &key("b")).await.unwrap();
    let status = helper.wait(&key("b"), 0, Duration::from_secs(60)).await.unwrap();
    assert!(matches!(status.state, JobState::Failed { failure } if failure.kind == FailureKind::Impossible));
    let install = Verb::InstallPackages { staged: key("never") };
    helper.start(&key("c"), &install).await.unwrap();
    work(&host.places, &key("c")).await.unwrap();
    let status = helper.wait(&key("c"), 0, Duration::from_secs(60)).await.unwrap();
    assert!(matches!(status.state, JobState::Failed { failure } if failure.kind == FailureKind::Impossible));
}
