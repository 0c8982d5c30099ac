//! A clock that moves only when a test moves it.

use std::sync::{Arc, Mutex, PoisonError};

use base::Clock;
use jiff::{SignedDuration, Timestamp};

/// A clock that stands still. Clones show the same time.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<Mutex<Timestamp>>);

impl FakeClock {
    /// A clock that shows this instant.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Jumps to an instant, also back, as a corrected clock does.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Moves on by a duration; a negative one moves back.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(*now);
    }
}

impl Default for FakeClock {
    /// A Tuesday morning, far from any change to daylight saving: 2026-11-24, 09:00 UTC.
    fn default() -> Self {
        let morning = jiff::civil::date(2026, 11, 24).at(9, 0, 0, 0);
        Self::at(jiff::tz::TimeZone::UTC.to_timestamp(morning).unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_when_moved_and_clones_agree() {
        let clock = FakeClock::default();
        assert_eq!(clock.now().to_string(), "2026-11-24T09:00:00Z");
        let other = clock.clone();
        other.advance(SignedDuration::from_hours(6));
        assert_eq!(clock.now().to_string(), "2026-11-24T15:00:00Z");
        clock.set(Timestamp::UNIX_EPOCH);
        assert_eq!(other.now(), Timestamp::UNIX_EPOCH);
    }
}
