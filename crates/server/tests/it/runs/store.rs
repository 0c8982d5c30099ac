//! What every store of runs must do: the same table over the one in memory, which trials
//! use, and the one in the database.

use std::{sync::Arc, time::Duration};

use base::RunId;
use jiff::Timestamp;
use runs::{
    Closing, Event, JournalLine, Lease, MemoryStore, Next, Outcome, Phase, RunRecord, RunStore, Signal,
    SignalKind, Status, StoreError,
};
use server::patching::RunTable;

fn now() -> Timestamp {
    "2026-11-24T09:00:00Z".parse().unwrap()
}

/// A commit that gives the lease back.
const CLOSED: Closing = Closing { release: true, obeyed: None };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lease(owner: &str, until: Timestamp) -> Lease {
    Lease { owner: owner.to_owned(), until }
}

fn soon(owner: &str) -> Lease {
    lease(owner, now() + seconds(30))
}

fn record(subject: &str) -> RunRecord {
    RunRecord {
        id: RunId::new(),
        kind: "patch".to_owned(),
        subject: subject.to_owned(),
        plan: serde_json::json!({ "name": "web-3" }),
        step: "check_host".to_owned(),
        state: serde_json::json!({}),
        state_version: 1,
        undo: Vec::new(),
        undone: 0,
        phase: Phase::Forward,
        status: Status::Active,
        attempt: 0,
        wake_at: now(),
        deadline: None,
        problem: None,
        outcome: None,
        summary: None,
        actor: "operator:ann".to_owned(),
        created_at: now(),
        ended_at: None,
    }
}

fn line(record: &RunRecord) -> JournalLine {
    record.line(now(), Event::Created, "asked for")
}

async fn created(store: &dyn RunStore, subject: &str) -> RunRecord {
    let record = record(subject);
    store.create(&record, line(&record)).await.unwrap();
    record
}

fn ended(mut record: RunRecord) -> RunRecord {
    (record.status, record.outcome, record.ended_at) = (Status::Finished, Some(Outcome::Done), Some(now()));
    record
}

async fn one_open_run_per_subject(store: &dyn RunStore) {
    let first = created(store, "a").await;
    let second = record("a");
    let refused = store.create(&second, line(&second)).await;
    assert!(matches!(refused, Err(StoreError::Busy { open }) if open == first.id), "{refused:?}");
    assert_eq!(store.find(second.id).await.unwrap(), None);
    // Asking again with the same id is no second run.
    store.create(&first, line(&first)).await.unwrap();
    created(store, "b").await;
    store.claim(&soon("x"), now()).await.unwrap().unwrap();
    store.claim(&soon("x"), now()).await.unwrap().unwrap();
    store.commit(&ended(first), &soon("x"), &[], &CLOSED).await.unwrap();
    store.create(&second, line(&second)).await.unwrap();
}

async fn one_engine_has_a_run_at_a_time(store: &dyn RunStore) {
    let run = created(store, "a").await;
    assert_eq!(store.claim(&soon("x"), now()).await.unwrap().as_ref(), Some(&run));
    assert_eq!(store.claim(&soon("y"), now()).await.unwrap(), None);
    assert_eq!(store.claim(&soon("x"), now()).await.unwrap(), None);
    // Not before it is over, and renewing puts that off.
    store.renew(run.id, &lease("x", now() + seconds(60))).await.unwrap();
    assert_eq!(store.claim(&soon("y"), now() + seconds(59)).await.unwrap(), None);
    let later = now() + seconds(60);
    let taken = store.claim(&lease("y", later + seconds(30)), later).await.unwrap();
    assert_eq!(taken.map(|run| run.id), Some(run.id));
}

async fn who_has_lost_its_lease_can_write_nothing(store: &dyn RunStore) {
    let run = created(store, "a").await;
    store.claim(&soon("x"), now()).await.unwrap().unwrap();
    let later = now() + seconds(31);
    store.claim(&lease("y", later + seconds(30)), later).await.unwrap().unwrap();
    let mut moved = run.clone();
    moved.step = "install_packages".to_owned();
    let lost = store.commit(&moved, &soon("x"), &[line(&moved)], &CLOSED).await;
    assert!(matches!(lost, Err(StoreError::LeaseLost { run: lost }) if lost == run.id), "{lost:?}");
    let lost = store.renew(run.id, &soon("x")).await;
    assert!(matches!(lost, Err(StoreError::LeaseLost { .. })), "{lost:?}");
    assert_eq!(store.find(run.id).await.unwrap(), Some(run.clone()));
    // Nor who never had one, nor about a run that is not there.
    assert!(store.renew(RunId::new(), &soon("x")).await.is_err());
    assert!(store.commit(&record("c"), &soon("x"), &[], &CLOSED).await.is_err());
    // The new owner goes on undisturbed.
    store.commit(&moved, &lease("y", later), &[], &Closing::default()).await.unwrap();
    assert_eq!(store.find(run.id).await.unwrap(), Some(moved));
}

async fn a_commit_keeps_the_lease_or_gives_it_back(store: &dyn RunStore) {
    let mut run = created(store, "a").await;
    store.claim(&soon("x"), now()).await.unwrap().unwrap();
    run.state = serde_json::json!({ "tries": 3 });
    store.commit(&run, &soon("x"), &[line(&run)], &Closing::default()).await.unwrap();
    assert_eq!(store.claim(&soon("y"), now()).await.unwrap(), None);
    store.commit(&run, &soon("x"), &[], &CLOSED).await.unwrap();
    assert_eq!(store.claim(&soon("y"), now()).await.unwrap(), Some(run));
}

async fn a_run_sleeps_until_it_is_due(store: &dyn RunStore) {
    let mut run = created(store, "a").await;
    store.claim(&soon("x"), now()).await.unwrap().unwrap();
    run.wake_at = now() + seconds(300);
    store.commit(&run, &soon("x"), &[], &CLOSED).await.unwrap();
    assert_eq!(store.claim(&soon("x"), now() + seconds(299)).await.unwrap(), None);
    assert_eq!(store.next_wake().await.unwrap(), Some(run.wake_at));
    assert!(store.claim(&soon("x"), now() + seconds(300)).await.unwrap().is_some());
}

async fn a_clock_that_was_set_back_puts_no_run_to_sleep(store: &dyn RunStore) {
    let mut run = created(store, "a").await;
    store.claim(&soon("x"), now()).await.unwrap().unwrap();
    run.wake_at = now() + Next::<()>::LONGEST_WAIT;
    store.commit(&run, &soon("x"), &[], &CLOSED).await.unwrap();
    // The longest wait is a wait.
    assert_eq!(store.claim(&soon("x"), now()).await.unwrap(), None);
    let back = now() - seconds(3600);
    assert!(store.claim(&lease("x", back + seconds(30)), back).await.unwrap().is_some());
}

async fn a_signal_wakes_a_run_that_rests(store: &dyn RunStore) {
    for status in [Status::Paused, Status::NeedsOperator] {
        let mut run = created(store, &status.name()).await;
        store.claim(&soon("x"), now()).await.unwrap().unwrap();
        run.status = status;
        store.commit(&run, &soon("x"), &[], &CLOSED).await.unwrap();
        assert_eq!(store.claim(&soon("x"), now()).await.unwrap(), None);
        let [first, second] = [SignalKind::Resume, SignalKind::Cancel]
            .map(|kind| Signal { kind, actor: "operator:ann".to_owned() });
        store.signal(run.id, &first).await.unwrap();
        store.signal(run.id, &second).await.unwrap();
        let woken = store.claim(&soon("x"), now()).await.unwrap();
        assert_eq!(woken.map(|woken| woken.id), Some(run.id));
        let waiting = store.signals(run.id).await.unwrap();
        assert_eq!(waiting.iter().map(|(_, signal)| signal).collect::<Vec<_>>(), [&first, &second]);
        // Whoever dies before the commit that obeys them leaves them for the next.
        assert_eq!(store.signals(run.id).await.unwrap(), waiting);
        let one = Closing { release: false, obeyed: Some(waiting[0].0) };
        store.commit(&run, &soon("x"), &[], &one).await.unwrap();
        assert_eq!(store.signals(run.id).await.unwrap(), waiting[1..]);
        let rest = Closing { release: true, obeyed: Some(waiting[1].0) };
        store.commit(&run, &soon("x"), &[], &rest).await.unwrap();
        assert_eq!(store.signals(run.id).await.unwrap(), []);
        assert_eq!(store.claim(&soon("x"), now()).await.unwrap(), None);
    }
    let unknown = Signal { kind: SignalKind::Pause, actor: "operator:ann".to_owned() };
    let lost = RunId::new();
    let refused = store.signal(lost, &unknown).await;
    assert!(matches!(refused, Err(StoreError::NotFound { run }) if run == lost), "{refused:?}");
}

async fn a_signal_wakes_a_run_that_sleeps_and_no_run_that_has_ended(store: &dyn RunStore) {
    let mut run = created(store, "a").await;
    store.claim(&soon("x"), now()).await.unwrap().unwrap();
    run.wake_at = now() + seconds(300);
    store.commit(&run, &soon("x"), &[], &CLOSED).await.unwrap();
    let pause = Signal { kind: SignalKind::Pause, actor: "operator:ann".to_owned() };
    store.signal(run.id, &pause).await.unwrap();
    assert!(store.claim(&soon("x"), now()).await.unwrap().is_some());
    assert_eq!(store.signals(run.id).await.unwrap()[0].1, pause);
    store.commit(&ended(run.clone()), &soon("x"), &[], &CLOSED).await.unwrap();
    store.signal(run.id, &pause).await.unwrap();
    assert_eq!(store.claim(&soon("x"), now() + seconds(9000)).await.unwrap(), None);
    assert_eq!(store.next_wake().await.unwrap(), None);
}

macro_rules! table {
    ($($case:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $case() {
            super::$case(&*make().await.0).await;
        })*
    };
}

macro_rules! tables {
    ($make:item) => {
        use super::*;

        $make

        table![
            one_open_run_per_subject,
            one_engine_has_a_run_at_a_time,
            who_has_lost_its_lease_can_write_nothing,
            a_commit_keeps_the_lease_or_gives_it_back,
            a_run_sleeps_until_it_is_due,
            a_clock_that_was_set_back_puts_no_run_to_sleep,
            a_signal_wakes_a_run_that_rests,
            a_signal_wakes_a_run_that_sleeps_and_no_run_that_has_ended,
        ];
    };
}

mod in_memory {
    tables! {
        async fn make() -> (Arc<dyn RunStore>, ()) {
            (Arc::new(MemoryStore::default()), ())
        }
    }
}

mod in_sqlite {
    tables! {
        async fn make() -> (Arc<dyn RunStore>, tempfile::TempDir) {
            let folder = tempfile::tempdir().unwrap();
            let db = server::db::open_sqlite(&folder.path().join("runs.db")).await.unwrap();
            (Arc::new(RunTable::new(db)), folder)
        }
    }
}

/// Many engines over one database: each run is claimed by exactly one.
#[tokio::test(flavor = "multi_thread")]
async fn engines_that_race_share_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    let store = Arc::new(RunTable::new(server::db::open_sqlite(&file).await.unwrap()));
    for subject in 0..24 {
        created(&*store, &subject.to_string()).await;
    }
    let engines = (0..4).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            let mut misses = 0;
            // An engine that has lost every race of one look comes back to it.
            while misses < 8 {
                match store.claim(&soon(&format!("engine {number}")), now()).await.unwrap() {
                    Some(run) => claimed.push(run.id),
                    None => misses += 1,
                }
            }
            claimed
        })
    });
    let mut claimed = Vec::new();
    for engine in engines.collect::<Vec<_>>() {
        claimed.extend(engine.await.unwrap());
    }
    let distinct: std::collections::BTreeSet<_> = claimed.iter().collect();
    assert_eq!((claimed.len(), distinct.len()), (24, 24));
}
