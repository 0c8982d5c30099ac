//! Why the certificate of this host is not up to date.

use std::{io, path::Path};

use crate::tool::ToolError;

/// Why the certificate of this host is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not now; a later start may succeed.
    #[error("no certificate yet: {reason}")]
    Later {
        /// Why.
        reason: String,
    },
    /// The control plane refused the question.
    #[error("the control plane refuses: {reason}")]
    Refused {
        /// In its words.
        reason: String,
    },
    /// Its answer cannot be used.
    #[error("the control plane's answer cannot be used: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("cannot use `{path}`")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A key or request could not be made.
    #[error("cannot make a key and a request for a certificate")]
    Key {
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A program of the host failed.
    #[error("a program of this host failed")]
    Tool {
        /// What it said.
        #[from]
        source: ToolError,
    },
    /// Only root may touch the key.
    #[error("only root can bring the certificate up to date")]
    NotRoot,
}

impl CertificateError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::File { path: path.display().to_string(), source }
    }

    pub(super) fn answer(reason: impl Into<String>) -> Self {
        Self::Answer { reason: reason.into() }
    }

    /// The exit code (sysexits.h): 75 for "try again later", 77 for "refused". Its unit takes
    /// both for a success, since the control plane knows of them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Later { .. } | Self::Answer { .. } => 75,
            Self::Refused { .. } => 77,
            Self::File { .. } | Self::Key { .. } | Self::Tool { .. } | Self::NotRoot => 1,
        }
    }
}
