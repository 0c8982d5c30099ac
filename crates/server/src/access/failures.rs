//! Slowing down whoever guesses: failed attempts per address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

/// Failed attempts that one address has in [`WINDOW`].
const ALLOWED: u32 = 10;

/// Attempts older than this are forgotten.
const WINDOW: Duration = Duration::from_secs(60);

/// Addresses remembered at once; beyond it the oldest are forgotten. Bounds the memory
/// that a flood of addresses can take to about a megabyte.
const ADDRESSES: usize = 10_000;

/// Counts failed attempts.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<IpAddr, (Timestamp, u32)>>);

impl Failures {
    /// Whether this address has failed too often of late.
    pub fn too_many(&self, from: IpAddr, now: Timestamp) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&from).is_some_and(|(since, count)| *count >= ALLOWED && is_recent(*since, now))
    }

    /// Counts a failed attempt.
    pub fn note(&self, from: IpAddr, now: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= ADDRESSES {
            seen.retain(|_, (since, _)| is_recent(*since, now));
        }
        if seen.len() >= ADDRESSES
            && let Some(oldest) = seen.iter().min_by_key(|(_, (since, _))| *since).map(|(from, _)| *from)
        {
            seen.remove(&oldest);
        }
        let entry = seen.entry(from).or_insert((now, 0));
        if !is_recent(entry.0, now) {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }
}

fn is_recent(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since).unsigned_abs() < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_a_minute_and_no_more() {
        let failures = Failures::default();
        let (from, other) = (IpAddr::from([203, 0, 113, 7]), IpAddr::from([203, 0, 113, 8]));
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for _ in 0..ALLOWED {
            assert!(!failures.too_many(from, now));
            failures.note(from, now);
        }
        assert!(failures.too_many(from, now));
        assert!(!failures.too_many(other, now));
        assert!(!failures.too_many(from, now + WINDOW));
    }
}
