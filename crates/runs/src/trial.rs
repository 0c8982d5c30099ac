//! Trials that any program must pass: it is failed at every step, and its engine is
//! killed at every moment of every step and undo. A program's tests call these with a
//! simulated world; nothing here knows what the world is.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use base::{Clock, RunId};
use jiff::Timestamp;

use crate::{
    AnyProgram, Engine, Hooks, MemoryStore, Moment, NewRun, Outcome, Phase, RunRecord, RunStore, Status,
    Verdict,
};

/// What a program acts on, in memory.
pub trait World: Send + Sync {
    /// The program under trial, and any it starts.
    fn programs(&self) -> Vec<Arc<dyn AnyProgram>>;
    /// The run under trial.
    fn new_run(&self) -> NewRun;
    /// The world's clock.
    fn clock(&self) -> Arc<dyn Clock>;
    /// Moves that clock to the next moment at which a run is due.
    fn pass_time(&self, until: Timestamp);
    /// All of the world that a rollback must bring back, as comparable text.
    fn picture(&self) -> String;
    /// What must hold whatever happened, such as "one install".
    fn check(&self, ended: &RunRecord) -> Result<(), String>;
}

/// The place of the check that follows all undos. No step can have this name: names of
/// steps have no spaces.
const CHECK_UNDONE: &str = "check undone";

/// A moment of one step or undo.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The step; or `undo` and the step whose effect is undone; or `check undone`.
    pub place: String,
    /// When in it.
    pub moment: Moment,
}

impl Point {
    /// The point at which this run is at this moment.
    pub fn of(moment: Moment, run: &RunRecord) -> Self {
        let place = match run.phase {
            Phase::Forward => run.step.clone(),
            Phase::Undoing => match run.undo.last() {
                Some(undo) => format!("undo {}", undo.step),
                None => CHECK_UNDONE.to_owned(),
            },
            Phase::Verifying => CHECK_UNDONE.to_owned(),
        };
        Self { place, moment }
    }
}

#[derive(Default)]
struct Script {
    fail_at: Option<String>,
    die_at: Option<Point>,
    died: Mutex<bool>,
    failed: Mutex<bool>,
    passed: Mutex<BTreeSet<Point>>,
}

fn once(flag: &Mutex<bool>) -> bool {
    !std::mem::replace(&mut *flag.lock().unwrap_or_else(PoisonError::into_inner), true)
}

impl Hooks for Script {
    fn at(&self, moment: Moment, run: &RunRecord) -> Verdict {
        let point = Point::of(moment, run);
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).insert(point.clone());
        if self.die_at.as_ref() == Some(&point) && once(&self.died) {
            return Verdict::Die;
        }
        let forward = run.phase == Phase::Forward && moment == Moment::AfterEffect;
        if forward && self.fail_at.as_deref() == Some(run.step.as_str()) && once(&self.failed) {
            return Verdict::Fail;
        }
        Verdict::GoOn
    }
}

/// How one trial ended.
#[derive(Debug)]
pub struct Ended {
    /// The run at its end.
    pub record: RunRecord,
    /// Every point it passed.
    pub passed: Vec<Point>,
}

/// More than any program needs. A run that is not at rest by then waits for ever.
const TURNS: usize = 10_000;

async fn play(world: &dyn World, script: Script) -> Result<Ended, String> {
    let store = Arc::new(MemoryStore::default());
    let script = Arc::new(script);
    let new = world.new_run();
    let run: RunId = new.id;
    let engine = |owner: &str| {
        Engine::new(store.clone(), world.clock(), script.clone(), owner.to_owned(), world.programs())
    };
    let mut at_work = engine("first");
    at_work.start(new).await.map_err(|error| error.to_string())?;
    let mut deaths = 0;
    for _ in 0..TURNS {
        at_work.run_until_idle().await.map_err(|error| error.to_string())?;
        let dead = usize::from(*script.died.lock().unwrap_or_else(PoisonError::into_inner));
        if dead > deaths {
            deaths = dead;
            store.release_all();
            at_work = engine("second");
            continue;
        }
        let record = store.find(run).await.map_err(|error| error.to_string())?.ok_or("the run is gone")?;
        match record.status {
            Status::Active => world.pass_time(record.wake_at),
            Status::Finished | Status::Paused | Status::NeedsOperator => {
                let passed = script.passed.lock().unwrap_or_else(PoisonError::into_inner);
                return Ok(Ended { record, passed: passed.iter().cloned().collect() });
            }
        }
    }
    Err("the run waits for ever".to_owned())
}

/// Plays the run undisturbed.
pub async fn undisturbed(world: &dyn World) -> Result<Ended, String> {
    let ended = play(world, Script::default()).await?;
    world.check(&ended.record)?;
    Ok(ended)
}

/// Fails the run after the effect of each step in turn; each time everything must be
/// as it was. Returns how many steps were failed.
pub async fn fail_at_each_step(make: &(dyn Fn() -> Box<dyn World> + Sync)) -> Result<usize, String> {
    let steps = steps_passed(&undisturbed(&*make()).await?);
    for step in &steps {
        let world = make();
        let before = world.picture();
        let ended = play(&*world, Script { fail_at: Some(step.clone()), ..Script::default() }).await?;
        let fitting = matches!(ended.record.outcome, Some(Outcome::RolledBack | Outcome::Failed));
        if !fitting {
            return Err(format!("failed at `{step}`, it ended as {:?}", ended.record));
        }
        if world.picture() != before {
            return Err(format!(
                "failed at `{step}`, things are not as they were.\nbefore: {before}\nafter: {}",
                world.picture()
            ));
        }
        world.check(&ended.record).map_err(|fault| format!("failed at `{step}`: {fault}"))?;
    }
    Ok(steps.len())
}

/// Kills the engine at each moment of each step in turn, and, for a run that is failed
/// at each step, at each moment of each undo. Every time the run must end, done or
/// rolled back. Returns how many points were killed.
pub async fn die_at_each_moment(make: &(dyn Fn() -> Box<dyn World> + Sync)) -> Result<usize, String> {
    let smooth = undisturbed(&*make()).await?;
    let mut killed = 0;
    let spoil = std::iter::once(None).chain(steps_passed(&smooth).into_iter().map(Some));
    for fail_at in spoil {
        let plain = Script { fail_at: fail_at.clone(), ..Script::default() };
        for point in play(&*make(), plain).await?.passed {
            let world = make();
            let before = world.picture();
            let script =
                Script { fail_at: fail_at.clone(), die_at: Some(point.clone()), ..Script::default() };
            let ended =
                play(&*world, script).await.map_err(|fault| format!("killed at {point:?}: {fault}"))?;
            let told = || format!("killed at {point:?}, failed at {fail_at:?}: {:?}", ended.record);
            match ended.record.outcome {
                Some(Outcome::Done) => {}
                Some(Outcome::RolledBack | Outcome::Failed) if world.picture() == before => {}
                _ => return Err(told()),
            }
            world.check(&ended.record).map_err(|fault| format!("{}: {fault}", told()))?;
            killed += 1;
        }
    }
    Ok(killed)
}

fn steps_passed(ended: &Ended) -> Vec<String> {
    let steps: BTreeSet<_> = ended
        .passed
        .iter()
        .filter(|point| point.moment == Moment::AfterEffect && !point.place.starts_with("undo "))
        .map(|point| point.place.clone())
        .filter(|place| place != CHECK_UNDONE)
        .collect();
    steps.into_iter().collect()
}
