//! Wall-clock time behind a trait, so that six hours pass in a test at once.
//!
//! Windows, tokens and stale feeds are judged by this clock. How long a process
//! waits is measured with `tokio::time`, which a changed wall clock cannot move.

use jiff::Timestamp;

/// Tells the present time.
pub trait Clock: Send + Sync + 'static {
    /// The present instant, in UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
