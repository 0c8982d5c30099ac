//! What can go wrong with a provider, grouped by what the caller can do about it.
//!
//! A message never repeats its source; print the chain where it is handled.

use std::{io, path::PathBuf};

/// A provider's refusal or failure.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// There is no such host or snapshot. Look again before creating it.
    #[error("there is no {kind} `{name}`")]
    NotFound {
        /// What was looked for: "host", "snapshot".
        kind: &'static str,
        /// The name that was asked for.
        name: String,
    },
    /// The request itself cannot be fulfilled; nothing was changed.
    #[error("could not {action}: {reason}")]
    Refused {
        /// What was asked, as a verb phrase: "create `web-3`".
        action: String,
        /// Why not, and what would be accepted.
        reason: String,
    },
    /// This machine lacks something. Install it, then ask again.
    #[error("{what} is missing. Hint: {hint}")]
    Missing {
        /// What is missing.
        what: String,
        /// How to get it.
        hint: String,
    },
    /// The provider did not answer or did not get there in time. Ask again.
    #[error("could not {action}: {found}")]
    Unavailable {
        /// What was asked, as a verb phrase.
        action: String,
        /// What was seen instead.
        found: String,
    },
    /// A program that the driver runs failed.
    #[error("could not {action}: `{program}` ended with {status}: {output}")]
    Program {
        /// What it was run for, as a verb phrase.
        action: String,
        /// The program's name.
        program: String,
        /// Its exit status or signal, in words.
        status: String,
        /// The end of what it wrote to standard error, at most 2,000 bytes.
        output: String,
    },
    /// The machine refused a file operation.
    #[error("could not {action} `{}`", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A file of the driver's own state cannot be understood.
    #[error("`{}` is damaged: {reason}. Hint: restore it, or destroy what it describes", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ProviderError {
    /// Whether the same request may succeed later with nothing else changed.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Missing { .. }
            | Self::Program { .. }
            | Self::File { .. }
            | Self::Damaged { .. } => false,
        }
    }

    /// For `map_err` on a file operation.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> ProviderError {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_by_itself_is_retryable() {
        let busy = ProviderError::Unavailable { action: "start `a`".into(), found: "no answer".into() };
        assert!(busy.retryable());
        assert!(!ProviderError::NotFound { kind: "host", name: "a".into() }.retryable());
    }
}
