//! MinIO's versions: the time of a release or of a commit, in UTC.
//!
//! Forms: the tag `RELEASE.2023-03-20T20-16-18Z`, the same in CPE names
//! (`2023-03-20t20-16-18z`) and in the admin API (RFC 3339), a package's
//! `20230320201618.0.0`, and Go's pseudo-versions, which name a commit
//! (<https://go.dev/ref/mod#pseudo-versions>).

use std::fmt;

use jiff::civil::DateTime;

/// The time that names a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseTime {
    time: DateTime,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Release,
    Commit,
    /// A commit whose seconds were left out; the time is the start of its minute.
    Minute,
}

/// The last release of MinIO's community edition. What was fixed later was fixed in the vendor's
/// commercial edition, whose releases have names of the same form.
pub(crate) fn last_community_release() -> DateTime {
    jiff::civil::datetime(2025, 10, 15, 17, 29, 55, 0)
}

impl ReleaseTime {
    /// Reads any of the forms. Builds that only say `DEVELOPMENT…` have no place in the order.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let text = text.strip_prefix("release.").unwrap_or(&text);
        let bare = text.strip_prefix('v').unwrap_or(text);
        if let Some(commit) = bare.strip_prefix("0.0.0-") {
            return of_commit(commit);
        }
        if let Some(time) = of_tag(text) {
            return Some(Self { time, form: Form::Release });
        }
        let (digits, rest) = text.split_at_checked(14)?;
        let closed = rest.is_empty() || rest.starts_with(['.', '-', '+', '~']);
        let time = of_digits(digits).filter(|_| closed)?;
        Some(Self { time, form: Form::Release })
    }

    /// The release of that time.
    pub(super) fn release(time: DateTime) -> Self {
        Self { time, form: Form::Release }
    }

    pub(super) fn time(self) -> DateTime {
        self.time
    }

    pub(super) fn is_release(self) -> bool {
        self.form == Form::Release
    }

    /// The latest moment that this can mean.
    pub(super) fn at_its_latest(self) -> Self {
        match self.form {
            Form::Release | Form::Commit => self,
            // The time is the start of a minute, so that this stays inside of it.
            Form::Minute => {
                Self { time: self.time.saturating_add(jiff::SignedDuration::from_secs(59)), ..self }
            }
        }
    }
}

/// `20240527191746-e0fe7cc39172`, or without the hash, or with seconds missing.
fn of_commit(text: &str) -> Option<ReleaseTime> {
    let (digits, hash) = text.split_once('-').unwrap_or((text, ""));
    if hash.len() > 40 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match digits.len() {
        14 => Some(ReleaseTime { time: of_digits(digits)?, form: Form::Commit }),
        12 => Some(ReleaseTime { time: of_digits(&format!("{digits}00"))?, form: Form::Minute }),
        _ => None,
    }
}

/// `2023-03-20t20-16-18z` and `2023-03-20t20:16:18z`. What follows is a build of that
/// release (`.fips`, `.hotfix.…`); its additions are not known, so it counts as the release.
fn of_tag(text: &str) -> Option<DateTime> {
    let (stamp, rest) = text.split_at_checked("2023-03-20t20-16-18z".len())?;
    if !rest.is_empty() && !rest.starts_with(['.', '-', '+', '~']) {
        return None;
    }
    let shape = |at: usize, byte: u8| match at {
        4 | 7 => byte == b'-',
        10 => byte == b't',
        13 | 16 => matches!(byte, b'-' | b':'),
        19 => byte == b'z',
        _ => byte.is_ascii_digit(),
    };
    if !stamp.bytes().enumerate().all(|(at, byte)| shape(at, byte)) {
        return None;
    }
    let digits: String = stamp.chars().filter(char::is_ascii_digit).collect();
    of_digits(&digits)
}

/// `20230320201618`.
fn of_digits(digits: &str) -> Option<DateTime> {
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i8>().ok();
    let year = digits.get(..4)?.parse().ok()?;
    let (month, day) = (number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    DateTime::new(year, month, day, hour, minute, second, 0).ok()
}

impl fmt::Display for ReleaseTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Release => write!(f, "{}", self.time.strftime("RELEASE.%Y-%m-%dT%H-%M-%SZ")),
            Form::Commit => write!(f, "the commit of {}", self.time.strftime("%Y-%m-%dT%H:%M:%SZ")),
            Form::Minute => write!(f, "the commit of {}", self.time.strftime("%Y-%m-%dT%H:%MZ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ReleaseTime {
        ReleaseTime::read(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn one_release_has_many_forms() {
        let release = read("RELEASE.2023-03-20T20-16-18Z");
        assert!(release.is_release());
        assert_eq!(release.to_string(), "RELEASE.2023-03-20T20-16-18Z");
        for form in [
            "2023-03-20t20-16-18z",
            "2023-03-20T20-16-18Z",
            "release.2023-03-20t20-16-18z",
            "RELEASE.2023-03-20t20-16-18z",
            "2023-03-20T20:16:18Z",
            "RELEASE.2023-03-20T20-16-18Z.hotfix.ab12",
            "20230320201618.0.0",
            "20230320201618.0.0-1",
        ] {
            assert_eq!(read(form), release, "{form}");
        }
    }

    #[test]
    fn a_commit_is_compared_by_its_time() {
        let commit = read("v0.0.0-20240527191746-e0fe7cc39172");
        assert!(!commit.is_release());
        assert_eq!(commit, read("0.0.0-20240527191746"));
        assert_eq!(commit.time(), read("RELEASE.2024-05-27T19-17-46Z").time());
        assert_eq!(commit.to_string(), "the commit of 2024-05-27T19:17:46Z");
        let minute = read("0.0.0-202303200415");
        assert!(minute.time() < read("RELEASE.2023-03-20T04-15-30Z").time());
        assert!(minute.at_its_latest().time() > read("RELEASE.2023-03-20T04-15-30Z").time());
        assert!(minute.at_its_latest().time() < read("RELEASE.2023-03-20T04-16-00Z").time());
    }

    #[test]
    fn what_names_no_time_is_not_read() {
        for text in [
            "",
            "*",
            "DEVELOPMENT.GOGET",
            "DEVELOPMENT.2024-03-20T20-16-18Z",
            "latest",
            "RELEASE.",
            "RELEASE.2023-03-20",
            "RELEASE.2023-13-20T20-16-18Z",
            "RELEASE.2023-02-30T20-16-18Z",
            "RELEASE.2023-03-20T24-16-18Z",
            "RELEASE.2023-03-20T20-16-18Zx",
            "0.0.0-2023032004",
            "0.0.0-20230320201618-xyz",
            "v1.2.3",
            "+2023032020161",
            "20230320201618é",
            "2023-03-20t20-16-1éz",
        ] {
            assert_eq!(ReleaseTime::read(text), None, "{text}");
        }
    }
}
