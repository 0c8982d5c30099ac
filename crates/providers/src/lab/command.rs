//! Runs the programs the lab is made of, each with a time limit.
//!
//! Never goes through a shell and never inherits standard input unless it is handed
//! over, so that no program waits for a person.

use std::{
    ffi::{OsStr, OsString},
    process::{Output, Stdio},
    time::Duration,
};

use crate::ProviderError;

/// Enough for every quick program (`ip`, `mount`, `btrfs`) on a machine whose
/// cores and disk are both saturated; they take milliseconds otherwise.
const QUICK: Duration = Duration::from_secs(60);

/// A program to run, with what it is run for.
pub(crate) struct Program {
    action: String,
    name: OsString,
    command: tokio::process::Command,
    limit: Duration,
}

impl Program {
    /// `action` is a verb phrase for the error message: "mount the pool".
    pub(crate) fn new(name: impl AsRef<OsStr>, action: impl Into<String>) -> Self {
        let mut command = tokio::process::Command::new(name.as_ref());
        command.stdin(Stdio::null()).env("LC_ALL", "C").kill_on_drop(true);
        Self { action: action.into(), name: name.as_ref().to_owned(), command, limit: QUICK }
    }

    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Standard input; there is none otherwise.
    pub(crate) fn input(mut self, input: Stdio) -> Self {
        self.command.stdin(input);
        self
    }

    pub(crate) fn current_dir(mut self, dir: &std::path::Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it and hands back whatever it said, also when it failed.
    pub(crate) async fn output(mut self) -> Result<Output, ProviderError> {
        let output = tokio::time::timeout(self.limit, self.command.output());
        match output.await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(self.not_started(error)),
            Err(_) => Err(ProviderError::Unavailable {
                found: format!("`{}` did not end within {} s", self.name.display(), self.limit.as_secs()),
                action: self.action,
            }),
        }
    }

    /// Runs it and returns its standard output; a failure is an error.
    pub(crate) async fn run(self) -> Result<String, ProviderError> {
        let (action, name) = (self.action.clone(), self.name.clone());
        let output = self.output().await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(action, &name, &output))
    }

    /// Starts it with its standard error piped, for callers that read it as it comes.
    pub(crate) fn spawn_with_stderr(mut self) -> Result<tokio::process::Child, ProviderError> {
        self.command.stdout(Stdio::null()).stderr(Stdio::piped());
        self.command.spawn().map_err(|error| self.not_started(error))
    }

    fn not_started(&self, error: std::io::Error) -> ProviderError {
        let name = self.name.display();
        match error.kind() {
            std::io::ErrorKind::NotFound => ProviderError::Missing {
                what: format!("the program `{name}`"),
                hint: super::doctor::install_hint(&self.name.to_string_lossy()),
            },
            _ => ProviderError::Unavailable {
                action: self.action.clone(),
                found: format!("`{name}` could not be started: {error}"),
            },
        }
    }
}

/// The error for a program that ended badly.
pub(crate) fn failed(action: String, name: &OsStr, output: &Output) -> ProviderError {
    ProviderError::Program {
        action,
        program: name.display().to_string(),
        status: output.status.to_string(),
        output: tail(&String::from_utf8_lossy(&output.stderr)),
    }
}

/// The last 2,000 bytes of a text, whole lines where possible.
pub(crate) fn tail(text: &str) -> String {
    let text = text.trim_end();
    let start = text.ceil_char_boundary(text.len().saturating_sub(2000));
    text[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_carries_what_the_program_said() {
        let error =
            Program::new("sh", "try").args(["-c", "echo no luck >&2; exit 3"]).run().await.unwrap_err();
        assert_eq!(error.to_string(), "could not try: `sh` ended with exit status: 3: no luck");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_given_up() {
        let hung = Program::new("sleep", "wait").arg("600").limit(Duration::from_millis(20)).run().await;
        assert!(hung.unwrap_err().retryable());
    }

    #[tokio::test]
    async fn a_missing_program_says_how_to_get_it() {
        let error = Program::new("no-such-program", "try").run().await.unwrap_err();
        assert!(matches!(error, ProviderError::Missing { .. }), "{error}");
    }
}
