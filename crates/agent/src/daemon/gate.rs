//! Who has failed too often lately. Sources that keep failing are turned away before a
//! single byte of theirs is parsed.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures that a source may have within [`WINDOW`]. A control plane with a wrong
/// token asks a few times a minute; a guesser asks all the time.
const FAILURES: u32 = 10;
/// Over which failures are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Sources remembered at once. Only allow-listed sources come this far, so that a few
/// are usual; the bound keeps memory fixed whatever happens.
const SOURCES: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Record {
    since: Instant,
    failures: u32,
}

/// Counts failures by source address.
#[derive(Debug, Default)]
pub struct Gate(Mutex<HashMap<IpAddr, Record>>);

impl Gate {
    /// Whether this source may try.
    pub fn is_open(&self, source: IpAddr) -> bool {
        self.is_open_at(source, Instant::now())
    }

    fn is_open_at(&self, source: IpAddr, now: Instant) -> bool {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records
            .get(&source.to_canonical())
            .is_none_or(|record| now - record.since >= WINDOW || record.failures < FAILURES)
    }

    /// Notes a failure. Returns how many the source has in this window.
    pub fn failed(&self, source: IpAddr) -> u32 {
        self.failed_at(source, Instant::now())
    }

    fn failed_at(&self, source: IpAddr, now: Instant) -> u32 {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= SOURCES {
            records.retain(|_, record| now - record.since < WINDOW);
        }
        if records.len() >= SOURCES && !records.contains_key(&source.to_canonical()) {
            return FAILURES;
        }
        let fresh = Record { since: now, failures: 0 };
        let record = records.entry(source.to_canonical()).or_insert(fresh);
        if now - record.since >= WINDOW {
            *record = fresh;
        }
        record.failures = record.failures.saturating_add(1);
        record.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_after_ten_failures_and_opens_after_a_minute() {
        let (gate, now) = (Gate::default(), Instant::now());
        let source: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        for _ in 0..10 {
            assert!(gate.is_open_at(source, now));
            gate.failed_at(source, now);
        }
        let plain = "192.0.2.1".parse().unwrap();
        assert!(!gate.is_open_at(plain, now), "the mapped address is the same source");
        assert!(gate.is_open_at("192.0.2.2".parse().unwrap(), now));
        assert!(gate.is_open_at(source, now + WINDOW));
    }
}
