//! A run as it is stored: where it is, and the journal of how it got there.

use std::time::Duration;

use base::{Problem, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// Which program.
    pub kind: String,
    /// What it is about; at most one open run has the same subject.
    pub subject: String,
    /// The immutable, approved plan.
    pub plan: Value,
    /// Stored name of the present step.
    pub step: String,
    /// The program's typed state.
    pub state: Value,
    /// Which form `state` has.
    pub state_version: u16,
    /// What is to be undone, oldest first.
    pub undo: Vec<UndoEntry>,
    /// How many undos are through.
    pub undone: u32,
    /// Forward, or undoing.
    pub phase: Phase,
    /// Ready, resting or ended.
    pub status: Status,
    /// How often the present step (or undo) was called before.
    pub attempt: u32,
    /// Not before.
    pub wake_at: Timestamp,
    /// By when the run must be further.
    pub deadline: Option<Deadline>,
    /// Why it rolls back or rests.
    pub problem: Option<Problem>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// One sentence about the end.
    pub summary: Option<String>,
    /// Who asked for it.
    pub actor: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// One recorded undo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoEntry {
    /// The step that recorded it.
    pub step: String,
    /// The program's typed undo.
    pub data: Value,
}

/// The direction of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Steps run.
    Forward,
    /// Undos run, newest first.
    Undoing,
    /// All undos ran; the program checks that things are as they were.
    Verifying,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Will go on at `wake_at`.
    Active,
    /// Rests by request.
    Paused,
    /// Rests until a person decides.
    NeedsOperator,
    /// Ended.
    Finished,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it was for.
    Done,
    /// It failed, everything was undone, and that was verified.
    RolledBack,
    /// It failed before anything was changed.
    Failed,
    /// It was cancelled before anything was changed.
    Cancelled,
}

/// A point that must be reached in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The step that must be reached.
    pub must_reach: String,
    /// How much time is left, counted while a control plane is at work on the run.
    /// It is measured with a monotonic clock, which a changed wall clock cannot move.
    pub left: Duration,
}

/// Something a person asks of a run. Read between steps only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// What.
    pub kind: SignalKind,
    /// Who.
    pub actor: String,
}

/// What can be asked of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Rest after the present step.
    Pause,
    /// Go on after a pause or a question.
    Resume,
    /// Stop; undo what was done.
    Cancel,
    /// Undo what was done.
    RollBack,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalLine {
    /// When.
    pub at: Timestamp,
    /// In which step.
    pub step: String,
    /// What happened.
    pub event: Event,
    /// In words.
    pub detail: String,
}

/// Kinds of journal lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The run was accepted.
    Created,
    /// A step was called for the first time.
    StepStarted,
    /// A step handed over to the next.
    StepFinished,
    /// A step waits; written when the reason changes.
    Waiting,
    /// An undo was recorded; its effect follows.
    UndoRecorded,
    /// Undoing began.
    RollbackStarted,
    /// One undo was called.
    UndoStarted,
    /// One undo is through.
    UndoFinished,
    /// An undo cannot finish.
    UndoStuck,
    /// A person signalled.
    Signalled,
    /// A deadline passed.
    DeadlineMissed,
    /// The run rests until a person decides.
    AskedOperator,
    /// A remark of the program.
    Note,
    /// A line of a host's own log.
    Log,
    /// The end.
    Finished,
}

macro_rules! stored_name {
    ($($name:ident),*) => {$(
        impl $name {
            /// The stored name.
            pub fn name(self) -> String {
                match serde_json::to_value(self) {
                    Ok(Value::String(name)) => name,
                    // A fieldless enum serialises to a string; serde has no other form for it.
                    _ => String::new(),
                }
            }

            /// The value with this stored name.
            pub fn from_name(name: &str) -> Option<Self> {
                serde_json::from_value(Value::String(name.to_owned())).ok()
            }
        }
    )*};
}

stored_name!(Phase, Status, Outcome, SignalKind, Event);

impl RunRecord {
    /// A journal line about the present step.
    pub fn line(&self, at: Timestamp, event: Event, detail: impl Into<String>) -> JournalLine {
        JournalLine { at, step: self.step.clone(), event, detail: detail.into() }
    }
}
