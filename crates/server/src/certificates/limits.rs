//! What a CA lets one have, so that the queue waits instead of running into a refusal.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::dns::DnsName;

/// One certificate that was issued.
#[derive(Debug, Clone)]
pub(super) struct Issuance {
    /// Its zone: what the CA counts by, if it is the registered domain.
    pub zone: DnsName,
    /// Its name.
    pub name: DnsName,
    /// When.
    pub at: Timestamp,
    /// It replaced another, which the CA was told (RFC 9773 §5): such ones are not counted.
    pub replaced: bool,
}

/// A CA's limits over a week.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Certificates in one registered domain.
    pub of_zone: usize,
    /// Certificates for the same name.
    pub of_name: usize,
}

/// Let's Encrypt's: 50 in a registered domain and 5 for the same names in 7 days
/// (letsencrypt.org/docs/rate-limits, 2026).
pub(super) const LETS_ENCRYPT: Limits = Limits { of_zone: 50, of_name: 5 };

/// For any other CA: a host that loses its certificates over and over is a fault, not a need.
pub(super) const OTHERS: Limits = Limits { of_zone: 100_000, of_name: 100 };

/// How long the CA remembers.
pub(super) const WEEK: Duration = Duration::from_secs(7 * 86_400);

impl Limits {
    /// From when on another certificate for this name may be ordered. `issued` may hold more
    /// than what counts.
    pub(super) fn allowed_at(
        &self,
        issued: &[Issuance],
        zone: &DnsName,
        name: &DnsName,
        now: Timestamp,
    ) -> Timestamp {
        let week = SignedDuration::try_from(WEEK).unwrap_or(SignedDuration::MAX);
        let free_at = |counted: Vec<Timestamp>, most: usize| {
            let mut recent: Vec<_> = counted.into_iter().filter(|at| *at + week > now).collect();
            recent.sort_unstable();
            // With the oldest ones gone there is room for one more.
            recent.len().checked_sub(most).map_or(now, |over| recent[over] + week)
        };
        let counted = |wanted: &dyn Fn(&&Issuance) -> bool| {
            issued.iter().filter(|one| !one.replaced).filter(wanted).map(|one| one.at).collect::<Vec<_>>()
        };
        let by_zone = free_at(counted(&|one| one.zone == *zone), self.of_zone);
        let by_name = free_at(counted(&|one| one.name == *name), self.of_name);
        by_zone.max(by_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3600).unwrap()
    }

    #[test]
    fn the_queue_waits_until_the_oldest_is_a_week_old() {
        let zone: DnsName = "example.org".parse().unwrap();
        let name = |n: usize| DnsName::below(&format!("web-{n}"), &zone).unwrap();
        let one = |n: usize, hour: i64| Issuance {
            zone: zone.clone(),
            name: name(n),
            at: at(hour),
            replaced: false,
        };
        let same: Vec<_> = (0..5).map(|hour| one(1, hour)).collect();
        let allowed =
            |issued: &[Issuance], n: usize| LETS_ENCRYPT.allowed_at(issued, &zone, &name(n), at(10));
        assert_eq!(allowed(&same[..4], 1), at(10));
        assert_eq!(allowed(&same, 1), at(7 * 24));
        assert_eq!(allowed(&same, 2), at(10), "another name is not held up");
        let many: Vec<_> = (0..51).map(|n| one(n + 10, i64::try_from(n % 5).unwrap())).collect();
        assert_eq!(allowed(&many[..49], 2), at(10));
        // 51 are two too many for one more: the two oldest, both of hour 0, must go.
        assert_eq!(allowed(&many, 2), at(7 * 24));
        let renewals: Vec<_> = many.iter().cloned().map(|one| Issuance { replaced: true, ..one }).collect();
        assert_eq!(allowed(&renewals, 2), at(10), "replacements are exempt");
        assert_eq!(LETS_ENCRYPT.allowed_at(&same, &zone, &name(1), at(7 * 24)), at(7 * 24));
    }
}
