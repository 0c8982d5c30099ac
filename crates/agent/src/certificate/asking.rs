//! How a question gets to the control plane: through a child that runs as the daemon's user,
//! reads one question and prints one answer. Root never reads a byte from the network, only a
//! bounded, typed answer from its own child.

use std::{os::unix::fs::MetadataExt, process::Stdio, time::Duration};

use nix::unistd::{Uid, User};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};
use wire::{CertificateAnswer, CertificateQuestion};

use super::CertificateError;
use crate::{
    Places,
    daemon::{AskError, Identity, ask, chain},
    helper::DAEMON_USER,
};

/// A question with a request, an answer with a chain: a few KiB.
const MESSAGE_BYTES: u64 = 256 << 10;

/// The child's own limit is shorter.
const CHILD_LIMIT: Duration = Duration::from_secs(60);

/// What the child says with its exit code when it has no answer (see
/// [`CertificateError::exit_code`]).
const REFUSED: i32 = 77;

/// Starts children that ask.
pub(super) struct Asking {
    user: u32,
    group: u32,
}

impl Asking {
    /// For root only.
    pub(super) fn from_this_host() -> Result<Self, CertificateError> {
        if !Uid::effective().is_root() {
            return Err(CertificateError::NotRoot);
        }
        let user = User::from_name(DAEMON_USER).ok().flatten();
        let user =
            user.ok_or_else(|| CertificateError::Later { reason: "the agent is not installed".to_owned() })?;
        Ok(Self { user: user.uid.as_raw(), group: user.gid.as_raw() })
    }

    /// Asks once.
    pub(super) async fn ask(
        &self,
        question: &CertificateQuestion,
    ) -> Result<CertificateAnswer, CertificateError> {
        let later = |reason: String| CertificateError::Later { reason };
        let text = serde_json::to_vec(question).map_err(|error| later(error.to_string()))?;
        let exchange = async {
            let mut child = Command::new(crate::install::BINARY)
                .arg("certificate-ask")
                .env_clear()
                .current_dir("/")
                .uid(self.user)
                .gid(self.group)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            if let Some(mut input) = child.stdin.take() {
                input.write_all(&text).await?;
            }
            let (mut said, mut erred) = (Vec::new(), Vec::new());
            let out = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
            let err = child.stderr.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
            let (mut out, mut err) = (out.take(MESSAGE_BYTES), err.take(MESSAGE_BYTES));
            tokio::try_join!(out.read_to_end(&mut said), err.read_to_end(&mut erred))?;
            Ok::<_, std::io::Error>((child.wait().await?, said, erred))
        };
        let (status, said, erred) = match timeout(CHILD_LIMIT, exchange).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => return Err(later(format!("the question could not be passed on: {error}"))),
            Err(_) => return Err(later("the question took too long".to_owned())),
        };
        let words = crate::tool::last_words(&String::from_utf8_lossy(&erred));
        match status.code() {
            Some(0) => {
                serde_json::from_slice(&said).map_err(|error| CertificateError::answer(error.to_string()))
            }
            Some(REFUSED) => Err(CertificateError::Refused { reason: words }),
            _ => Err(later(words)),
        }
    }
}

/// The child: passes the question on standard input on to the control plane, and prints the
/// answer.
pub async fn pass_on(places: &Places) -> Result<(), CertificateError> {
    use std::io::{Read, Write};
    let later = |reason: String| CertificateError::Later { reason };
    // What is here for the daemon's user is no good to root, who has the key to lose.
    let owner = std::fs::metadata(places.identity()).map(|folder| folder.uid());
    if Uid::effective().is_root() && owner.is_ok_and(|owner| owner != 0) {
        return Err(later("questions are passed on without privilege".to_owned()));
    }
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(MESSAGE_BYTES).read_to_end(&mut text);
    read.map_err(|error| later(error.to_string()))?;
    let question: CertificateQuestion =
        serde_json::from_slice(&text).map_err(|error| later(error.to_string()))?;
    let identity = Identity::load(places).map_err(|error| later(chain(&error)))?;
    let identity = identity.ok_or_else(|| later("this host has not enrolled yet".to_owned()))?;
    let answer = ask(&identity, &question).await.map_err(|error| match error {
        AskError::Refused { .. } => CertificateError::Refused { reason: chain(&error) },
        AskError::Identity { .. } | AskError::Unreachable { .. } => later(chain(&error)),
    })?;
    let text = serde_json::to_vec(&answer).map_err(|error| later(error.to_string()))?;
    std::io::stdout().write_all(&text).map_err(|error| later(error.to_string()))
}
