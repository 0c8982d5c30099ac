//! What a person is told when something goes wrong.
//!
//! A [`Problem`] answers four questions: what failed, what was expected and
//! found, what state things are in now, and what to do next. It carries no inner
//! detail and no secret; those belong to the log.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::RunId;

/// A stable, dotted name a program may rely on, such as `patch.plan_stale`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProblemCode(pub String);

impl From<&str> for ProblemCode {
    fn from(code: &str) -> Self {
        Self(code.to_owned())
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One failure, in the operator's nouns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable name of this kind of failure.
    pub code: ProblemCode,
    /// What failed: "could not patch `web-3`".
    pub what: String,
    /// Expected and found: "`openssl` is at `3.0.13-1`, the plan expected `3.0.11-1`".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What state things are in now: "Nothing was changed".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The run this happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

impl Problem {
    /// A problem that says only what failed.
    pub fn new(code: &str, what: impl Into<String>) -> Self {
        Self { code: code.into(), what: what.into(), found: None, state: None, next: None, run: None }
    }

    /// Adds what was expected and what was found.
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    /// Adds what state things are in now.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Adds what to do next.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Adds the run this happened in.
    pub fn run(mut self, run: RunId) -> Self {
        self.run = Some(run);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(found) = &self.found {
            write!(f, ": {found}")?;
        }
        if let Some(state) = &self.state {
            write!(f, ". {state}")?;
        }
        if let Some(next) = &self.next {
            write!(f, ". Hint: {next}")?;
        }
        write!(f, ". Code `{}`", self.code)?;
        if let Some(run) = &self.run {
            write!(f, ", run `{run}`")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_one_paragraph() {
        let problem = Problem::new("patch.plan_stale", "could not patch `web-3`")
            .found("`openssl` is at `3.0.13-1`, the plan expected `3.0.11-1`")
            .state("Nothing was changed")
            .next("refresh the inventory and approve a new plan");
        assert_eq!(
            problem.to_string(),
            "could not patch `web-3`: `openssl` is at `3.0.13-1`, the plan expected `3.0.11-1`. \
             Nothing was changed. Hint: refresh the inventory and approve a new plan. Code `patch.plan_stale`"
        );
    }
}
