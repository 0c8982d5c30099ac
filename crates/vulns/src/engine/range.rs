//! Which versions are affected, as a source says it: ranges, joined by "any",
//! "all" and "not". Asked about a version it answers yes, no, or that it cannot tell.

use std::{cmp::Ordering, fmt, sync::Arc};

use super::{
    Product,
    version::{End, EngineVersion},
};

/// Whether a version is affected. Ordered so that "any" is the greatest and "all" the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    No,
    /// A bound cannot be read. Counts as affected until somebody knows better.
    Unclear,
    Yes,
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bound {
    Open,
    Including(EngineVersion, Arc<str>),
    Excluding(EngineVersion, Arc<str>),
    /// As the source wrote it.
    Unreadable(Arc<str>),
}

/// The versions between two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub from: Bound,
    pub to: Bound,
}

/// Which versions are affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Affected {
    Range(Range),
    Any(Vec<Affected>),
    All(Vec<Affected>),
    Not(Box<Affected>),
}

impl Bound {
    pub fn including(product: Product, text: &str, end: End) -> Self {
        Self::read(product, text, end, Self::Including)
    }

    pub fn excluding(product: Product, text: &str, end: End) -> Self {
        Self::read(product, text, end, Self::Excluding)
    }

    fn read(product: Product, text: &str, end: End, kind: fn(EngineVersion, Arc<str>) -> Self) -> Self {
        let text = text.trim();
        match EngineVersion::read_end(product, text, end) {
            // `0` is how "from the beginning" is written, and `*` how "without end" is.
            _ if end == End::Lower && text == "0" || end == End::Upper && text == "*" => Self::Open,
            Ok(version) => kind(version, text.into()),
            Err(_) => Self::Unreadable(text.into()),
        }
    }
}

impl Range {
    /// Every version there is.
    pub const EVERY: Self = Self { from: Bound::Open, to: Bound::Open };

    /// This version alone.
    pub fn exactly(product: Product, text: &str) -> Self {
        Self {
            from: Bound::including(product, text, End::Lower),
            to: Bound::including(product, text, End::Upper),
        }
    }

    pub fn judge(&self, version: &EngineVersion) -> Verdict {
        let exact = matches!((&self.from, &self.to),
            (Bound::Including(from, _), Bound::Including(to, _)) if from == to);
        let branch = if exact { *version } else { version.as_branch() };
        let after = match &self.from {
            Bound::Open => Verdict::Yes,
            Bound::Including(from, _) => verdict(&branch, from, Ordering::is_ge),
            Bound::Excluding(from, _) => verdict(&branch, from, Ordering::is_gt),
            Bound::Unreadable(_) => Verdict::Unclear,
        };
        let before = match &self.to {
            Bound::Open => Verdict::Yes,
            Bound::Including(to, _) => verdict(version, to, Ordering::is_le),
            Bound::Excluding(to, _) => verdict(version, to, Ordering::is_lt),
            Bound::Unreadable(_) => Verdict::Unclear,
        };
        after.min(before)
    }
}

fn verdict(version: &EngineVersion, bound: &EngineVersion, holds: fn(Ordering) -> bool) -> Verdict {
    match version.compare(bound) {
        Some(order) if holds(order) => Verdict::Yes,
        Some(_) => Verdict::No,
        None => Verdict::Unclear,
    }
}

impl Affected {
    /// Reads what people write: `>= RELEASE.a, < RELEASE.b`, `= RELEASE.c`, `< 13.22`, `16.0`.
    /// Alternatives are separated by `||`.
    pub fn of_text(product: Product, text: &str) -> Self {
        let mut any: Vec<Self> = text.split("||").map(|part| Self::Range(range_of(product, part))).collect();
        match any.pop() {
            Some(only) if any.is_empty() => only,
            last => {
                any.extend(last);
                Self::Any(any)
            }
        }
    }

    /// Whether it says that no version is affected.
    pub fn is_never(&self) -> bool {
        matches!(self, Self::Any(parts) if parts.is_empty())
    }

    /// Whether every bound in it could be read.
    pub fn is_readable(&self) -> bool {
        let readable = |bound: &Bound| !matches!(bound, Bound::Unreadable(_));
        match self {
            Self::Range(range) => readable(&range.from) && readable(&range.to),
            Self::Any(parts) | Self::All(parts) => parts.iter().all(Self::is_readable),
            Self::Not(part) => part.is_readable(),
        }
    }

    pub fn judge(&self, version: &EngineVersion) -> Verdict {
        match self {
            Self::Range(range) => range.judge(version),
            Self::Any(any) => any.iter().map(|one| one.judge(version)).max().unwrap_or(Verdict::No),
            Self::All(all) => all.iter().map(|one| one.judge(version)).min().unwrap_or(Verdict::Yes),
            Self::Not(other) => match other.judge(version) {
                Verdict::Yes => Verdict::No,
                Verdict::Unclear => Verdict::Unclear,
                Verdict::No => Verdict::Yes,
            },
        }
    }

    /// Where the ranges that hold this version end.
    pub fn ends<'a>(&'a self, version: &EngineVersion, found: &mut Vec<&'a Bound>) {
        match self {
            Self::Range(range) => {
                if range.judge(version) == Verdict::Yes {
                    found.push(&range.to);
                }
            }
            Self::Any(parts) | Self::All(parts) => parts.iter().for_each(|part| part.ends(version, found)),
            // What is excepted from being affected ends where the fault begins.
            Self::Not(_) => {}
        }
    }

    /// The parts that hold this version, for showing; all of them if none does.
    pub fn holding(&self, version: &EngineVersion) -> String {
        match self {
            Self::Any(parts) => {
                let holds = |part: &&Self| part.judge(version) != Verdict::No;
                let held: Vec<String> = parts.iter().filter(holds).map(ToString::to_string).collect();
                if held.is_empty() { self.to_string() } else { held.join(" or ") }
            }
            Self::Range(_) | Self::All(_) | Self::Not(_) => self.to_string(),
        }
    }
}

/// Reads one alternative of [`Affected::of_text`].
fn range_of(product: Product, text: &str) -> Range {
    let mut range = Range::EVERY;
    for part in text.split(',') {
        let part = part.trim();
        let operator = part.find(|letter| !"<>=".contains(letter)).unwrap_or(part.len());
        let (operator, version) = part.split_at(operator);
        match operator {
            ">=" => range.from = Bound::including(product, version, End::Lower),
            ">" => range.from = Bound::excluding(product, version, End::Lower),
            "<" => range.to = Bound::excluding(product, version, End::Upper),
            "<=" => range.to = Bound::including(product, version, End::Upper),
            "" | "=" | "==" => range = Range::exactly(product, version),
            _ => return Range { from: Bound::Unreadable(part.into()), to: Bound::Unreadable(part.into()) },
        }
    }
    range
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Bound::Open, Bound::Open) => return f.write_str("every version"),
            (Bound::Including(from, text), Bound::Including(to, _)) if from == to => {
                return write!(f, "version {text}");
            }
            (Bound::Unreadable(text), Bound::Unreadable(_)) => return write!(f, "`{text}`"),
            (Bound::Open, _) => {}
            (Bound::Including(_, text), _) => write!(f, "from {text}")?,
            (Bound::Excluding(_, text), _) => write!(f, "after {text}")?,
            (Bound::Unreadable(text), _) => write!(f, "from `{text}`")?,
        }
        let space = if self.from == Bound::Open { "" } else { " " };
        match &self.to {
            Bound::Open => f.write_str(" on"),
            Bound::Including(_, text) => write!(f, "{space}up to {text}"),
            Bound::Excluding(_, text) => write!(f, "{space}before {text}"),
            Bound::Unreadable(text) => write!(f, "{space}before `{text}`"),
        }
    }
}

impl fmt::Display for Affected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            if parts.is_empty() {
                return f.write_str("no version");
            }
            for (at, part) in parts.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { word })?;
                part.fmt(f)?;
            }
            Ok(())
        };
        match self {
            Self::Range(range) => range.fmt(f),
            Self::Any(parts) => joined(f, parts, " or "),
            Self::All(parts) => joined(f, parts, " and "),
            Self::Not(part) => write!(f, "every version but {part}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(product: Product, range: &str, version: &str) -> Verdict {
        let version = EngineVersion::read(product, version).expect("a version");
        Affected::of_text(product, range).judge(&version)
    }

    #[test]
    fn ranges_as_people_write_them() {
        use Verdict::{No, Unclear, Yes};
        for (range, version, verdict) in [
            (">= RELEASE.2020-04-10T03-34-42Z, < RELEASE.2023-02-17T17-52-43Z", "2020-04-10t03-34-42z", Yes),
            (">= RELEASE.2020-04-10T03-34-42Z, < RELEASE.2023-02-17T17-52-43Z", "2023-02-17t17-52-43z", No),
            (">= RELEASE.2020-04-10T03-34-42Z, < RELEASE.2023-02-17T17-52-43Z", "2019-04-10t03-34-42z", No),
            ("= RELEASE.2021-10-10T16-53-30Z", "2021-10-10t16-53-30z", Yes),
            ("= RELEASE.2021-10-10T16-53-30Z", "2021-10-10t16-53-31z", No),
            ("RELEASE.2021-10-10T16-53-30Z", "2021-10-10t16-53-30z", Yes),
            ("<= RELEASE.2021-10-10T16-53-30Z", "2021-10-10t16-53-30z", Yes),
            ("> RELEASE.2021-10-10T16-53-30Z", "2021-10-10t16-53-30z", No),
            ("< 2021-01-01t00-00-00z || = 2022-01-01t00-00-00z", "2022-01-01t00-00-00z", Yes),
            ("all of them", "2021-10-10t16-53-30z", Unclear),
            ("< unknown", "2021-10-10t16-53-30z", Unclear),
            (">=< 2021-01-01t00-00-00z", "2021-10-10t16-53-30z", Unclear),
            ("", "2021-10-10t16-53-30z", Unclear),
        ] {
            assert_eq!(judge(Product::Minio, range, version), verdict, "{version} in {range}");
        }
    }

    #[test]
    fn a_beta_has_the_faults_of_its_branch() {
        let check = |range, version| judge(Product::PostgreSql, range, version);
        assert_eq!(check(">= 16.0, < 16.3", "16beta2"), Verdict::Yes);
        assert_eq!(check(">= 17.0, < 17.3", "16beta2"), Verdict::No);
        assert_eq!(check("16.0", "16beta2"), Verdict::No);
        assert_eq!(check("16beta2", "16beta2"), Verdict::Yes);
    }

    #[test]
    fn joined_statements() {
        let version = EngineVersion::read(Product::PostgreSql, "13.9").expect("a version");
        let part = |text| Affected::of_text(Product::PostgreSql, text);
        let not = |part| Affected::Not(Box::new(part));
        assert_eq!(Affected::All(vec![part("< 14"), not(part("< 13"))]).judge(&version), Verdict::Yes);
        assert_eq!(Affected::All(vec![part("< 14"), not(part("< 13.10"))]).judge(&version), Verdict::No);
        assert_eq!(Affected::Any(vec![]).judge(&version), Verdict::No);
        assert_eq!(not(part("< x")).judge(&version), Verdict::Unclear);
        let any = Affected::Any(vec![part(">= 13, < 13.22"), part(">= 14, < 14.19")]);
        assert_eq!(any.holding(&version), "from 13 before 13.22");
        let mut ends = Vec::new();
        any.ends(&version, &mut ends);
        assert!(matches!(ends.as_slice(), [Bound::Excluding(_, text)] if &**text == "13.22"), "{ends:?}");
    }
}
