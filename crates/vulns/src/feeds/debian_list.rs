//! Debian's lists of advisories, DSA and DLA: which fix was announced under which
//! id. They name what the tracker fixes, and stand in where it has no row.
//!
//! ```text
//! [12 Feb 2025] DSA-5864-1 pam-pkcs11 - security update
//!     {CVE-2025-24032 CVE-2025-24531}
//!     [bookworm] - pam-pkcs11 0.6.12-1+deb12u1
//!     NOTE: other lines may follow
//! ```
//! Format: <https://security-team.debian.org/security_tracker.html>

use base::Release;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Content, Feed, FeedData, FeedError, FeedFile, FeedKind, text, unpack};
use crate::{
    advisories::{Advisories, Row},
    proof::Statement,
    severity::Severity,
    symbols::Symbol,
};

/// The list of the security team (DSA) or of long-term support (DLA).
pub(super) enum DebianList {
    Dsa,
    Dla,
}

const EXPECTED: &str = "Debian's list: entries that begin `[date] DSA-n-m source` or `[date] DLA-n-m source`, \
                        followed by indented lines";

impl Feed for DebianList {
    fn kind(&self) -> FeedKind {
        match self {
            Self::Dsa => FeedKind::DebianDsa,
            Self::Dla => FeedKind::DebianDla,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Dsa => "Debian security advisories",
            Self::Dla => "Debian LTS advisories",
        }
    }

    fn public_url(&self) -> &'static str {
        match self {
            Self::Dsa => {
                "https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/DSA/list"
            }
            Self::Dla => {
                "https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/DLA/list"
            }
        }
    }

    fn recognises(&self, folder: &str, name: &str) -> bool {
        let own = self.prefix().trim_end_matches('-').to_ascii_lowercase();
        let rest = name.strip_prefix(&own).and_then(|rest| rest.strip_suffix(".list"));
        // The publisher's own address ends in `data/DSA/list`.
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            || name == "list" && folder.rsplit('/').next() == Some(&own)
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let bytes = unpack::document(file.bytes)?;
        let text = text::of(&bytes, EXPECTED)?;
        let mut said = Advisories::default();
        let mut entry: Option<Entry> = None;
        let mut newest: Option<Timestamp> = None;
        for (line, number) in text.lines().zip(1_usize..) {
            let wrong = || text::wrong_line(number, EXPECTED);
            let Some(inner) = line.strip_prefix([' ', '\t']) else {
                if !line.trim().is_empty() {
                    let (date, id) = heading(line, self.prefix()).ok_or_else(wrong)?;
                    let id = said.symbols.intern(id);
                    said.announced.insert(id, Some(date));
                    newest = newest.max(Some(date));
                    entry = Some(Entry { id, cves: Vec::new(), has_fix: false });
                }
                continue;
            };
            // What stands before the first entry belongs to none.
            entry.as_mut().ok_or_else(wrong)?.take(&mut said, inner.trim());
        }
        // Entries without a release line exist, but the oldest entry, the last, has one.
        if entry.is_some_and(|entry| !entry.has_fix) {
            return Err(FeedError::Truncated);
        }
        said.settle();
        Ok(FeedData::new(self.kind(), newest, Content::Packages(said)))
    }
}

impl DebianList {
    fn prefix(&self) -> &'static str {
        match self {
            Self::Dsa => "DSA-",
            Self::Dla => "DLA-",
        }
    }
}

/// The date and the id in the first line of an entry. Some of 2004 have no title.
fn heading<'a>(line: &'a str, prefix: &str) -> Option<(Timestamp, &'a str)> {
    let (date, rest) = line.strip_prefix('[')?.split_once(']')?;
    let date = Date::strptime("%d %b %Y", date.trim()).ok()?;
    let id = rest.split_whitespace().next().filter(|id| id.starts_with(prefix))?;
    Some((date.to_zoned(TimeZone::UTC).ok()?.timestamp(), id))
}

/// The entry that is being read.
struct Entry {
    id: Symbol,
    cves: Vec<Symbol>,
    has_fix: bool,
}

impl Entry {
    fn take(&mut self, said: &mut Advisories, line: &str) {
        self.has_fix |= line.starts_with('[');
        if let Some(cves) = line.strip_prefix('{') {
            let cves = cves.trim_end_matches('}').split_whitespace();
            self.cves = cves.filter(|id| id.starts_with("CVE-")).map(|id| said.symbols.intern(id)).collect();
        } else if let Some((release, source, fixed)) = fix(line) {
            let source = said.symbols.intern(source);
            let fixed = said.symbols.intern(fixed);
            said.notices.extend(self.cves.iter().map(|cve| Row {
                release,
                source,
                cve: *cve,
                statement: Statement::Affected,
                fixed: Some(fixed),
                pro_fixed: None,
                pro_only: false,
                severity: Severity::Unknown,
                notice: Some(self.id),
                layer: 0,
            }));
        }
    }
}

/// The release, source package and version of `[bookworm] - curl 7.88.1-10+deb12u5`. Other marks
/// than a version (`<unfixed>`, `<not-affected>`) announce no fix, and old releases are not known.
fn fix(line: &str) -> Option<(Release, &str, &str)> {
    let (codename, rest) = line.strip_prefix('[')?.split_once(']')?;
    let release = Release::from_codename(codename)?;
    let mut words = rest.trim_start().strip_prefix("- ")?.split_whitespace();
    let (source, version) = (words.next()?, words.next()?);
    version.starts_with(|first: char| first.is_ascii_digit()).then_some((release, source, version))
}
