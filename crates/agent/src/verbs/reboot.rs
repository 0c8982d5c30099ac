//! `reboot`: reboots, if the host still runs the boot that the request names. Asked
//! again after the reboot, it finds another boot and does nothing.

use wire::{Failure, Outcome};

use super::{Done, Then, internal};
use crate::{jobs::Job, observe, tool::Tool};

pub(super) fn perform(boot_id: &str) -> Result<Done, Failure> {
    if observe::boot_id() == boot_id {
        // The outcome goes to disk first; only then does the host go down.
        Ok(Done { outcome: Outcome::Done, then: Then::Reboot })
    } else {
        Ok(Outcome::AlreadyDone.into())
    }
}

pub(super) async fn now(job: &Job) -> Result<(), Failure> {
    job.log("rebooting");
    Tool::new("/usr/bin/systemctl").args(["reboot", "--no-block"]).text().await.map_err(internal)?;
    Ok(())
}
