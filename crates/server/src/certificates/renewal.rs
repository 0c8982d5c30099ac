//! When a certificate is replaced: in the window that the CA suggests (ARI, RFC 9773), else
//! at two thirds of its lifetime. Lifetimes are shrinking, so no number of days stands here.

use std::time::Duration;

use instant_acme::{Account, CertificateIdentifier};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;

use super::parsed::Leaf;

/// At half of the lifetime for those that live this long or less: a third of six days is too
/// little time to mend what hinders a renewal.
const SHORT_LIVED: SignedDuration = SignedDuration::from_hours(10 * 24);

/// How often a CA is asked for its window: it may move it forward to revoke certificates
/// (RFC 9773 §4.3.2 has clients come back within a day).
pub(super) const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// A CA that does not tell its window within this time is not waited for: the host is.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The moment by the lifetime alone.
pub(super) fn by_lifetime(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let life = not_after.duration_since(not_before);
    let share = if life <= SHORT_LIVED { life / 2 } else { life * 2 / 3 };
    not_before + share
}

/// A moment in the CA's window, at random, so that a fleet does not come at once. None where
/// the CA has no window to tell, or does not tell it now.
pub(super) async fn suggested(account: &Account, leaf: &Leaf) -> Option<Timestamp> {
    let id = CertificateIdentifier::try_from(&leaf.der).ok()?;
    let asked = tokio::time::timeout(PATIENCE, account.renewal_info(&id)).await.ok()?;
    match asked {
        Ok((info, _)) => {
            let (start, end) =
                (info.suggested_window.start.unix_timestamp(), info.suggested_window.end.unix_timestamp());
            within(start, end, &mut rand::thread_rng())
        }
        Err(instant_acme::Error::Unsupported(_)) => None,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the CA does not tell when to renew");
            None
        }
    }
}

/// A window that ends before it begins is none.
fn within(start: i64, end: i64, random: &mut impl Rng) -> Option<Timestamp> {
    let second = if start < end { random.gen_range(start..end) } else { start };
    if start > end { None } else { Timestamp::from_second(second).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).unwrap()
    }

    #[test]
    fn two_thirds_of_a_life_and_half_of_a_short_one() {
        for (days, renewal) in [(90, 60), (45, 30), (64 * 3, 128), (6, 3), (10, 5), (12, 8)] {
            assert_eq!(by_lifetime(at(0), at(days)), at(renewal), "{days} days");
        }
    }

    #[test]
    fn a_window_is_kept_to_and_nonsense_is_not_believed() {
        let mut random = rand::thread_rng();
        for _ in 0..100 {
            let chosen = within(1_000, 1_010, &mut random).unwrap().as_second();
            assert!((1_000..1_010).contains(&chosen));
        }
        assert_eq!(within(5, 5, &mut random).map(Timestamp::as_second), Some(5));
        assert_eq!(within(6, 5, &mut random), None);
    }
}
