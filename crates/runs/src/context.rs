//! What a step may do to its own run.

use std::time::Duration;

use base::{Problem, RunId};
use jiff::Timestamp;

use crate::{
    Closing, Deadline, Event, JournalLine, Moment, Program, RunRecord, Step, UndoEntry, Verdict, engine::Desk,
};

/// The run that a step works on: its plan, its state, its journal.
pub struct Context<'a, P: Program> {
    /// What was approved. Immutable.
    pub plan: &'a P::Plan,
    /// What the program remembers. Stored when the step returns, and by
    /// [`Context::record_undo`] and [`Context::save`].
    pub state: P::State,
    pub(crate) record: &'a mut RunRecord,
    pub(crate) lines: Vec<JournalLine>,
    pub(crate) desk: &'a Desk,
    pub(crate) broken: Option<Broken>,
}

/// Why a step's return value no longer counts.
#[derive(Debug)]
pub(crate) enum Broken {
    /// A hook said so.
    Died,
    /// The store failed, or the lease is lost.
    Store(crate::StoreError),
    /// The state or the undo could not be written down.
    Unwritable(serde_json::Error),
}

/// The run cannot be written to any more; return from the step with anything, it
/// will not count.
#[derive(Debug, Clone, Copy)]
pub struct Abandoned;

impl<P: Program> Context<'_, P> {
    /// The run's id.
    pub fn id(&self) -> RunId {
        self.record.id
    }

    /// What the run is about.
    pub fn subject(&self) -> &str {
        &self.record.subject
    }

    /// Who asked for the run.
    pub fn actor(&self) -> &str {
        &self.record.actor
    }

    /// How often this step, or this undo, was called before and asked to wait.
    pub fn attempt(&self) -> u32 {
        self.record.attempt
    }

    /// When the run was asked for.
    pub fn created_at(&self) -> Timestamp {
        self.record.created_at
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.desk.now()
    }

    /// Why the run rolls back or rests, if it does.
    pub fn problem(&self) -> Option<&Problem> {
        self.record.problem.as_ref()
    }

    /// Writes a remark into the journal.
    pub fn note(&mut self, detail: impl Into<String>) {
        let line = self.record.line(self.desk.now(), Event::Note, detail);
        self.lines.push(line);
    }

    /// Tells those who watch how far the present step is. Not stored.
    pub fn progress(&self, percent: f32, message: impl Into<String>) {
        self.desk.progress(self.record, percent, message.into());
    }

    /// Hands a line of a remote log to those who watch, and keeps it in the journal.
    pub fn remote_line(&mut self, at: Timestamp, text: &str) {
        let line = self.record.line(at, Event::Log, text);
        self.lines.push(line);
    }

    /// The run must reach `step` within `limit` of work, or it rolls back.
    pub fn must_reach(&mut self, step: P::Step, limit: Duration) {
        self.record.deadline = Some(Deadline { must_reach: step.name().to_owned(), left: limit });
    }

    /// Gives an undo (or the final check) so long, or the run asks an operator. Each
    /// undo starts without a deadline; setting it again does not extend it.
    pub fn undo_within(&mut self, limit: Duration) {
        if self.record.deadline.is_none() {
            self.record.deadline = Some(Deadline { must_reach: String::new(), left: limit });
        }
    }

    /// Commits, before the effect it belongs to, how that effect is undone. Recording
    /// the same undo again in the same step changes nothing.
    pub async fn record_undo(&mut self, undo: &P::Undo) -> Result<(), Abandoned> {
        let data = match serde_json::to_value(undo) {
            Ok(data) => data,
            Err(error) => return Err(self.abandon(Broken::Unwritable(error))),
        };
        let entry = UndoEntry { step: self.record.step.clone(), data };
        if self.record.undo.contains(&entry) {
            return Ok(());
        }
        self.record.undo.push(entry);
        let line = self.record.line(self.desk.now(), Event::UndoRecorded, "How to undo this is on record");
        self.lines.push(line);
        self.save().await?;
        if self.desk.hooks.at(Moment::UndoRecorded, self.record) == Verdict::Die {
            return Err(self.abandon(Broken::Died));
        }
        Ok(())
    }

    /// Commits the state and the journal in the middle of a step.
    pub async fn save(&mut self) -> Result<(), Abandoned> {
        match serde_json::to_value(&self.state) {
            Ok(state) => self.record.state = state,
            Err(error) => return Err(self.abandon(Broken::Unwritable(error))),
        }
        let lines = std::mem::take(&mut self.lines);
        match self.desk.commit(self.record, &lines, &Closing::default()).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.abandon(Broken::Store(error))),
        }
    }

    fn abandon(&mut self, why: Broken) -> Abandoned {
        self.broken.get_or_insert(why);
        Abandoned
    }
}
