//! apt's marks, automatic or wanted, and holds: brought back to what a record says.

use std::collections::BTreeSet;

use super::record::Record;
use crate::{
    jobs::Job,
    tool::{Tool, ToolError},
};

/// Sets what differs for packages that the record names; leaves others alone.
pub(super) async fn bring_back(job: &Job, before: &Record, now: &Record) -> Result<(), ToolError> {
    let known = |name: &&String| before.packages.contains_key(*name) && now.packages.contains_key(*name);
    let changes: [(&str, BTreeSet<&String>); 4] = [
        ("auto", before.automatic.difference(&now.automatic).filter(known).collect()),
        ("manual", now.automatic.difference(&before.automatic).filter(known).collect()),
        ("hold", before.held.difference(&now.held).filter(known).collect()),
        ("unhold", now.held.difference(&before.held).filter(known).collect()),
    ];
    for (mark, names) in changes {
        if !names.is_empty() {
            job.log(&format!("apt-mark {mark}: {}", super::some(&names)));
            Tool::new("/usr/bin/apt-mark").arg(mark).args(names).text().await?;
        }
    }
    Ok(())
}
