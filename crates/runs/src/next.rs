//! What a step says when it returns. There is no other exit.

use std::time::Duration;

use base::Problem;

/// The exit of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Next<S> {
    /// Go on with this step.
    Go(S),
    /// Run the same step again later.
    Wait {
        /// How long from now; at most `LONGEST_WAIT`.
        pause: Duration,
        /// What is waited for, for the run's page.
        why: String,
    },
    /// Undo everything that was recorded, newest first.
    RollBack(Problem),
    /// The run is done.
    Finish {
        /// One sentence for the run's page.
        summary: String,
    },
    /// Rest until a person decides.
    AskOperator(Problem),
}

impl<S> Next<S> {
    /// The longest single wait. A wake-up time further away than this can only mean
    /// that the machine's clock was set back, so such a run is due at once.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(600);

    /// A wait of so many seconds.
    pub fn wait(seconds: u64, why: impl Into<String>) -> Self {
        Self::Wait { pause: Duration::from_secs(seconds), why: why.into() }
    }

    /// A wait that doubles with each attempt, from one second to half a minute.
    pub fn back_off(attempt: u32, why: impl Into<String>) -> Self {
        Self::wait(1 << attempt.min(5), why)
    }

    /// The end.
    pub fn finish(summary: impl Into<String>) -> Self {
        Self::Finish { summary: summary.into() }
    }
}

/// The exit of an undo, and of the check that follows all undos.
#[derive(Debug, Clone, PartialEq)]
pub enum UndoNext {
    /// Undone: the subject was changed, and is brought back.
    Done {
        /// What was brought back, for the journal.
        note: String,
    },
    /// Nothing of the subject was to be brought back. A run of which nothing else was
    /// undone ends as failed or cancelled, not as rolled back.
    Unneeded {
        /// Why not, for the journal.
        note: String,
    },
    /// Call the same undo again later.
    Wait {
        /// How long from now.
        pause: Duration,
        /// What is waited for.
        why: String,
    },
    /// It cannot be undone without a person. Older undos stay unrun, so that a
    /// broken host stays out of rotation.
    Stuck(Problem),
}

impl UndoNext {
    /// Undone.
    pub fn done(note: impl Into<String>) -> Self {
        Self::Done { note: note.into() }
    }

    /// Nothing was to be brought back.
    pub fn unneeded(note: impl Into<String>) -> Self {
        Self::Unneeded { note: note.into() }
    }

    /// A wait of so many seconds.
    pub fn wait(seconds: u64, why: impl Into<String>) -> Self {
        Self::Wait { pause: Duration::from_secs(seconds), why: why.into() }
    }
}
