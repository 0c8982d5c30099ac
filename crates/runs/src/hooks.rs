//! Places where a trial may stop or spoil a run on purpose. In production nothing
//! is hooked in.

use crate::RunRecord;

/// The places, in the order in which one step passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Before a step or an undo is called.
    BeforeStep,
    /// An undo is recorded and committed; its effect has not happened.
    UndoRecorded,
    /// A step or an undo has returned; nothing of it is committed.
    AfterEffect,
    /// What it returned is committed. The run is then where that has led it.
    AfterCommit,
}

impl Moment {
    /// Every moment.
    pub const ALL: &'static [Self] =
        &[Self::BeforeStep, Self::UndoRecorded, Self::AfterEffect, Self::AfterCommit];

    /// The moment's name, such as `after_effect`.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeStep => "before_step",
            Self::UndoRecorded => "undo_recorded",
            Self::AfterEffect => "after_effect",
            Self::AfterCommit => "after_commit",
        }
    }
}

/// What shall happen at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing special.
    GoOn,
    /// The engine forgets the run as if its process had died here.
    Die,
    /// The step counts as failed (only at [`Moment::AfterEffect`] of a step).
    Fail,
}

/// Watches the moments of every run.
pub trait Hooks: Send + Sync + 'static {
    /// Called at each moment.
    fn at(&self, moment: Moment, run: &RunRecord) -> Verdict;
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {
    fn at(&self, _: Moment, _: &RunRecord) -> Verdict {
        Verdict::GoOn
    }
}
