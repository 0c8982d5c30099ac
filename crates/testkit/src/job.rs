//! A job on a simulated host, and how fast jobs get on.

use jiff::Timestamp;
use wire::{JobKey, JobState, JobStatus, LogLine, Verb, limits};

/// When jobs end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// Within the call that starts them.
    #[default]
    AtOnce,
    /// With this many questions about them; before that they are running and have
    /// changed nothing.
    AfterPolls(u32),
}

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub verb: Verb,
    pub state: JobState,
    pub polls_left: u32,
    pub accepted_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub log: Vec<LogLine>,
}

impl Job {
    pub(crate) fn new(verb: Verb, polls_left: u32, at: Timestamp) -> Self {
        let mut job = Self {
            verb,
            state: JobState::Queued,
            polls_left,
            accepted_at: at,
            ended_at: None,
            log: Vec::new(),
        };
        job.say(at, format!("accepted {}", job.verb.name()));
        job
    }

    pub(crate) fn say(&mut self, at: Timestamp, text: String) {
        self.log.push(LogLine { number: self.log.len() as u64, at, text });
    }

    pub(crate) fn end(&mut self, at: Timestamp, state: JobState) {
        let text = match &state {
            JobState::Failed { failure } => format!("failed: {}", failure.message),
            JobState::Queued | JobState::Running { .. } | JobState::Succeeded { .. } => {
                "succeeded".to_owned()
            }
        };
        self.say(at, text);
        self.state = state;
        self.ended_at = Some(at);
    }

    pub(crate) fn status(&self, key: &JobKey, from: u64) -> JobStatus {
        let log: Vec<_> =
            self.log.iter().filter(|line| line.number >= from).take(limits::LOG_LINES).cloned().collect();
        JobStatus {
            key: key.clone(),
            state: self.state.clone(),
            accepted_at: self.accepted_at,
            ended_at: self.ended_at,
            next_line: log.last().map_or(from, |line| line.number + 1),
            log,
        }
    }
}
