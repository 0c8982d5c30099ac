//! What a lab remembers of a host: one small JSON file each.

use std::fs;

use base::{HostName, Release};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    layout::{self, Layout},
    network::HOST_NUMBERS,
};
use crate::{Opening, ProviderError, SnapshotName};

/// How far the creation of a host has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Its disk is being made. Creating it again begins anew.
    Building,
    /// Its disk is whole. It may have booted, so its disk must not be made again.
    Starting,
    /// It was started once.
    Ready,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRecord {
    pub(crate) name: HostName,
    pub(crate) release: Release,
    /// The last number of both its addresses.
    pub(crate) number: u8,
    pub(crate) phase: Phase,
    /// What the firewall in front of it lets in; none while everything passes.
    #[serde(default)]
    pub(crate) openings: Option<Vec<Opening>>,
    pub(crate) created_at: Timestamp,
}

impl HostRecord {
    pub(crate) fn find(layout: &Layout, name: &HostName) -> Result<Option<Self>, ProviderError> {
        layout::read_json(&layout.record(name))
    }

    pub(crate) fn read(layout: &Layout, name: &HostName) -> Result<Self, ProviderError> {
        Self::find(layout, name)?
            .ok_or_else(|| ProviderError::NotFound { kind: "host", name: name.to_string() })
    }

    pub(crate) fn write(&self, layout: &Layout) -> Result<(), ProviderError> {
        layout::write_json(&layout.record(&self.name), self)
    }

    /// Every host, sorted by name.
    pub(crate) fn all(layout: &Layout) -> Result<Vec<Self>, ProviderError> {
        let dir = layout.records();
        let mut records: Vec<Self> = Vec::new();
        for entry in fs::read_dir(&dir).map_err(ProviderError::file("read", &dir))?.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                // It may have been destroyed since the folder was read.
                records.extend(layout::read_json::<Self>(&path)?);
            }
        }
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }
}

/// The lowest number no host has.
pub(crate) fn free_number(records: &[HostRecord]) -> Option<u8> {
    HOST_NUMBERS.into_iter().find(|number| records.iter().all(|record| record.number != *number))
}

/// What a restore set out to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestoreIntent {
    pub(crate) snapshot: SnapshotName,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, number: u8) -> HostRecord {
        HostRecord {
            name: name.parse().unwrap(),
            release: Release::Debian12,
            number,
            openings: None,
            phase: Phase::Ready,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn numbers_are_given_out_lowest_first_and_run_out() {
        assert_eq!(free_number(&[]), Some(11));
        assert_eq!(free_number(&[record("a", 11), record("b", 13)]), Some(12));
        let full: Vec<_> = HOST_NUMBERS.map(|number| record("a", number)).collect();
        assert_eq!(free_number(&full), None);
    }

    #[test]
    fn a_record_survives_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        fs::create_dir(layout.records()).unwrap();
        record("web-1", 12).write(&layout).unwrap();
        assert_eq!(HostRecord::all(&layout).unwrap(), [record("web-1", 12)]);
        assert_eq!(HostRecord::find(&layout, &"web-2".parse().unwrap()).unwrap(), None);
    }
}
