//! Claims due runs, calls their steps, and commits what comes of them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base::{Clock, Problem, RunId};
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast};

use crate::{
    AnyProgram, Closing, Event, Hooks, JournalLine, Lease, Moment, NewRun, Next, Outcome, Phase, RunRecord,
    RunStore, Signal, SignalKind, Status, StoreError, UndoNext, Verdict,
    erased::{BrokenCall, Call, Called},
};

/// How long a lease holds unless renewed. A dead control plane's runs are taken over
/// after at most this long; it is renewed at a third of it, so two renewals may fail.
const LEASE: Duration = Duration::from_secs(30);

/// How often the store is asked for due runs when nothing nudges: a wake-up is only a
/// hint, the question is the truth.
const POLL: Duration = Duration::from_secs(1);

/// Runs that one engine works on at once. Steps mostly wait for hosts, so this is far
/// above the number of cores; it bounds memory and open connections.
const CONCURRENT: usize = 64;

/// Something that those who watch a run may want to show at once.
#[derive(Debug, Clone)]
pub enum RunEvent {
    /// The run, or its journal, has changed in the store.
    Changed {
        /// Which.
        run: RunId,
    },
    /// A step says how far it is.
    Progress {
        /// Which run.
        run: RunId,
        /// Which step.
        step: String,
        /// 0 to 100.
        percent: f32,
        /// What it is at.
        message: String,
    },
}

/// The store, clock, hooks and listeners that a step's [`crate::Context`] writes to.
pub struct Desk {
    store: Arc<dyn RunStore>,
    clock: Arc<dyn Clock>,
    pub(crate) hooks: Arc<dyn Hooks>,
    events: broadcast::Sender<RunEvent>,
    owner: String,
}

impl Desk {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn lease(&self) -> Lease {
        Lease { owner: self.owner.clone(), until: self.now() + LEASE }
    }

    pub(crate) async fn commit(
        &self,
        record: &RunRecord,
        lines: &[JournalLine],
        closing: &Closing,
    ) -> Result<(), StoreError> {
        self.store.commit(record, &self.lease(), lines, closing).await?;
        // Nobody listening is fine.
        let _ = self.events.send(RunEvent::Changed { run: record.id });
        Ok(())
    }

    pub(crate) fn progress(&self, record: &RunRecord, percent: f32, message: String) {
        let event = RunEvent::Progress { run: record.id, step: record.step.clone(), percent, message };
        let _ = self.events.send(event);
    }
}

/// Why the engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No program of this kind is registered.
    #[error("there is no program `{kind}`")]
    UnknownKind {
        /// The kind asked for.
        kind: String,
    },
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Carries every run of every registered program.
pub struct Engine {
    desk: Arc<Desk>,
    programs: BTreeMap<&'static str, Arc<dyn AnyProgram>>,
    nudge: Notify,
    /// Runs that this engine carries now. A wall clock that jumps ends its own leases
    /// early; without this it would then carry the same run twice at once.
    carried: Mutex<HashSet<RunId>>,
}

/// A run's place among those at work; given back also when a step panics.
struct Carried {
    engine: Arc<Engine>,
    run: RunId,
}

impl Carried {
    fn begin(engine: &Arc<Engine>, run: RunId) -> Option<Self> {
        let mut carried = engine.carried.lock().unwrap_or_else(PoisonError::into_inner);
        carried.insert(run).then(|| Self { engine: engine.clone(), run })
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.engine.carried.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
    }
}

/// What became of a run that was worked on.
enum Left {
    /// It rests, waits or has ended; the store knows.
    Released,
    /// It was let go of without a word, as by a process that died.
    Dropped,
}

impl Engine {
    /// An engine for these programs. `owner` names this process in leases.
    pub fn new(
        store: Arc<dyn RunStore>,
        clock: Arc<dyn Clock>,
        hooks: Arc<dyn Hooks>,
        owner: String,
        programs: Vec<Arc<dyn AnyProgram>>,
    ) -> Self {
        let (events, _) = broadcast::channel(1024);
        let desk = Arc::new(Desk { store, clock, hooks, events, owner });
        let programs = programs.into_iter().map(|program| (program.kind(), program)).collect();
        Self { desk, programs, nudge: Notify::new(), carried: Mutex::default() }
    }

    /// What happens from now on. A slow listener misses events, never the store.
    pub fn events(&self) -> broadcast::Receiver<RunEvent> {
        self.desk.events.subscribe()
    }

    /// Stored name and title of each step of a kind, in running order.
    pub fn steps(&self, kind: &str) -> Vec<(&'static str, &'static str)> {
        self.programs.get(kind).map(|program| program.steps()).unwrap_or_default()
    }

    /// Accepts a run. Asking again with the same id changes nothing.
    pub async fn start(&self, new: NewRun) -> Result<RunId, EngineError> {
        let program =
            self.programs.get(new.kind).ok_or_else(|| EngineError::UnknownKind { kind: new.kind.into() })?;
        let now = self.desk.now();
        let (state, state_version) = program.empty_state();
        let record = RunRecord {
            id: new.id,
            kind: new.kind.to_owned(),
            subject: new.subject,
            plan: new.plan,
            step: program.steps().first().map(|(name, _)| (*name).to_owned()).unwrap_or_default(),
            state,
            state_version,
            undo: Vec::new(),
            undone: 0,
            phase: Phase::Forward,
            status: Status::Active,
            attempt: 0,
            wake_at: now,
            deadline: None,
            problem: None,
            outcome: None,
            summary: None,
            actor: new.actor,
            created_at: now,
            ended_at: None,
        };
        let line = record.line(now, Event::Created, format!("Asked for by {}", record.actor));
        self.desk.store.create(&record, line).await?;
        self.nudge.notify_one();
        Ok(record.id)
    }

    /// Leaves a signal for a run.
    pub async fn signal(&self, run: RunId, kind: SignalKind, actor: &str) -> Result<(), EngineError> {
        self.desk.store.signal(run, &Signal { kind, actor: actor.to_owned() }).await?;
        self.nudge.notify_one();
        Ok(())
    }

    /// Works until the future `stop` is ready, then lets the steps at work return.
    pub async fn serve(self: Arc<Self>, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut at_work = tokio::task::JoinSet::new();
        loop {
            while at_work.len() < CONCURRENT {
                match self.desk.store.claim(&self.desk.lease(), self.desk.now()).await {
                    Ok(Some(record)) => {
                        let Some(place) = Carried::begin(&self, record.id) else { break };
                        let engine = self.clone();
                        at_work.spawn(async move {
                            engine.carry(record).await;
                            drop(place);
                        });
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(error = &error as &dyn std::error::Error, "cannot claim runs");
                        break;
                    }
                }
            }
            tokio::select! {
                () = &mut stop => break,
                () = self.nudge.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                Some(ended) = at_work.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a step panicked; its run is tried again when its lease ends");
                    }
                }
            }
        }
        while at_work.join_next().await.is_some() {}
    }

    /// Works until no run is due, one run at a time. For trials and simulations.
    pub async fn run_until_idle(&self) -> Result<(), StoreError> {
        while let Some(record) = self.desk.store.claim(&self.desk.lease(), self.desk.now()).await? {
            if let Left::Dropped = self.carry(record).await {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Carries one claimed run as far as it goes.
    async fn carry(&self, mut record: RunRecord) -> Left {
        let run = record.id;
        let keep = async {
            loop {
                tokio::time::sleep(LEASE / 3).await;
                if let Err(error) = self.desk.store.renew(run, &self.desk.lease()).await {
                    tracing::warn!(%run, error = &error as &dyn std::error::Error, "cannot renew the lease");
                    if matches!(error, StoreError::LeaseLost { .. }) {
                        return;
                    }
                }
            }
        };
        let work = async {
            loop {
                match self.advance(&mut record).await {
                    Ok(Some(left)) => return left,
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(%run, error = &error as &dyn std::error::Error, "cannot write the run");
                        return Left::Dropped;
                    }
                }
            }
        };
        tokio::select! {
            left = work => left,
            // Somebody else has the run now: stop working on it.
            () = keep => Left::Dropped,
        }
    }

    /// One step, one undo or one check, committed. `None` while there is more to do.
    async fn advance(&self, record: &mut RunRecord) -> Result<Option<Left>, StoreError> {
        let mut lines = Vec::new();
        let mut obeyed = None;
        for (number, signal) in self.desk.store.signals(record.id).await? {
            self.obey(record, &signal, &mut lines);
            obeyed = Some(number);
        }
        if obeyed.is_some() {
            let lines = std::mem::take(&mut lines);
            self.desk.commit(record, &lines, &Closing { release: false, obeyed }).await?;
        }
        if record.status != Status::Active {
            return self.settle(record, lines, true).await;
        }
        let Some(program) = self.programs.get(record.kind.as_str()).cloned() else {
            let problem = Problem::new("run.unknown_kind", format!("no program for `{}` runs", record.kind))
                .state("The run rests where it was")
                .next("run the version that started it, or cancel it");
            self.ask(record, problem, &mut lines);
            return self.settle(record, lines, true).await;
        };
        if self.desk.hooks.at(Moment::BeforeStep, record) == Verdict::Die {
            return Ok(Some(Left::Dropped));
        }
        let started = Instant::now();
        let call = match record.phase {
            Phase::Forward => Call::Step,
            Phase::Undoing if record.undo.is_empty() => {
                record.phase = Phase::Verifying;
                record.deadline = None;
                Call::Verify
            }
            Phase::Undoing => Call::Undo,
            Phase::Verifying => Call::Verify,
        };
        if record.attempt == 0 {
            let (event, detail) = match call {
                Call::Step => (Event::StepStarted, title(&*program, &record.step)),
                Call::Undo => {
                    let of = record.undo.last().map(|entry| entry.step.clone()).unwrap_or_default();
                    (Event::UndoStarted, format!("Undo: {}", title(&*program, &of)))
                }
                Call::Verify => (Event::StepStarted, "Verify that things are as they were".to_owned()),
            };
            lines.push(record.line(self.desk.now(), event, detail));
            self.desk.commit(record, &std::mem::take(&mut lines), &Closing::default()).await?;
        }
        let called = program.call(call, record, &self.desk).await;
        let verdict = self.desk.hooks.at(Moment::AfterEffect, record);
        if verdict == Verdict::Die {
            return Ok(Some(Left::Dropped));
        }
        if let Some(deadline) = &mut record.deadline {
            deadline.left = deadline.left.saturating_sub(started.elapsed());
        }
        let released = match called {
            Called::Step(_, mut said) if verdict == Verdict::Fail => {
                lines.append(&mut said);
                let problem = Problem::new("run.failed_on_purpose", "a trial failed this step on purpose");
                self.roll_back(record, problem, &mut lines);
                false
            }
            Called::Step(next, mut said) => {
                lines.append(&mut said);
                self.follow(&*program, record, next, &mut lines)
            }
            Called::Undo(next, mut said) => {
                lines.append(&mut said);
                self.follow_undo(&*program, record, next, &mut lines)
            }
            Called::Unreadable(problem) => {
                self.ask(record, problem, &mut lines);
                true
            }
            Called::Broken(BrokenCall::Died) => return Ok(Some(Left::Dropped)),
            Called::Broken(BrokenCall::Store(error)) => return Err(error),
        };
        self.settle(record, lines, released).await
    }

    async fn settle(
        &self,
        record: &RunRecord,
        lines: Vec<JournalLine>,
        release: bool,
    ) -> Result<Option<Left>, StoreError> {
        self.desk.commit(record, &lines, &Closing { release, obeyed: None }).await?;
        if self.desk.hooks.at(Moment::AfterCommit, record) == Verdict::Die {
            return Ok(Some(Left::Dropped));
        }
        Ok(release.then_some(Left::Released))
    }

    /// Does what a step's answer says. True when the run is to be let go of.
    fn follow(
        &self,
        program: &dyn AnyProgram,
        record: &mut RunRecord,
        next: Next<&'static str>,
        lines: &mut Vec<JournalLine>,
    ) -> bool {
        match next {
            Next::Go(step) => {
                let detail = title(program, &record.step);
                lines.push(record.line(self.desk.now(), Event::StepFinished, detail));
                record.step = step.to_owned();
                record.attempt = 0;
                record.summary = None;
                if record
                    .deadline
                    .as_ref()
                    .is_some_and(|deadline| reached(program, step, &deadline.must_reach))
                {
                    record.deadline = None;
                }
                false
            }
            Next::Wait { pause, why } => {
                if self.wait(record, pause, &why, lines) {
                    return true;
                }
                let problem = self.late(record, &why, lines);
                self.roll_back(record, problem, lines);
                false
            }
            Next::RollBack(problem) => {
                self.roll_back(record, problem, lines);
                false
            }
            Next::Finish { summary } => {
                self.finish(record, Outcome::Done, summary, lines);
                true
            }
            Next::AskOperator(problem) => {
                self.ask(record, problem, lines);
                true
            }
        }
    }

    /// Does what an undo's answer says. True when the run is to be let go of.
    fn follow_undo(
        &self,
        program: &dyn AnyProgram,
        record: &mut RunRecord,
        next: UndoNext,
        lines: &mut Vec<JournalLine>,
    ) -> bool {
        match next {
            UndoNext::Done { note } | UndoNext::Unneeded { note } if record.phase == Phase::Verifying => {
                let outcome = match (&record.problem, record.undone > 0) {
                    (_, true) => Outcome::RolledBack,
                    (Some(problem), false) if problem.code.0 == CANCELLED => Outcome::Cancelled,
                    (_, false) => Outcome::Failed,
                };
                self.finish(record, outcome, note, lines);
                true
            }
            UndoNext::Done { note } => {
                record.undone += 1;
                self.strike_undo(program, record, &note, lines);
                false
            }
            UndoNext::Unneeded { note } => {
                self.strike_undo(program, record, &note, lines);
                false
            }
            UndoNext::Wait { pause, why } => {
                if self.wait(record, pause, &why, lines) {
                    return true;
                }
                let problem = self.late(record, &why, lines);
                lines.push(record.line(self.desk.now(), Event::UndoStuck, problem.to_string()));
                self.ask(record, problem, lines);
                true
            }
            UndoNext::Stuck(problem) => {
                lines.push(record.line(self.desk.now(), Event::UndoStuck, problem.to_string()));
                self.ask(record, problem, lines);
                true
            }
        }
    }

    /// The last undo on record is dealt with; the one before it is next.
    fn strike_undo(
        &self,
        program: &dyn AnyProgram,
        record: &mut RunRecord,
        note: &str,
        lines: &mut Vec<JournalLine>,
    ) {
        let of = record.undo.pop().map(|entry| title(program, &entry.step)).unwrap_or_default();
        lines.push(record.line(self.desk.now(), Event::UndoFinished, format!("{of}: {note}")));
        record.attempt = 0;
        record.deadline = None;
    }

    /// Lets the run wait, unless its deadline would pass; then false.
    fn wait(&self, record: &mut RunRecord, pause: Duration, why: &str, lines: &mut Vec<JournalLine>) -> bool {
        let pause = pause.min(Next::<()>::LONGEST_WAIT);
        if let Some(deadline) = &mut record.deadline {
            if deadline.left.is_zero() {
                return false;
            }
            deadline.left = deadline.left.saturating_sub(pause);
        }
        let now = self.desk.now();
        if record.summary.as_deref() != Some(why) {
            lines.push(record.line(now, Event::Waiting, why));
        }
        record.summary = Some(why.to_owned());
        record.attempt = record.attempt.saturating_add(1);
        record.wake_at = now + pause;
        true
    }

    fn late(&self, record: &mut RunRecord, why: &str, lines: &mut Vec<JournalLine>) -> Problem {
        let problem = Problem::new("run.deadline_missed", format!("`{}` took too long", record.step))
            .found(format!("still waiting: {why}"))
            .run(record.id);
        lines.push(record.line(self.desk.now(), Event::DeadlineMissed, problem.to_string()));
        record.deadline = None;
        problem
    }

    fn roll_back(&self, record: &mut RunRecord, problem: Problem, lines: &mut Vec<JournalLine>) {
        lines.push(record.line(self.desk.now(), Event::RollbackStarted, problem.to_string()));
        record.problem = Some(problem);
        record.phase = Phase::Undoing;
        record.attempt = 0;
        record.deadline = None;
        record.summary = None;
    }

    fn ask(&self, record: &mut RunRecord, problem: Problem, lines: &mut Vec<JournalLine>) {
        lines.push(record.line(self.desk.now(), Event::AskedOperator, problem.to_string()));
        record.problem = Some(problem);
        record.status = Status::NeedsOperator;
        record.attempt = 0;
    }

    fn finish(
        &self,
        record: &mut RunRecord,
        outcome: Outcome,
        summary: String,
        lines: &mut Vec<JournalLine>,
    ) {
        let now = self.desk.now();
        lines.push(record.line(now, Event::Finished, format!("{}: {summary}", outcome.name())));
        record.status = Status::Finished;
        record.outcome = Some(outcome);
        record.summary = Some(summary);
        record.deadline = None;
        record.ended_at = Some(now);
    }

    fn obey(&self, record: &mut RunRecord, signal: &Signal, lines: &mut Vec<JournalLine>) {
        if record.status == Status::Finished {
            return;
        }
        let now = self.desk.now();
        lines.push(record.line(now, Event::Signalled, format!("{} by {}", signal.kind.name(), signal.actor)));
        match signal.kind {
            SignalKind::Pause => record.status = Status::Paused,
            SignalKind::Resume => {
                record.status = Status::Active;
                record.attempt = 0;
                record.deadline = None;
            }
            SignalKind::Cancel | SignalKind::RollBack => {
                record.status = Status::Active;
                if record.phase == Phase::Forward {
                    let code = if signal.kind == SignalKind::Cancel {
                        CANCELLED
                    } else {
                        "run.rolled_back_by_request"
                    };
                    let problem = Problem::new(code, format!("stopped by {}", signal.actor)).run(record.id);
                    self.roll_back(record, problem, lines);
                } else {
                    record.attempt = 0;
                    record.deadline = None;
                }
            }
        }
        record.wake_at = now;
    }
}

/// Code of the problem of a cancelled run.
const CANCELLED: &str = "run.cancelled";

fn title(program: &dyn AnyProgram, step: &str) -> String {
    program
        .steps()
        .into_iter()
        .find(|(name, _)| *name == step)
        .map_or_else(|| step.to_owned(), |(_, title)| title.to_owned())
}

/// Whether `step` is at or past `must_reach` in running order.
fn reached(program: &dyn AnyProgram, step: &str, must_reach: &str) -> bool {
    let place = |name: &str| program.steps().iter().position(|(known, _)| *known == name);
    place(step) >= place(must_reach)
}
