//! `keep_firewall`: ends the trial of a firewall. That the question has arrived is the proof.

use wire::{Failure, JobKey, Outcome};

use super::{internal, stale};
use crate::{firewall::Trial, jobs::Job};

pub(super) async fn perform(job: &Job, set: &JobKey) -> Result<Outcome, Failure> {
    let open = Trial::open(&job.places).map_err(internal)?;
    match open.filter(|trial| trial.set == *set) {
        Some(trial) => trial.confirm(&job.places).await.map_err(internal).map(|()| Outcome::Done),
        None => Err(stale("the trial is over: nobody confirmed in time, and the former rules came back")),
    }
}
