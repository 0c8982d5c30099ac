//! Puts a snapshot back in place, and finishes the job after a crash.
//!
//! The intent is written first and removed last. In between, what is done can be
//! read off the disk, so the same function runs the first time and after a crash:
//!
//! ```text
//! next copied ─► root becomes former ─► next becomes root ─► started ─► former deleted
//! ```

use std::fs;

use base::HostName;

use super::{
    Lab, layout,
    record::{HostRecord, RestoreIntent},
};
use crate::{ProviderError, SnapshotName};

impl Lab {
    /// Restores a host. The caller holds the host's lock.
    pub(crate) async fn restore_in_place(
        &self,
        record: &HostRecord,
        snapshot: &SnapshotName,
    ) -> Result<(), ProviderError> {
        // An interrupted restore of another snapshot may have moved the root away; it is finished first.
        self.finish_restore(record).await?;
        if !self.layout.snapshot(&record.name, snapshot).exists() {
            return Err(ProviderError::NotFound { kind: "snapshot", name: snapshot.to_string() });
        }
        let intent = RestoreIntent { snapshot: snapshot.clone() };
        layout::write_json(&self.layout.intent(&record.name), &intent)?;
        self.finish_restore(record).await
    }

    /// Does what is left of a restore, if one was begun.
    pub(crate) async fn finish_restore(&self, record: &HostRecord) -> Result<(), ProviderError> {
        let (layout, storage) = (&self.layout, self.settings.storage);
        let host = &record.name;
        let Some(intent) = layout::read_json::<RestoreIntent>(&layout.intent(host))? else { return Ok(()) };
        let (root, next, former) = (layout.root(host), layout.next_root(host), layout.former_root(host));
        let swapped = root.exists() && former.exists();
        if !swapped {
            // What the host wrote since is lost anyway, so it need not halt in order.
            self.cut_power(host).await?;
            if !former.exists() {
                storage.delete(&next).await?;
                storage.copy(&layout.snapshot(host, &intent.snapshot), &next, false).await?;
                fs::rename(&root, &former).map_err(ProviderError::file("rename", &root))?;
            }
            fs::rename(&next, &root).map_err(ProviderError::file("rename", &next))?;
        }
        self.power_on(record).await?;
        storage.delete(&former).await?;
        layout::remove_file(&layout.intent(host))
    }

    /// Finishes every restore that a crash interrupted. One that another process is at is left to it.
    pub(crate) async fn finish_restores(&self) -> Result<(), ProviderError> {
        for record in HostRecord::all(&self.layout)? {
            if !self.layout.intent(&record.name).exists() {
                continue;
            }
            if let Some(_lock) = layout::try_lock(&self.layout.host_lock(&record.name))? {
                self.finish_restore(&record).await?;
            }
        }
        Ok(())
    }

    /// Removes a host's disks, also those of a restore under way.
    pub(crate) async fn delete_disks(&self, host: &HostName) -> Result<(), ProviderError> {
        let layout = &self.layout;
        for disk in [layout.next_root(host), layout.former_root(host), layout.root(host)] {
            self.settings.storage.delete(&disk).await?;
        }
        // nspawn keeps a lock file beside the root.
        layout::remove_file(&layout.roots().join(format!(".#{host}.lck")))
    }
}
