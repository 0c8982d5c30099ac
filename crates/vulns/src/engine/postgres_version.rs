//! PostgreSQL's version numbers, compared as numbers: `13.9` comes before `13.22`.
//!
//! Policy: <https://www.postgresql.org/support/versioning/>. Up to 9.6 two numbers
//! name the major version, from 10 on one does.

use std::fmt;

/// A released version, or one on its way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostgresVersion {
    numbers: [u32; 3],
    stage: Stage,
}

/// How near to its release a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Alpha(u32),
    Beta(u32),
    Candidate(u32),
    Released,
}

/// From this on, a number without dots is `server_version_num`, as 9.0.0 was 90000.
const NUMBER_MIN: u32 = 80_000;

impl PostgresVersion {
    /// Reads `16.4`, `9.6.24`, `17beta1`, a package's `16.4-1.pgdg120+1`, the server's
    /// `16.4 (Debian 16.4-1.pgdg120+1)` and `server_version_num` (`160004`). A development
    /// build (`19devel`) has no place in the order: it may have a fix or lack it.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix("PostgreSQL ").unwrap_or(text);
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let (numeral, rest) = text.split_at(end);
        let mut numbers = [0; 3];
        let mut count = 0;
        for part in numeral.split('.') {
            *numbers.get_mut(count)? = part.parse().ok()?;
            count += 1;
        }
        if count == 1 && numbers[0] >= NUMBER_MIN {
            numbers = of_server_number(numbers[0])?;
        }
        Some(Self { numbers, stage: Stage::read(rest)? })
    }

    /// The release that this is or becomes.
    pub(super) fn released(self) -> Self {
        Self { stage: Stage::Released, ..self }
    }

    /// The minor release after this one: they are numbered without gaps.
    pub(super) fn next_minor(self) -> Self {
        let [first, second, third] = self.numbers;
        let numbers = if first < 10 {
            [first, second, third.saturating_add(1)]
        } else {
            [first, second.saturating_add(1), 0]
        };
        Self { numbers, stage: Stage::Released }
    }

    pub(super) fn first_of_major(self) -> Self {
        let [first, second, _] = self.numbers;
        let numbers = if first < 10 { [first, second, 0] } else { [first, 0, 0] };
        Self { numbers, stage: Stage::Released }
    }
}

fn of_server_number(number: u32) -> Option<[u32; 3]> {
    // Six digits from 10 on: major and minor; five before: two for the major and one for the minor.
    let (first, rest) = (number / 10_000, number % 10_000);
    match first {
        0..10 => Some([first, rest / 100, rest % 100]),
        10..1000 => Some([first, rest, 0]),
        _ => None,
    }
}

impl Stage {
    fn read(rest: &str) -> Option<Self> {
        // A package writes `17~beta1-1`, the server `17beta1`, a CPE `17` and `beta1`.
        let word = rest.strip_prefix(['~', '-']).unwrap_or(rest);
        let numbered = |name: &str| {
            let after = word.strip_prefix(name)?;
            let end = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
            after[..end].parse().ok().map(|number| (number, &after[end..]))
        };
        let (stage, rest) = if let Some((number, rest)) = numbered("alpha") {
            (Self::Alpha(number), rest)
        } else if let Some((number, rest)) = numbered("beta") {
            (Self::Beta(number), rest)
        } else if let Some((number, rest)) = numbered("rc") {
            (Self::Candidate(number), rest)
        } else {
            (Self::Released, rest)
        };
        let closed = rest.is_empty() || rest.starts_with([' ', '-', '+', '~']);
        (closed && !rest.contains("devel")).then_some(stage)
    }
}

impl fmt::Display for PostgresVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third] = self.numbers;
        write!(f, "{first}")?;
        match self.stage {
            Stage::Alpha(number) => return write!(f, "alpha{number}"),
            Stage::Beta(number) => return write!(f, "beta{number}"),
            Stage::Candidate(number) => return write!(f, "rc{number}"),
            Stage::Released => write!(f, ".{second}")?,
        }
        if first < 10 { write!(f, ".{third}") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PostgresVersion {
        PostgresVersion::read(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let ascending = [
            "0", "8.4.22", "9.5.24", "9.6.3", "9.6.24", "10.0", "10.23", "13.9", "13.22", "14.0", "16alpha1",
            "16beta1", "16beta2", "16rc1", "16.0", "16.4", "18.5",
        ];
        for pair in ascending.windows(2) {
            assert!(read(pair[0]) < read(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn one_version_has_many_forms() {
        for (form, version) in [
            ("16", "16.0"),
            ("16.4-1.pgdg120+1", "16.4"),
            ("16.4 (Debian 16.4-1.pgdg120+2)", "16.4"),
            ("PostgreSQL 16.4 on x86_64-pc-linux-gnu", "16.4"),
            ("160004", "16.4"),
            ("100023", "10.23"),
            ("90624", "9.6.24"),
            ("17~beta1-1.pgdg120+1", "17beta1"),
            ("17beta1", "17beta1"),
            ("15.10-0+deb12u1", "15.10"),
        ] {
            assert_eq!(read(form), read(version), "{form}");
            assert_eq!(read(version).to_string(), version);
        }
        assert_eq!(read("9.6.24").first_of_major(), read("9.6.0"));
        assert_eq!(read("9.6.23").next_minor(), read("9.6.24"));
        assert_eq!(read("16.0").next_minor(), read("16.1"));
        assert_eq!(read("13.9").first_of_major(), read("13.0"));
    }

    #[test]
    fn what_is_no_release_is_not_read() {
        for text in [
            "",
            "-",
            "*",
            "devel",
            "19devel",
            "19~~devel20260501",
            "16.x",
            "16.4.1.2",
            "..",
            "1.",
            "v16",
            "99999999999",
            "16beta",
            "latest",
            "16.4é",
            "n/a",
        ] {
            assert_eq!(PostgresVersion::read(text), None, "{text}");
        }
    }
}
