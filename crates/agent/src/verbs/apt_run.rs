//! Runs an `apt-get` that changes packages, with its progress told as it goes and the
//! first package that failed remembered.

use std::time::Duration;

use tokio::{io::BufReader, net::unix::pipe};

use crate::{
    apt::status_fd::{self, Step},
    jobs::Job,
    tool::{Tool, ToolError, read_line},
};

/// An upgrade of 32 packages takes a minute; a release's worth of 700 on a slow disk
/// is below one hour.
pub(super) const LIMIT: Duration = Duration::from_secs(2 * 3600);

/// How it ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// apt's exit code. 0 alone proves nothing.
    pub code: i32,
    /// The first package that failed, and apt's words.
    pub cause: Option<String>,
}

/// Runs it; its percentages are spread over `from..to` of the job's.
pub(super) async fn run(job: &Job, tool: Tool, from: f32, to: f32) -> Result<Ended, ToolError> {
    let io = |source: std::io::Error| ToolError::Io { program: "/usr/bin/apt-get", source };
    // The writing end stays open in the child under the number it has here.
    let (read, write) = nix::unistd::pipe().map_err(|error| io(error.into()))?;
    nix::fcntl::fcntl(&read, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))
        .map_err(|error| io(error.into()))?;
    let mut status = BufReader::new(pipe::Receiver::from_owned_fd(read).map_err(io)?);
    let number = std::os::fd::AsRawFd::as_raw_fd(&write);
    let running = tool.option("APT::Status-Fd", number.to_string()).limit(LIMIT).lines(|line| job.log(line));
    tokio::pin!(running);
    let (mut ended, mut line) = (Ended::default(), Vec::new());
    ended.code = loop {
        tokio::select! {
            biased;
            more = read_line(&mut status, &mut line) => {
                more.map_err(io)?;
                note(job, &mut ended, &mut line, from, to);
            }
            code = &mut running => break code?,
        }
    };
    // All of ours are closed now; what a service keeps open may never end, so only what
    // is there already is read.
    drop(write);
    while let Ok(Ok(true)) =
        tokio::time::timeout(Duration::from_millis(100), read_line(&mut status, &mut line)).await
    {
        note(job, &mut ended, &mut line, from, to);
    }
    Ok(ended)
}

fn note(job: &Job, ended: &mut Ended, line: &mut Vec<u8>, from: f32, to: f32) {
    match status_fd::parse(&String::from_utf8_lossy(line)) {
        Some(Step::Progress { percent, message }) => {
            job.progress(from + (to - from) * percent / 100.0, &message)
        }
        Some(Step::Failed { subject, message }) => {
            job.log(&format!("failed: {subject}: {message}"));
            ended.cause.get_or_insert(format!("{subject}: {message}"));
        }
        None => {}
    }
    line.clear();
}
