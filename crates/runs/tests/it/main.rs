//! The engine, with a program that pours water from one jug into another.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use base::{Clock, Problem, RunId};
use jiff::Timestamp;
use runs::{
    AnyProgram, Context, Engine, Event, MemoryStore, NewRun, Next, NoHooks, Outcome, Program, RunRecord,
    RunStore, SignalKind, Status, UndoNext, trial,
};
use serde::{Deserialize, Serialize};

runs::steps! {
    /// How water is poured.
    enum Step {
        /// Looks.
        Look = "look" => "Look into the jugs",
        /// Takes out.
        Draw = "draw" => "Draw water",
        /// Waits.
        Settle = "settle" => "Let it settle",
        /// Pours in.
        Pour = "pour" => "Pour water",
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Jugs {
    left: u32,
    hand: u32,
    right: u32,
    draws: u32,
    pours: u32,
    leaks: bool,
    never_settles: bool,
}

struct Pouring(Arc<Mutex<Jugs>>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered {
    settled: u32,
}

#[derive(Debug, Serialize, Deserialize)]
enum Undo {
    Draw,
    Pour,
}

#[async_trait]
impl Program for Pouring {
    const KIND: &'static str = "pour";
    const STATE_VERSION: u16 = 1;
    type Step = Step;
    type Plan = u32;
    type State = Remembered;
    type Undo = Undo;

    async fn step(&self, step: Step, run: &mut Context<'_, Self>) -> Next<Step> {
        match step {
            Step::Look if self.0.lock().unwrap().left < *run.plan && self.0.lock().unwrap().hand == 0 => {
                Next::RollBack(Problem::new("pour.dry", "there is too little water"))
            }
            Step::Look => Next::Go(Step::Draw),
            Step::Draw => {
                if run.record_undo(&Undo::Draw).await.is_err() {
                    return Next::Go(Step::Settle);
                }
                let mut jugs = self.0.lock().unwrap();
                if jugs.hand == 0 {
                    (jugs.left, jugs.hand, jugs.draws) = (jugs.left - run.plan, *run.plan, jugs.draws + 1);
                }
                drop(jugs);
                run.must_reach(Step::Pour, Duration::from_secs(60));
                Next::Go(Step::Settle)
            }
            Step::Settle if self.0.lock().unwrap().never_settles || run.state.settled < 3 => {
                run.state.settled += 1;
                Next::wait(5, "the water moves")
            }
            Step::Settle => Next::Go(Step::Pour),
            Step::Pour => {
                if run.record_undo(&Undo::Pour).await.is_err() {
                    return Next::finish("");
                }
                let mut jugs = self.0.lock().unwrap();
                if jugs.hand > 0 {
                    (jugs.right, jugs.hand, jugs.pours) = (jugs.right + jugs.hand, 0, jugs.pours + 1);
                }
                if jugs.leaks {
                    return Next::RollBack(Problem::new("pour.leak", "the right jug leaks"));
                }
                Next::finish("the water is in the right jug")
            }
        }
    }

    async fn undo(&self, undo: &Undo, run: &mut Context<'_, Self>) -> UndoNext {
        let mut jugs = self.0.lock().unwrap();
        match undo {
            Undo::Draw if jugs.hand > 0 => (jugs.left, jugs.hand) = (jugs.left + jugs.hand, 0),
            Undo::Pour if jugs.right > 0 => (jugs.hand, jugs.right) = (*run.plan, jugs.right - run.plan),
            Undo::Draw | Undo::Pour => return UndoNext::done("nothing had happened"),
        }
        UndoNext::done("poured back")
    }

    async fn verify_undone(&self, _: &mut Context<'_, Self>) -> UndoNext {
        if self.0.lock().unwrap().hand == 0 {
            UndoNext::done("the hand is empty")
        } else {
            UndoNext::Stuck(Problem::new("pour.wet", "the hand is wet"))
        }
    }
}

struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct Kitchen {
    jugs: Arc<Mutex<Jugs>>,
    clock: Arc<HandClock>,
}

impl Kitchen {
    fn new(jugs: Jugs) -> Self {
        Self {
            jugs: Arc::new(Mutex::new(jugs)),
            clock: Arc::new(HandClock(Mutex::new("2026-11-23T12:00:00Z".parse().unwrap()))),
        }
    }

    fn full() -> Box<dyn trial::World> {
        Box::new(Self::new(Jugs { left: 10, ..Jugs::default() }))
    }

    fn engine(&self, store: Arc<MemoryStore>) -> Engine {
        use trial::World;
        Engine::new(store, self.clock.clone(), Arc::new(NoHooks), "one".into(), self.programs())
    }
}

impl trial::World for Kitchen {
    fn programs(&self) -> Vec<Arc<dyn AnyProgram>> {
        vec![Arc::new(Pouring(self.jugs.clone()))]
    }

    fn new_run(&self) -> NewRun {
        NewRun {
            id: RunId::new(),
            kind: "pour",
            subject: "jugs".into(),
            plan: 4.into(),
            actor: "test".into(),
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn pass_time(&self, until: Timestamp) {
        let mut now = self.clock.0.lock().unwrap();
        *now = until.max(*now);
    }

    fn picture(&self) -> String {
        let jugs = self.jugs.lock().unwrap();
        format!("{} {} {}", jugs.left, jugs.hand, jugs.right)
    }

    fn check(&self, _: &RunRecord) -> Result<(), String> {
        let jugs = self.jugs.lock().unwrap();
        if jugs.draws > 1 || jugs.pours > 1 {
            Err(format!("an effect happened twice: {jugs:?}"))
        } else {
            Ok(())
        }
    }
}

#[tokio::test]
async fn every_step_can_fail_and_is_undone() {
    assert_eq!(trial::fail_at_each_step(&Kitchen::full).await, Ok(4));
}

#[tokio::test]
async fn the_engine_may_die_at_every_moment() {
    let killed = trial::die_at_each_moment(&Kitchen::full).await.unwrap();
    assert!(killed > 40, "only {killed} points were killed");
}

async fn settle(kitchen: &Kitchen, engine: &Engine, store: &MemoryStore, run: RunId) -> RunRecord {
    use trial::World;
    for _ in 0..100 {
        engine.run_until_idle().await.unwrap();
        let record = store.find(run).await.unwrap().unwrap();
        if record.status != Status::Active {
            return record;
        }
        kitchen.pass_time(record.wake_at);
    }
    panic!("the run waits for ever");
}

#[tokio::test]
async fn a_missed_deadline_rolls_back_and_says_so() {
    use trial::World;
    let kitchen = Kitchen::new(Jugs { left: 10, never_settles: true, ..Jugs::default() });
    let store = Arc::new(MemoryStore::default());
    let engine = kitchen.engine(store.clone());
    let run = engine.start(kitchen.new_run()).await.unwrap();
    let record = settle(&kitchen, &engine, &store, run).await;
    assert_eq!(record.outcome, Some(Outcome::RolledBack));
    assert_eq!(record.problem.unwrap().code.0, "run.deadline_missed");
    assert_eq!(kitchen.picture(), "10 0 0");
    assert!(store.journal(run).iter().any(|line| line.event == Event::DeadlineMissed));
}

#[tokio::test]
async fn a_failure_before_any_change_is_failed_not_rolled_back() {
    use trial::World;
    let kitchen = Kitchen::new(Jugs { left: 1, ..Jugs::default() });
    let store = Arc::new(MemoryStore::default());
    let engine = kitchen.engine(store.clone());
    let run = engine.start(kitchen.new_run()).await.unwrap();
    assert_eq!(settle(&kitchen, &engine, &store, run).await.outcome, Some(Outcome::Failed));
}

#[tokio::test]
async fn one_open_run_per_subject_and_cancel_undoes() {
    use trial::World;
    let kitchen = Kitchen::new(Jugs { left: 10, ..Jugs::default() });
    let store = Arc::new(MemoryStore::default());
    let engine = kitchen.engine(store.clone());
    let run = engine.start(kitchen.new_run()).await.unwrap();
    assert!(engine.start(kitchen.new_run()).await.is_err());
    engine.run_until_idle().await.unwrap();
    assert_eq!(kitchen.picture(), "6 4 0");
    engine.signal(run, SignalKind::Pause, "ann").await.unwrap();
    engine.run_until_idle().await.unwrap();
    assert_eq!(store.find(run).await.unwrap().unwrap().status, Status::Paused);
    engine.signal(run, SignalKind::Cancel, "ann").await.unwrap();
    let record = settle(&kitchen, &engine, &store, run).await;
    assert_eq!(record.outcome, Some(Outcome::RolledBack));
    assert_eq!(kitchen.picture(), "10 0 0");
    assert!(engine.start(kitchen.new_run()).await.is_ok());
}

#[tokio::test]
async fn a_clock_set_back_does_not_put_a_run_to_sleep() {
    use trial::World;
    let kitchen = Kitchen::new(Jugs { left: 10, ..Jugs::default() });
    let store = Arc::new(MemoryStore::default());
    let engine = kitchen.engine(store.clone());
    let run = engine.start(kitchen.new_run()).await.unwrap();
    engine.run_until_idle().await.unwrap();
    *kitchen.clock.0.lock().unwrap() = "2026-11-20T12:00:00Z".parse().unwrap();
    assert_eq!(settle(&kitchen, &engine, &store, run).await.outcome, Some(Outcome::Done));
    assert_eq!(kitchen.picture(), "6 0 4");
}

#[tokio::test]
async fn a_stored_step_nobody_knows_parks_the_run() {
    use trial::World;
    let kitchen = Kitchen::new(Jugs { left: 10, ..Jugs::default() });
    let store = Arc::new(MemoryStore::default());
    let engine = kitchen.engine(store.clone());
    let run = engine.start(kitchen.new_run()).await.unwrap();
    let lease = runs::Lease { owner: "other".into(), until: kitchen.clock.now() };
    let mut record = store.claim(&lease, kitchen.clock.now()).await.unwrap().unwrap();
    record.step = "stir".into();
    store.commit(&record, &lease, &[], &runs::Closing { release: true, obeyed: None }).await.unwrap();
    let record = settle(&kitchen, &engine, &store, run).await;
    assert_eq!(record.status, Status::NeedsOperator);
    assert_eq!(record.problem.unwrap().code.0, "run.unreadable");
}
