//! `drop_staged`: deletes what a staging has downloaded and kept.

use wire::{Failure, JobKey, Outcome};

use super::{internal, kept::Kept};
use crate::jobs::Job;

pub(super) fn perform(job: &Job, staged: &JobKey) -> Result<Outcome, Failure> {
    let existed = Kept::of(&job.places, staged).delete().map_err(internal)?;
    Ok(if existed { Outcome::Done } else { Outcome::AlreadyDone })
}
