//! What an operator asks for, checked field by field, so that a form can say beside each
//! what is wrong with it.

use base::Problem;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{LONGEST, USUAL};

/// The longest reason, in characters: a few sentences.
const REASON: usize = 500;
/// The longest owner, in characters.
const OWNER: usize = 100;
/// The longest name of a vulnerability, in characters. CVE numbers have at most 19 digits
/// (CVE record format 5.1).
const NAME: usize = 64;

/// What is asked for, as it was typed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceOrder {
    /// The CVE.
    pub cve: String,
    /// Where.
    pub scope: OrderScope,
    /// Why.
    pub reason: String,
    /// Who answers for it; whoever asks, if empty.
    #[serde(default)]
    pub owner: String,
    /// A day, at whose beginning (UTC) it ends, or a moment; 90 days from now, if empty.
    #[serde(default)]
    pub until: String,
}

/// Where a risk is to be accepted: `"fleet"` or `{"server": "web-1"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderScope {
    /// On every server.
    Fleet,
    /// On the server of this name.
    Server(String),
}

/// What was asked for, found to be in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The CVE.
    pub cve: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Until when.
    pub until: Timestamp,
}

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The CVE.
    Cve,
    /// The server, or the fleet.
    Scope,
    /// The reason.
    Reason,
    /// The owner.
    Owner,
    /// The end.
    Until,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub field: Field,
    /// A sentence.
    pub said: String,
}

impl Fault {
    /// This is wrong with that field.
    pub fn new(field: Field, said: impl Into<String>) -> Self {
        Self { field, said: said.into() }
    }

    /// All faults as one problem, for callers without a form.
    pub fn problem(cve: &str, faults: &[Self]) -> Problem {
        let cve: String = cve.chars().take(NAME).collect();
        let said: Vec<&str> = faults.iter().map(|fault| fault.said.as_str()).collect();
        Problem::new("acceptance.malformed", format!("could not accept `{cve}`"))
            .found(said.join(" "))
            .state("Nothing was changed")
            .next("give it again with what is said above")
    }
}

impl AcceptanceOrder {
    /// Checks every field but the server's name, or says of each what is wrong with it.
    pub fn check(&self, now: Timestamp, who: &str) -> Result<Terms, Vec<Fault>> {
        let owner = if self.owner.trim().is_empty() { who } else { &self.owner };
        let cve = vulnerability(&self.cve);
        let reason = line(&self.reason, REASON);
        let owner = line(owner, OWNER);
        let until = end(&self.until, now);
        match (cve, reason, owner, until) {
            (Ok(cve), Ok(reason), Ok(owner), Ok(until)) => Ok(Terms { cve, reason, owner, until }),
            (cve, reason, owner, until) => Err([
                cve.err().map(|said| Fault::new(Field::Cve, said)),
                reason.err().map(|said| Fault::new(Field::Reason, format!("The reason {said}."))),
                owner.err().map(|said| Fault::new(Field::Owner, format!("The owner {said}."))),
                until.err().map(|said| Fault::new(Field::Until, said)),
            ]
            .into_iter()
            .flatten()
            .collect()),
        }
    }
}

/// `CVE-2026-12345`, or a tracker's own name such as `TEMP-0841856-B18BAF`.
fn vulnerability(text: &str) -> Result<String, String> {
    let text = text.trim();
    let wrong = || {
        let text: String = text.chars().take(NAME).collect();
        match text.is_empty() {
            true => "Which CVE is missing.".to_owned(),
            false => format!("`{text}` is not a CVE, such as `CVE-2026-12345`."),
        }
    };
    let (prefix, rest) = text.split_once('-').ok_or_else(wrong)?;
    let plain = prefix.chars().all(|c| c.is_ascii_alphabetic())
        && (2..=8).contains(&prefix.len())
        && !rest.is_empty()
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !plain || text.len() > NAME {
        return Err(wrong());
    }
    if !prefix.eq_ignore_ascii_case("CVE") {
        return Ok(text.to_owned());
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match rest.split_once('-') {
        Some((year, number))
            if year.len() == 4 && digits(year) && digits(number) && (4..=19).contains(&number.len()) =>
        {
            Ok(text.to_ascii_uppercase())
        }
        _ => Err(wrong()),
    }
}

/// One line of words: what is written in several becomes one.
fn line(text: &str, longest: usize) -> Result<String, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.chars().count() {
        0 => Err("is missing".to_owned()),
        length if length > longest => Err(format!("has {length} characters, at most {longest} fit")),
        _ if line.chars().any(char::is_control) => Err("has characters that cannot be shown".to_owned()),
        _ => Ok(line),
    }
}

fn end(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    let day = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|moment| moment.timestamp());
    let until = match text {
        "" => now.checked_add(USUAL).ok(),
        text => text.parse::<Timestamp>().ok().or_else(|| text.parse::<Date>().ok().and_then(day)),
    };
    let Some(until) = until else {
        let text: String = text.chars().take(40).collect();
        return Err(format!("`{text}` is not a day, such as `2026-05-01`."));
    };
    match until.duration_since(now) {
        ahead if ahead <= SignedDuration::ZERO => Err("The end must lie in the future.".to_owned()),
        ahead if ahead > LONGEST => Err("The end is more than 365 days ahead.".to_owned()),
        _ => Ok(until),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-10T12:00:00Z".parse().unwrap()
    }

    fn order() -> AcceptanceOrder {
        AcceptanceOrder {
            cve: " cve-2026-0001 ".to_owned(),
            scope: OrderScope::Fleet,
            reason: "behind\r\n  the firewall".to_owned(),
            owner: String::new(),
            until: "2026-05-01".to_owned(),
        }
    }

    #[test]
    fn what_is_in_order_is_put_in_form() {
        let terms = order().check(now(), "ann").unwrap();
        assert_eq!((terms.cve.as_str(), terms.owner.as_str()), ("CVE-2026-0001", "ann"));
        assert_eq!(terms.reason, "behind the firewall");
        assert_eq!(terms.until.to_string(), "2026-05-01T00:00:00Z");
        let usual = AcceptanceOrder { until: String::new(), ..order() }.check(now(), "ann").unwrap();
        assert_eq!(usual.until.to_string(), "2026-06-08T12:00:00Z", "ninety days");
        let named = AcceptanceOrder { cve: "GHSA-abcd-1234".to_owned(), owner: "bob".to_owned(), ..order() };
        assert_eq!(named.check(now(), "ann").unwrap().owner, "bob");
    }

    #[test]
    fn each_field_says_what_is_wrong_with_it() {
        let long = "x".repeat(501);
        let spoilt: [(Field, &str, &str); 17] = [
            (Field::Cve, "", "missing"),
            (Field::Cve, "CVE-26-1", "is not a CVE"),
            (Field::Cve, "CVE-2026-123", "is not a CVE"),
            (Field::Cve, "CVE-2026-12345678901234567890", "is not a CVE"),
            (Field::Cve, "openssl", "is not a CVE"),
            (Field::Cve, "CVE-2026-0001; DROP", "is not a CVE"),
            (Field::Cve, "<b>-1", "is not a CVE"),
            (Field::Reason, " \n ", "is missing"),
            (Field::Reason, &long, "at most 500"),
            (Field::Reason, "bell \u{7}", "cannot be shown"),
            (Field::Owner, &long, "at most 100"),
            (Field::Until, "soon", "is not a day"),
            (Field::Until, "2026-02-30", "is not a day"),
            (Field::Until, "2026-03-10", "in the future"),
            (Field::Until, "2026-03-10T12:00:00Z", "in the future"),
            (Field::Until, "2027-03-10T12:00:01Z", "365 days"),
            (Field::Until, "9999-01-01", "365 days"),
        ];
        for (field, text, said) in spoilt {
            let mut order = order();
            *match field {
                Field::Cve => &mut order.cve,
                Field::Reason => &mut order.reason,
                Field::Owner => &mut order.owner,
                Field::Until | Field::Scope => &mut order.until,
            } = text.to_owned();
            let faults = order.check(now(), "ann").unwrap_err();
            assert_eq!(faults.len(), 1, "{text:.40}: {faults:?}");
            assert_eq!(faults[0].field, field, "{text:.40}");
            assert!(faults[0].said.contains(said), "{text:.40}: {faults:?}");
        }
        let all = AcceptanceOrder {
            cve: String::new(),
            reason: String::new(),
            owner: long,
            until: "x".to_owned(),
            ..order()
        };
        assert_eq!(all.check(now(), "ann").unwrap_err().len(), 4, "all at once, not one by one");
    }

    #[test]
    fn a_year_to_the_second_is_allowed() {
        let year = AcceptanceOrder { until: "2027-03-10T12:00:00Z".to_owned(), ..order() };
        assert!(year.check(now(), "ann").is_ok());
    }
}
