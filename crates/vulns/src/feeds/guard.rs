//! What a new copy of a feed must satisfy, beyond being well formed, before it
//! replaces the last good one.

use jiff::{SignedDuration, Timestamp};

use super::{FeedData, FeedError};

/// The smallest share of the former records that a new copy may have, in percent.
/// Feeds only ever grow, but for records withdrawn and releases that leave it: one Debian
/// release of four or five is the most that goes at once, and most CVEs concern several.
const LEAST_PERCENT: usize = 70;

/// How far ahead of the clock here a feed may be: time zones reach 14 hours, and some feeds
/// state a day only.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(48);

/// Refuses a copy that is suddenly far smaller: such a copy would make every server look safer.
///
/// # Errors
/// [`FeedError::Shrunken`].
pub fn shrink_guard(before: &FeedData, after: &FeedData) -> Result<(), FeedError> {
    if before.kind().is_local() {
        // The operator may well take back what the operator has said.
        return Ok(());
    }
    let (before, after) = (before.records(), after.records());
    if after.saturating_mul(100) < before.saturating_mul(LEAST_PERCENT) {
        return Err(FeedError::Shrunken { before, after });
    }
    Ok(())
}

/// Refuses a copy that says of itself that it is older. Feeds that do not state
/// their time pass.
///
/// # Errors
/// [`FeedError::Older`].
pub fn age_guard(before: &FeedData, after: &FeedData) -> Result<(), FeedError> {
    match (before.as_of(), after.as_of()) {
        (Some(before), Some(after)) if after < before => Err(FeedError::Older { before, after }),
        _ => Ok(()),
    }
}

/// Refuses a copy that says of itself that it is from the future: were it taken, the guard of age
/// would refuse every right copy after it.
///
/// # Errors
/// [`FeedError::FromTheFuture`].
pub fn future_guard(now: Timestamp, after: &FeedData) -> Result<(), FeedError> {
    match after.as_of() {
        Some(as_of) if as_of.duration_since(now) > AHEAD_MAX => Err(FeedError::FromTheFuture { as_of, now }),
        _ => Ok(()),
    }
}
