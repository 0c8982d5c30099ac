//! How a failed command looks: the problem on standard error, an exit code for programs.

use std::process::ExitCode;

use base::Problem;

/// Why a command failed.
#[derive(Debug)]
pub enum CliError {
    /// The control plane, or a check, says so.
    Problem(Problem),
    /// Something around the command itself.
    Other(anyhow::Error),
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<providers::ProviderError> for CliError {
    fn from(error: providers::ProviderError) -> Self {
        Self::Other(error.into())
    }
}

impl CliError {
    /// Prints it and gives the exit code.
    pub fn report(self, json: bool) -> ExitCode {
        match (&self, json) {
            (Self::Problem(problem), true) => {
                eprintln!("{}", serde_json::to_string_pretty(problem).unwrap_or_default());
            }
            (Self::Problem(problem), false) => {
                eprintln!("error: {}", problem.what);
                for (word, text) in
                    [("found", &problem.found), ("state", &problem.state), ("hint", &problem.next)]
                {
                    if let Some(text) = text {
                        eprintln!("  {word}: {text}");
                    }
                }
                if let Some(run) = &problem.run {
                    eprintln!("  run: {run}");
                }
                eprintln!("  code: {}", problem.code);
            }
            (Self::Other(error), _) => {
                let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
                eprintln!("error: {}", chain.join(": "));
            }
        }
        ExitCode::FAILURE
    }
}
