//! Powers hosts on and off, in order and not.
//!
//! Whether a host runs is judged by the processes in its control group. The
//! functions here expect the caller to hold the host's lock.

use std::time::Duration;

use base::HostName;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    Lab, cgroup::Group, command::tail, container::Container, layout, network, record::HostRecord,
    supervisor::HostGroup,
};
use crate::ProviderError;

/// A host halts in 0.4 to 2 s; a service may take systemd's default of 90 s to stop.
const HALT_LIMIT: Duration = Duration::from_secs(90);

/// nspawn has a leader within 0.3 s; twenty hosts starting at once on two cores took 10 s.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Processes die within 0.2 s of SIGKILL.
const DEATH_LIMIT: Duration = Duration::from_secs(5);

/// How often a group's processes are looked at. Version 1 groups announce nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

impl Lab {
    pub(crate) fn group(&self, host: &HostName) -> HostGroup {
        HostGroup::of(&self.settings, host)
    }

    pub(crate) fn running(&self, host: &HostName) -> bool {
        !self.group(host).container.processes().is_empty()
    }

    pub(crate) async fn power_on(&self, record: &HostRecord) -> Result<(), ProviderError> {
        let group = self.group(&record.name);
        if self.running(&record.name) {
            return Ok(());
        }
        // A supervisor of the former power-on may be about to end; two would hinder each other.
        if !emptied(&group.whole, DEATH_LIMIT).await {
            group.whole.kill().await?;
        }
        network::raise_bridge(&self.settings.id, self.settings.subnet).await?;
        let log = self.layout.host_log(&record.name);
        let mut child = self.spawn_helper(&["supervise"], Some(&record.name), &log)?;
        let started = tokio::time::timeout(START_LIMIT, async {
            loop {
                if Container::find(&group.container).is_some_and(Container::listens) {
                    return true;
                }
                if let Ok(Some(_)) = child.try_wait() {
                    return false;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        if started.await == Ok(true) {
            return Ok(());
        }
        let said = std::fs::read(&log).unwrap_or_default();
        Err(ProviderError::Unavailable {
            action: format!("start `{}`", record.name),
            found: format!("its container did not come up: {}", tail(&String::from_utf8_lossy(&said))),
        })
    }

    /// The container of a host, once its first process listens. `None` if the host is stopped, or
    /// does not get there.
    pub(crate) async fn listening(&self, host: &HostName) -> Option<Container> {
        let group = self.group(host);
        let ready = async {
            while !group.container.processes().is_empty() {
                if let Some(container) = Container::find(&group.container).filter(|found| found.listens()) {
                    return Some(container);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            None
        };
        tokio::time::timeout(START_LIMIT, ready).await.ok().flatten()
    }

    pub(crate) async fn shut_down(&self, host: &HostName) -> Result<(), ProviderError> {
        let group = self.group(host);
        if let Some(container) = self.listening(host).await {
            // It may have ended by itself in this moment.
            let _ = kill(Pid::from_raw(container.nspawn), Signal::SIGTERM);
            if emptied(&group.container, HALT_LIMIT).await && emptied(&group.whole, DEATH_LIMIT).await {
                return Ok(());
            }
            tracing::warn!(%host, "did not halt in order in {} s and is powered off", HALT_LIMIT.as_secs());
        }
        self.cut_power(host).await
    }

    pub(crate) async fn cut_power(&self, host: &HostName) -> Result<(), ProviderError> {
        let group = self.group(host);
        // The first process takes all others with it. nspawn, killed first, would leave them running.
        if let Some(container) = Container::find(&group.container) {
            let _ = kill(Pid::from_raw(container.leader), Signal::SIGKILL);
            if emptied(&group.whole, DEATH_LIMIT).await {
                return Ok(());
            }
        }
        group.whole.kill().await?;
        if let Some(record) = HostRecord::find(&self.layout, host)? {
            network::delete_link(&self.settings.id.cable(record.number)).await?;
        }
        Ok(())
    }

    /// Ends a host as a failing power supply would: nothing is written, nothing is told.
    ///
    /// # Errors
    /// `NotFound`, or `Unavailable` if its processes survive.
    pub async fn power_cut(&self, host: &HostName) -> Result<(), ProviderError> {
        let _lock = layout::lock(self.layout.host_lock(host)).await?;
        HostRecord::read(&self.layout, host)?;
        self.cut_power(host).await
    }

    /// Makes a host hang, or go on. A hung host still accepts connections and answers none.
    ///
    /// # Errors
    /// `NotFound`; `File` if the kernel refuses.
    pub fn hang(&self, host: &HostName, hung: bool) -> Result<(), ProviderError> {
        HostRecord::read(&self.layout, host)?;
        self.group(host).container.freeze(hung)
    }
}

/// Waits until a group has no process; false if it still has some in the end.
async fn emptied(group: &Group, limit: Duration) -> bool {
    let empty = async {
        while !group.processes().is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(limit, empty).await.is_ok()
}
