//! Runs a program of the host: by absolute path, with fixed arguments, an empty
//! environment but for what is named here, no input, a time limit and a bound on
//! what it may print. Never through a shell.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// The most a program may print: far above `dpkg-query` for 20 000 packages.
const OUTPUT_BYTES: u64 = 32 << 20;
/// The longest line that is passed on to a log.
const LINE_BYTES: usize = 16 << 10;

/// Why a program gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("`{program}` is not installed")]
    Missing {
        /// The path tried.
        program: &'static str,
    },
    /// It did not end in time and was killed with all its children.
    #[error("`{program}` did not end within {seconds} s and was stopped")]
    TimedOut {
        /// Which.
        program: &'static str,
        /// Its limit.
        seconds: u64,
    },
    /// It ended with an error.
    #[error("`{program}` ended with code {code}: {last_words}")]
    Failed {
        /// Which.
        program: &'static str,
        /// Its exit code; -1 when a signal ended it.
        code: i32,
        /// The end of its error output.
        last_words: String,
    },
    /// It could not be started or listened to.
    #[error("`{program}` could not be run")]
    Io {
        /// Which.
        program: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What a program printed, and how it ended.
#[derive(Debug, Clone)]
pub struct Printed {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output, lossily decoded.
    pub out: String,
    /// Standard error, lossily decoded.
    pub err: String,
}

/// A program about to be run.
#[derive(Debug)]
pub struct Tool {
    program: &'static str,
    command: Command,
    limit: Duration,
}

impl Tool {
    /// A program by its absolute path. Where `/usr/bin` is not merged with `/bin` yet,
    /// the latter is tried too.
    pub fn new(program: &'static str) -> Self {
        let mut path = PathBuf::from(program);
        if let Some(rest) = program.strip_prefix("/usr").filter(|_| !path.exists()) {
            path = PathBuf::from(rest);
        }
        let mut command = Command::new(path);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir("/")
            // An own group, so that a time limit also reaches its children.
            .process_group(0)
            .kill_on_drop(true);
        Self { program, command, limit: Duration::from_secs(60) }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds several.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Adds `-o NAME=VALUE`, as apt's programs take it.
    pub fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut text = OsString::from(format!("{name}="));
        text.push(value);
        self.arg("-o").arg(text)
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in a folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// How long it may take; a minute if not said.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it, whatever its exit code.
    pub async fn run(mut self) -> Result<Printed, ToolError> {
        let mut child = self.spawn()?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(self.io(io::ErrorKind::BrokenPipe.into()));
        };
        let work = async {
            let (out, err) = tokio::join!(read_all(out), read_all(err));
            Ok::<_, io::Error>((out?, err?, child.wait().await?))
        };
        match timeout(self.limit, work).await {
            Ok(Ok((out, err, status))) => Ok(Printed { code: status.code().unwrap_or(-1), out, err }),
            Ok(Err(source)) => {
                stop(&mut child).await;
                Err(self.io(source))
            }
            Err(_) => Err(self.late(&mut child).await),
        }
    }

    /// Runs it; an exit code other than 0 is an error.
    pub async fn text(self) -> Result<String, ToolError> {
        let program = self.program;
        let printed = self.run().await?;
        if printed.code == 0 {
            Ok(printed.out)
        } else {
            Err(ToolError::Failed { program, code: printed.code, last_words: last_words(&printed.err) })
        }
    }

    /// Runs it and hands every line of both outputs to `line` as it comes. Returns the
    /// exit code.
    pub async fn lines(mut self, mut line: impl FnMut(&str)) -> Result<i32, ToolError> {
        let mut child = self.spawn()?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(self.io(io::ErrorKind::BrokenPipe.into()));
        };
        let work = async {
            let (mut out, mut err) = (BufReader::new(out), BufReader::new(err));
            let (mut out_open, mut err_open) = (true, true);
            let (mut out_text, mut err_text) = (Vec::new(), Vec::new());
            // A service that a package's script started may keep the pipe open for ever:
            // the end of the program itself ends the listening.
            let mut ended = None;
            while out_open || err_open {
                tokio::select! {
                    biased;
                    more = read_line(&mut out, &mut out_text), if out_open => out_open = take(more?, &mut out_text, &mut line),
                    more = read_line(&mut err, &mut err_text), if err_open => err_open = take(more?, &mut err_text, &mut line),
                    status = child.wait(), if ended.is_none() => ended = Some(status?),
                    () = tokio::time::sleep(Duration::from_millis(200)), if ended.is_some() => break,
                }
            }
            match ended {
                Some(status) => Ok::<_, io::Error>(status),
                None => child.wait().await,
            }
        };
        match timeout(self.limit, work).await {
            Ok(Ok(status)) => Ok(status.code().unwrap_or(-1)),
            Ok(Err(source)) => {
                stop(&mut child).await;
                Err(self.io(source))
            }
            Err(_) => Err(self.late(&mut child).await),
        }
    }

    fn spawn(&mut self) -> Result<Child, ToolError> {
        self.command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ToolError::Missing { program: self.program },
            _ => ToolError::Io { program: self.program, source },
        })
    }

    fn io(&self, source: io::Error) -> ToolError {
        ToolError::Io { program: self.program, source }
    }

    async fn late(&self, child: &mut Child) -> ToolError {
        stop(child).await;
        ToolError::TimedOut { program: self.program, seconds: self.limit.as_secs() }
    }
}

/// Ends a program and everything it started that stayed in its group.
async fn stop(child: &mut Child) {
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // It may have ended by itself just now.
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
    }
    let _ = child.wait().await;
}

async fn read_all(from: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(OUTPUT_BYTES + 1).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 > OUTPUT_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it printed more than any such program should",
        ));
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Appends to `text` up to the end of a line; false at the end of the stream. Safe
/// to drop half-way: what was read is in `text`.
pub(crate) async fn read_line(
    from: &mut (impl AsyncBufReadExt + Unpin),
    text: &mut Vec<u8>,
) -> io::Result<bool> {
    loop {
        let available = from.fill_buf().await?;
        if available.is_empty() {
            return Ok(false);
        }
        // dpkg draws its "Reading database" counter with carriage returns.
        let end = available.iter().position(|b| matches!(b, b'\n' | b'\r'));
        let used = end.map_or(available.len(), |end| end + 1);
        let kept = end.unwrap_or(used).min(LINE_BYTES.saturating_sub(text.len()));
        text.extend_from_slice(&available[..kept]);
        from.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

fn take(more: bool, text: &mut Vec<u8>, line: &mut impl FnMut(&str)) -> bool {
    let found = String::from_utf8_lossy(text);
    if !found.trim().is_empty() {
        line(found.trim_end());
    }
    text.clear();
    more
}

/// The end of an error output, as one line for people.
pub fn last_words(err: &str) -> String {
    let mut lines: Vec<&str> =
        err.lines().map(str::trim).filter(|line| !line.is_empty()).rev().take(3).collect();
    lines.reverse();
    lines.join("; ").chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_is_bounded_in_time_and_its_failure_is_told() {
        let late = Tool::new("/usr/bin/sleep").arg("60").limit(Duration::from_millis(20)).run().await;
        assert!(matches!(late, Err(ToolError::TimedOut { .. })));
        let failed = Tool::new("/usr/bin/ls").arg("/nonexistent").text().await;
        assert!(matches!(failed, Err(ToolError::Failed { code: 2, .. })));
        assert!(matches!(Tool::new("/usr/bin/no-such").run().await, Err(ToolError::Missing { .. })));
    }

    #[tokio::test]
    async fn lines_come_from_both_outputs_and_a_counter_is_split() {
        let mut seen = Vec::new();
        let code =
            Tool::new("/usr/bin/printf").arg("a\\rb\\n\\nc").lines(|line| seen.push(line.to_owned())).await;
        assert_eq!((code.unwrap(), seen), (0, vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]));
    }

    #[tokio::test]
    async fn a_left_over_child_does_not_hold_the_listener() {
        let code = Tool::new("/usr/bin/sh")
            .args(["-c", "sleep 30 & echo x"])
            .limit(Duration::from_secs(20))
            .lines(|_| ());
        assert_eq!(code.await.unwrap(), 0);
    }
}
