//! Time on a processor, of this process and of those it starts: what a machine that is busy
//! with other things does not falsify.

use std::time::Duration;

use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike as _,
    },
    time::{ClockId, clock_gettime},
};

/// Of each measurement this much is spent at least, so that the clock itself does not count.
const LEAST: Duration = Duration::from_millis(200);
/// Of so many measurements the middle one counts.
const ROUNDS: usize = 5;

/// The time that the calling thread has spent on a processor.
fn spent() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from);
    now.expect("every Linux since 2.6.12 has this clock")
}

/// Runs some work once; what it gives and what it costs.
pub fn once<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = spent();
    let done = work();
    (done, spent().saturating_sub(before))
}

/// Runs short work as often as it takes to measure it; what one run costs.
pub fn often<T>(mut work: impl FnMut() -> T) -> Duration {
    let mut rounds: Vec<Duration> = (0..ROUNDS).map(|_| round(&mut work)).collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2]
}

fn round<T>(work: &mut impl FnMut() -> T) -> Duration {
    let mut runs: u32 = 1;
    loop {
        let ((), cost) = once(|| {
            for _ in 0..runs {
                std::hint::black_box(work());
            }
        });
        if cost >= LEAST || runs >= 1 << 20 {
            return cost / runs;
        }
        runs *= 2;
    }
}

/// The time that ended children of this process have spent on processors.
pub fn of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("every Linux tells it");
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|time| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0)))
        .sum()
}
