//! Why an order failed, and how long to wait before the next attempt. No fault is tried again
//! at once, and each repetition waits longer.

use std::time::Duration;

use base::Problem;

use crate::dns::DnsError;

/// Why an order failed.
#[derive(Debug, thiserror::Error)]
pub enum OrderFault {
    /// The challenge could not be answered.
    #[error("the challenge could not be answered in DNS")]
    Dns {
        /// What did not work.
        #[from]
        source: DnsError,
    },
    /// The CA wants fewer requests.
    #[error("the CA limits how much may be ordered: {detail}")]
    RateLimited {
        /// What it asks to wait.
        retry_after: Option<Duration>,
        /// In its words.
        detail: String,
    },
    /// The CA looked and was not convinced, or does not issue for this name.
    #[error("the CA refused the order: {detail}")]
    Refused {
        /// In its words.
        detail: String,
    },
    /// The CA does not know our account any more.
    #[error("the CA does not know the account: {detail}")]
    Account {
        /// In its words.
        detail: String,
    },
    /// The CA took none of several fresh nonces.
    #[error("the CA rejected every nonce it had given: {detail}")]
    Nonce {
        /// In its words.
        detail: String,
    },
    /// The CA cannot be reached, or says that it cannot answer now.
    #[error("the CA does not answer: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
        /// What it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The CA's answer cannot be used.
    #[error("the CA's answer cannot be used: {detail}")]
    Answer {
        /// What is wrong with it.
        detail: String,
    },
    /// The account's key cannot be kept or read.
    #[error("the account at the CA cannot be used")]
    Store {
        /// In the store's words.
        #[source]
        source: Problem,
    },
    /// Our own count says that the CA would refuse.
    #[error("the CA's weekly limit is reached")]
    WeeklyLimit,
}

/// The first pause after what may pass by itself within seconds.
const SHORT: Duration = Duration::from_secs(15);
/// After what a person must mend.
const SETTING: Duration = Duration::from_secs(60);
/// After a failed validation: Let's Encrypt allows five an hour for a name.
const VALIDATION: Duration = Duration::from_secs(15 * 60);
/// After a limit without a word about how long.
const LIMIT: Duration = Duration::from_secs(3600);
/// No pause is longer than this, so that what was mended is noticed within a quarter of a day…
const LONGEST: Duration = Duration::from_secs(6 * 3600);
/// …unless the CA itself asks for more: its longest limit counts a week.
const LONGEST_ASKED: Duration = Duration::from_secs(8 * 86_400);

impl OrderFault {
    /// How long to wait after this many failed attempts, this one included.
    pub fn pause(&self, attempts: u32) -> Duration {
        let (first, asked) = match self {
            Self::Dns { source } if source.retryable() => (SHORT, None),
            Self::Dns { .. } | Self::Store { .. } => (SETTING, None),
            Self::RateLimited { retry_after, .. } => match retry_after {
                Some(_) => (SHORT, *retry_after),
                None => (LIMIT, None),
            },
            Self::Refused { .. } => (VALIDATION, None),
            Self::Unavailable { retry_after, .. } => (SHORT, *retry_after),
            Self::Account { .. } | Self::Nonce { .. } | Self::Answer { .. } => (SHORT, None),
            Self::WeeklyLimit => (LIMIT, None),
        };
        // 2^16 times the shortest pause is past the longest.
        let doubled = first.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST);
        doubled.max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }

    /// Whether everything else in the zone has to wait as long.
    pub fn holds_the_zone(&self) -> bool {
        match self {
            Self::RateLimited { .. } => true,
            Self::Dns { .. }
            | Self::Refused { .. }
            | Self::Account { .. }
            | Self::Nonce { .. }
            | Self::Unavailable { .. }
            | Self::Answer { .. }
            | Self::Store { .. }
            | Self::WeeklyLimit => false,
        }
    }

    /// How it looks to a person.
    pub fn problem(&self, name: &str) -> Problem {
        let (code, next) = match self {
            Self::Dns { source } => ("certificate.dns", source.hint()),
            Self::RateLimited { .. } | Self::WeeklyLimit => {
                ("certificate.limit", "wait, or spread the servers over several zones")
            }
            Self::Refused { .. } => (
                "certificate.refused_by_ca",
                "see what it says; CAA records and the zone's delegation are the usual causes",
            ),
            Self::Account { .. } => ("certificate.account", "the next attempt makes a new account by itself"),
            Self::Nonce { .. } | Self::Unavailable { .. } => {
                ("certificate.ca_unavailable", "see the CA's status page; the next attempt comes by itself")
            }
            Self::Answer { .. } => {
                ("certificate.ca_answer", "see whether the directory is that of an ACME CA")
            }
            Self::Store { .. } => ("certificate.store", "see the log of the control plane"),
        };
        Problem::new(code, format!("could not get a certificate for `{name}`"))
            .found(agent::daemon::chain(self).chars().take(1_000).collect::<String>())
            .state("The certificate that the host has stays in use")
            .next(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(seconds: Option<u64>) -> OrderFault {
        OrderFault::RateLimited { retry_after: seconds.map(Duration::from_secs), detail: String::new() }
    }

    #[test]
    fn every_pause_grows_and_none_is_short() {
        let refused = OrderFault::Refused { detail: String::new() };
        let unreachable = OrderFault::Unavailable { detail: String::new(), retry_after: None };
        for fault in [&refused, &unreachable, &limited(None), &OrderFault::WeeklyLimit] {
            let pauses: Vec<_> = (1..=40).map(|attempts| fault.pause(attempts)).collect();
            assert!(pauses[0] >= SHORT && pauses.is_sorted() && pauses[39] == LONGEST, "{fault}: {pauses:?}");
        }
        assert!(pauses_within_an_hour(&refused) <= 3, "more than the CA allows");
    }

    fn pauses_within_an_hour(fault: &OrderFault) -> usize {
        let mut total = Duration::ZERO;
        let within = |attempts: &u32| {
            total += fault.pause(*attempts);
            total <= Duration::from_secs(3600)
        };
        (1..).take_while(within).count()
    }

    #[test]
    fn what_the_ca_asks_for_is_kept_to() {
        assert_eq!(limited(Some(7 * 3600)).pause(1), Duration::from_secs(7 * 3600), "longer than ours");
        assert_eq!(limited(Some(0)).pause(1), SHORT, "a careless answer makes no loop");
        assert_eq!(limited(Some(u64::MAX)).pause(1), LONGEST_ASKED, "nor is it obeyed for ever");
        assert!(limited(None).holds_the_zone() && !OrderFault::WeeklyLimit.holds_the_zone());
    }
}
