//! `refresh_lists`: brings apt's package lists up to date. Installs nothing.

use std::time::Duration;

use wire::{Failure, FailureKind, Outcome};

use super::failure;
use crate::{apt, daemon::chain, jobs::Job};

/// A dead mirror costs apt its own time-outs, times addresses, times retries.
const LIMIT: Duration = Duration::from_secs(300);

pub(super) async fn perform(job: &Job) -> Result<Outcome, Failure> {
    job.progress(0.0, "Fetching package lists");
    let mut complaints = Vec::new();
    let update = apt::apt_get()
        // Without it a mirror that fails leaves old lists and exit code 0.
        .option("APT::Update::Error-Mode", "any")
        .arg("update")
        .limit(LIMIT)
        .lines(|line| {
            job.log(line);
            if line.starts_with("E:") || line.starts_with("Err:") {
                complaints.push(line.to_owned());
            }
        });
    match update.await {
        Ok(0) => Ok(Outcome::Done),
        Ok(code) => Err(failure(
            FailureKind::Unavailable,
            format!("apt-get update ended with code {code}: {}", super::some(complaints)),
        )),
        Err(error) => Err(failure(FailureKind::Unavailable, chain(&error))),
    }
}
