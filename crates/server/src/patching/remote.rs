//! Driving a keyed job on an agent from inside a step.

use std::time::Duration;

use base::Problem;
use runs::{Context, Program};
use wire::{AgentApi, AgentError, Failure, JobKey, JobState, JobStatus, Outcome, Verb};

/// How a job stands after one look.
#[derive(Debug)]
pub enum Job {
    /// At work; look again.
    Running {
        /// What it is at.
        why: String,
    },
    /// Ended well.
    Succeeded(Outcome),
    /// Ended badly.
    Failed(Failure),
    /// Another job of the host is at work, as after a run that was cut short; look again.
    Busy {
        /// In the agent's words.
        why: String,
    },
    /// The agent does not answer; look again.
    Silent {
        /// What the connection said.
        why: String,
    },
    /// The agent will not do it, and asking again does not help.
    Refused(Problem),
}

/// The key of a run's job: the same at every repetition of the step.
pub fn key<P: Program>(run: &Context<'_, P>, name: &str) -> JobKey {
    let text = format!("{}-{name}", run.id());
    match text.parse() {
        Ok(key) => key,
        // A run id has 36 characters and job names are constants of this crate, so the
        // key cannot be too long or hold another character.
        Err(_) => unreachable!("`{text}` is not a job key"),
    }
}

/// Starts the job, or finds it, and looks at it once. Lines of its log from `line` on go
/// into the journal; the second value is the line to go on with.
pub async fn drive<P: Program>(
    run: &mut Context<'_, P>,
    agent: &dyn AgentApi,
    key: &JobKey,
    verb: &Verb,
    line: u64,
) -> (Job, u64) {
    let status = match look(agent, key, verb, line).await {
        Ok(status) => status,
        Err(error) => return (failed(key, &error), line),
    };
    for logged in &status.log {
        run.remote_line(logged.at, &logged.text);
    }
    if let JobState::Running { progress } = &status.state {
        run.progress(progress.percent, progress.message.clone());
    }
    (standing(status.state, verb), status.next_line)
}

/// The same for a job whose log says nothing beyond its end: it stays out of the journal.
pub async fn drive_quietly(agent: &dyn AgentApi, key: &JobKey, verb: &Verb) -> Job {
    match look(agent, key, verb, 0).await {
        Ok(status) => standing(status.state, verb),
        Err(error) => failed(key, &error),
    }
}

async fn look(agent: &dyn AgentApi, key: &JobKey, verb: &Verb, line: u64) -> Result<JobStatus, AgentError> {
    agent.start_job(key, verb).await?;
    agent.job(key, line).await
}

fn standing(state: JobState, verb: &Verb) -> Job {
    match state {
        JobState::Queued => Job::Running { why: format!("the host is about to {}", in_words(verb)) },
        JobState::Running { .. } => {
            Job::Running { why: format!("the host is at work to {}", in_words(verb)) }
        }
        JobState::Succeeded { outcome } => Job::Succeeded(outcome),
        JobState::Failed { failure } => Job::Failed(failure),
    }
}

fn failed(key: &JobKey, error: &AgentError) -> Job {
    match error {
        AgentError::Unreachable { .. } | AgentError::Internal { .. } => {
            Job::Silent { why: error.to_string() }
        }
        AgentError::Conflict { .. } => Job::Busy { why: error.to_string() },
        // A disk restore has thrown the job away between two looks: the next look starts it anew.
        AgentError::UnknownJob { .. } => Job::Silent { why: error.to_string() },
        AgentError::NotTrusted { .. } | AgentError::Protocol { .. } => Job::Refused(
            Problem::new("agent.refused", format!("the agent did not take the job `{key}`"))
                .found(error.to_string())
                .next("see whether agent and control plane have versions that fit, and the agent's own log"),
        ),
    }
}

fn in_words(verb: &Verb) -> &'static str {
    match verb {
        Verb::RefreshLists => "refresh its package lists",
        Verb::PlanUpgrade { .. } => "plan the upgrade",
        Verb::StagePackages { .. } => "download packages and keep the former ones",
        Verb::InstallPackages { .. } => "install packages",
        Verb::RestorePackages { .. } => "put the former packages back",
        Verb::DropStaged { .. } => "drop kept packages",
        Verb::Reboot { .. } => "reboot",
        Verb::SetFirewall { .. } => "change its firewall",
        Verb::KeepFirewall { .. } => "keep its new firewall",
        Verb::Repair { .. } => "repair it",
        Verb::RunProbes { .. } => "probe its services",
        Verb::CheckCertificate => "check its certificate",
    }
}

/// A failed job as a problem.
pub fn job_problem(code: &str, what: String, failure: &Failure) -> Problem {
    Problem::new(code, what).found(failure.message.clone())
}

/// Between two looks at an agent that does not answer. Connecting has its own limit of
/// four seconds, so this only keeps a refusing host from being hammered.
pub const SILENCE: Duration = Duration::from_secs(2);
