//! Runs a program inside a host from outside, for tests that inspect one.
//!
//! An operator has ssh; this also works when ssh is what broke.

use std::{ffi::OsStr, process::Stdio, time::Duration};

use base::HostName;

use super::{Lab, command::Program, record::HostRecord};
use crate::ProviderError;

/// A whole upgrade of a host took under a minute.
const LIMIT: Duration = Duration::from_secs(900);

/// What a program inside a host said and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output. Bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Lab {
    /// Runs a program as the host's root, in all the host's namespaces, with no shell,
    /// no standard input and a plain environment. Ends it after 15 minutes.
    ///
    /// # Errors
    /// `NotFound` for an unknown host; `Unavailable` if it does not run.
    pub async fn exec<I, S>(&self, host: &HostName, argv: I) -> Result<Output, ProviderError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.exec_with_input(host, argv, Stdio::null()).await
    }

    /// Runs a program likewise, with this standard input.
    ///
    /// # Errors
    /// As [`Lab::exec`].
    pub async fn exec_with_input<I, S>(
        &self,
        host: &HostName,
        argv: I,
        input: Stdio,
    ) -> Result<Output, ProviderError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        HostRecord::read(&self.layout, host)?;
        let action = format!("run a program in `{host}`");
        let Some(container) = self.listening(host).await else {
            return Err(ProviderError::Unavailable { action, found: "the host does not run".into() });
        };
        let output = Program::new("nsenter", action)
            .arg(format!("--target={}", container.leader))
            .args([
                "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--user", "--root", "--wd", "--",
            ])
            .args([
                "env",
                "-i",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
            ])
            .args(["LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"])
            .args(argv)
            .input(input)
            .limit(LIMIT)
            .output()
            .await?;
        Ok(Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
