//! The lab as a provider of virtual servers.

use std::fs;

use async_trait::async_trait;
use base::HostName;
use jiff::Timestamp;

use super::{
    Lab,
    cgroup::Group,
    firewall,
    image::{Builder, Recipe},
    layout,
    record::{HostRecord, Phase, free_number},
    seed::Seed,
};
use crate::{
    Capabilities, Host, HostSpec, HostState, Opening, ProviderError, Snapshot, SnapshotName, VpsProvider,
};

impl Lab {
    fn host(&self, record: &HostRecord) -> Host {
        let state = match record.phase {
            Phase::Building | Phase::Starting => HostState::Changing,
            Phase::Ready if self.layout.intent(&record.name).exists() => HostState::Changing,
            Phase::Ready if self.running(&record.name) => HostState::Running,
            Phase::Ready => HostState::Stopped,
        };
        Host {
            name: record.name.clone(),
            release: record.release,
            ipv4: self.settings.subnet.v4(record.number),
            ipv6: self.settings.subnet.v6(record.number),
            state,
            created_at: record.created_at,
        }
    }

    /// Gives a new host its number and writes its record.
    async fn admit(&self, spec: &HostSpec) -> Result<HostRecord, ProviderError> {
        let _lock = layout::lock(self.layout.lock()).await?;
        let number = free_number(&HostRecord::all(&self.layout)?).ok_or_else(|| ProviderError::Refused {
            action: format!("create `{}`", spec.name),
            reason: "the lab's network has no free address; destroy a host first".into(),
        })?;
        let record = HostRecord {
            name: spec.name.clone(),
            release: spec.release,
            number,
            phase: Phase::Building,
            openings: None,
            created_at: Timestamp::now(),
        };
        record.write(&self.layout)?;
        Ok(record)
    }

    /// Makes the disk of a new host.
    async fn build_disk(
        &self,
        record: &HostRecord,
        image: &std::path::Path,
        user_data: &str,
    ) -> Result<(), ProviderError> {
        self.delete_disks(&record.name).await?;
        let root = self.layout.root(&record.name);
        self.settings.storage.copy(image, &root, false).await?;
        let instance_id =
            format!("{}-{}-{}", self.settings.id.as_str(), record.name, record.created_at.as_millisecond());
        let seed = Seed {
            name: &record.name,
            instance_id: &instance_id,
            codename: record.release.codename(),
            subnet: self.settings.subnet,
            number: record.number,
            user_data,
            repo_key: &self.repo().public_key()?,
        };
        seed.write(&root)
    }

    /// The snapshot of this name, if there is one.
    fn snapshot(&self, host: &HostName, name: &SnapshotName) -> Result<Option<Snapshot>, ProviderError> {
        if !self.layout.snapshot(host, name).exists() {
            return Ok(None);
        }
        let taken_at = layout::read_json(&self.taken_at(host, name))?.unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Some(Snapshot { host: host.clone(), name: name.clone(), taken_at }))
    }

    /// Holds when a snapshot was taken. Written before the snapshot appears, removed after it is gone.
    fn taken_at(&self, host: &HostName, name: &SnapshotName) -> std::path::PathBuf {
        self.layout.snapshots(host).join(format!("{name}.json"))
    }
}

#[async_trait]
impl VpsProvider for Lab {
    fn name(&self) -> &'static str {
        "lab"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { snapshots: true, restore_in_place: true, firewall: true }
    }

    async fn create(&self, spec: &HostSpec) -> Result<Host, ProviderError> {
        let refuse =
            |reason: String| ProviderError::Refused { action: format!("create `{}`", spec.name), reason };
        if spec.user_data.len() > HostSpec::MAX_USER_DATA {
            return Err(refuse(format!(
                "its user-data has {} bytes, at most {} are taken",
                spec.user_data.len(),
                HostSpec::MAX_USER_DATA
            )));
        }
        let recipe = Recipe::of(spec.release, self.with_kernel)?;
        let _lock = layout::lock(self.layout.host_lock(&spec.name)).await?;
        let mut record = match HostRecord::find(&self.layout, &spec.name)? {
            Some(record) if record.release != spec.release => {
                return Err(refuse(format!("there is a host of this name with {}", record.release)));
            }
            Some(record) => record,
            None => self.admit(spec).await?,
        };
        if record.phase == Phase::Building {
            let builder = Builder {
                cache: &self.settings.cache_dir.join("images"),
                images: &self.layout.images(),
                storage: self.settings.storage,
                archives: &self.settings.archives,
                group: Group::of_lab(&self.settings.id).child("@image"),
                progress: self.progress.as_ref(),
            };
            let image = builder.ready(&recipe).await?;
            self.build_disk(&record, &image, &spec.user_data).await?;
            record.phase = Phase::Starting;
            record.write(&self.layout)?;
        }
        if record.phase == Phase::Starting {
            self.power_on(&record).await?;
            record.phase = Phase::Ready;
            record.write(&self.layout)?;
        }
        Ok(self.host(&record))
    }

    async fn find(&self, name: &HostName) -> Result<Option<Host>, ProviderError> {
        Ok(HostRecord::find(&self.layout, name)?.map(|record| self.host(&record)))
    }

    async fn list(&self) -> Result<Vec<Host>, ProviderError> {
        Ok(HostRecord::all(&self.layout)?.iter().map(|record| self.host(record)).collect())
    }

    async fn start(&self, name: &HostName) -> Result<(), ProviderError> {
        let _lock = layout::lock(self.layout.host_lock(name)).await?;
        let record = HostRecord::read(&self.layout, name)?;
        self.finish_restore(&record).await?;
        self.power_on(&record).await
    }

    async fn stop(&self, name: &HostName) -> Result<(), ProviderError> {
        let _lock = layout::lock(self.layout.host_lock(name)).await?;
        HostRecord::read(&self.layout, name)?;
        self.shut_down(name).await
    }

    async fn reboot(&self, name: &HostName) -> Result<(), ProviderError> {
        let _lock = layout::lock(self.layout.host_lock(name)).await?;
        let record = HostRecord::read(&self.layout, name)?;
        self.finish_restore(&record).await?;
        self.cut_power(name).await?;
        self.power_on(&record).await
    }

    async fn take_snapshot(&self, host: &HostName, name: &SnapshotName) -> Result<Snapshot, ProviderError> {
        let _lock = layout::lock(self.layout.host_lock(host)).await?;
        let record = HostRecord::read(&self.layout, host)?;
        self.finish_restore(&record).await?;
        if let Some(snapshot) = self.snapshot(host, name)? {
            return Ok(snapshot);
        }
        let folder = self.layout.snapshots(host);
        fs::create_dir_all(&folder).map_err(ProviderError::file("create", &folder))?;
        let paused = !self.settings.storage.copies_live() && self.running(host);
        if paused {
            self.shut_down(host).await?;
        }
        let taken_at = Timestamp::now();
        layout::write_json(&self.taken_at(host, name), &taken_at)?;
        let copied = self
            .settings
            .storage
            .copy(&self.layout.root(host), &self.layout.snapshot(host, name), true)
            .await;
        if paused {
            self.power_on(&record).await?;
        }
        copied?;
        Ok(Snapshot { host: host.clone(), name: name.clone(), taken_at })
    }

    async fn snapshots(&self, host: &HostName) -> Result<Vec<Snapshot>, ProviderError> {
        HostRecord::read(&self.layout, host)?;
        let Ok(entries) = fs::read_dir(self.layout.snapshots(host)) else { return Ok(Vec::new()) };
        let mut snapshots = Vec::new();
        for entry in entries.flatten() {
            // A dot, as in `x.json` and `x.part`, is in no snapshot's name.
            if let Some(Ok(name)) = entry.file_name().to_str().map(str::parse::<SnapshotName>) {
                snapshots.extend(self.snapshot(host, &name)?);
            }
        }
        snapshots.sort_by(|a, b| (a.taken_at, &a.name).cmp(&(b.taken_at, &b.name)));
        Ok(snapshots)
    }

    async fn restore(&self, host: &HostName, name: &SnapshotName) -> Result<Host, ProviderError> {
        let _lock = layout::lock(self.layout.host_lock(host)).await?;
        let record = HostRecord::read(&self.layout, host)?;
        self.restore_in_place(&record, name).await?;
        Ok(self.host(&record))
    }

    async fn delete_snapshot(&self, host: &HostName, name: &SnapshotName) -> Result<(), ProviderError> {
        let _lock = layout::lock(self.layout.host_lock(host)).await?;
        // An interrupted restore still needs its snapshot.
        if let Some(record) = HostRecord::find(&self.layout, host)? {
            self.finish_restore(&record).await?;
        }
        self.settings.storage.delete(&self.layout.snapshot(host, name)).await?;
        layout::remove_file(&self.taken_at(host, name))
    }

    async fn firewall(&self, host: &HostName) -> Result<Option<Vec<Opening>>, ProviderError> {
        self.openings(host)
    }

    async fn set_firewall(&self, host: &HostName, openings: &[Opening]) -> Result<(), ProviderError> {
        self.set_openings(host, openings).await
    }

    /// Deletes the host's snapshots with it.
    async fn destroy(&self, name: &HostName) -> Result<(), ProviderError> {
        let lock = layout::lock(self.layout.host_lock(name)).await?;
        self.cut_power(name).await?;
        self.group(name).whole.remove().await?;
        layout::remove_file(&self.layout.intent(name))?;
        self.delete_disks(name).await?;
        let folder = self.layout.snapshots(name);
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.settings.storage.delete(&path).await?;
            } else {
                layout::remove_file(&path)?;
            }
        }
        let _ = fs::remove_dir(&folder);
        // The record goes last: until then, destroying it again finds what is left.
        layout::remove_file(&self.layout.host_log(name))?;
        layout::remove_file(&self.layout.supervisor_lock(name))?;
        layout::remove_file(&self.layout.record(name))?;
        layout::remove_file(&self.layout.host_lock(name))?;
        drop(lock);
        // Its number goes to another host, and must not come with its openings.
        firewall::raise(&self.layout, &self.settings.id).await
    }
}
