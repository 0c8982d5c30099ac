//! One finding for each distinct CVE and source package. A host can have a source package at
//! several versions, as after an upgrade that left an old library behind; then the finding
//! that comes first in the order of attention stands for all.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use crate::{finding::Finding, findings::Findings};

/// The findings, one for each distinct CVE and source package, each with the binary
/// packages of all that it stands for. The order stays.
pub fn one_each(findings: &Findings) -> Vec<Finding> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut merged: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings {
        match places.entry(finding.key()) {
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push(finding.clone());
            }
            Entry::Occupied(place) => add(&mut merged[*place.get()], finding),
        }
    }
    merged
}

fn add(kept: &mut Finding, other: &Finding) {
    kept.binaries = union(&kept.binaries, &other.binaries);
    kept.proof.binaries = union(&kept.proof.binaries, &other.proof.binaries);
}

fn union<T: Clone + PartialEq>(mine: &Arc<[T]>, theirs: &Arc<[T]>) -> Arc<[T]> {
    let new = theirs.iter().filter(|item| !mine.contains(item)).cloned();
    mine.iter().cloned().chain(new).collect()
}
