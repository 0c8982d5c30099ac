//! The feeds, one file each, and the one list of them.
//!
//! To add a feed: a variant in [`FeedKind`], a file here with a type that
//! implements `Feed`, and a line in `all`. The tests run over the list.

mod cna;
mod cve_metrics;
mod cve_record;
mod data;
mod debian_list;
mod debian_tracker;
mod epss;
mod error;
mod guard;
mod json;
mod kev;
mod kev_delta;
mod kind;
mod nvd;
mod nvd_configuration;
mod nvd_metrics;
mod osv_go;
mod overrides;
mod text;
mod ubuntu_notices;
mod ubuntu_osv;
pub(crate) mod unpack;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

pub(crate) use data::Content;
pub use data::FeedData;
pub use error::FeedError;
pub use guard::{age_guard, future_guard, shrink_guard};
pub use kev::KevEntry;
pub use kev_delta::{KevChange, KevDelta, KevField};
pub use kind::{FeedKind, UnknownFeed};

/// A file of a feed, as fetched: still compressed if the publisher compresses it.
#[derive(Debug, Clone, Copy)]
pub struct FeedFile<'a> {
    /// The path inside a feed directory, or the path of the address it came from.
    /// Only looked at for its name; what is in the bytes is told by the bytes.
    pub path: &'a str,
    /// The whole content.
    pub bytes: &'a [u8],
}

/// What a feed can do. Implementations hold no state.
pub(crate) trait Feed: Sync {
    /// Which feed this is.
    fn kind(&self) -> FeedKind;

    /// The name for people.
    fn title(&self) -> &'static str;

    /// The publisher's own address; empty for what only the operator can have.
    fn public_url(&self) -> &'static str;

    /// Whether a file of a feed directory is this feed's. The path has no
    /// compression suffix and is in lower case.
    fn recognises(&self, folder: &str, name: &str) -> bool;

    /// Reads and validates a file.
    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError>;
}

/// Every feed, in the order in which pages list them.
pub(crate) fn all() -> &'static [&'static dyn Feed] {
    &[
        &debian_tracker::DebianTracker,
        &debian_list::DebianList::Dsa,
        &debian_list::DebianList::Dla,
        &ubuntu_osv::UbuntuOsv,
        &ubuntu_notices::UbuntuNotices,
        &kev::Kev,
        &epss::EpssScores,
        &nvd::Nvd,
        &cve_record::CveRecords,
        &osv_go::OsvGo,
        &overrides::Overrides,
    ]
}

fn feed(kind: FeedKind) -> &'static dyn Feed {
    let found = all().iter().find(|feed| feed.kind() == kind);
    *found.expect("every kind is in the list, as `every_kind_is_listed_once` proves")
}

/// The feed that a file in a feed directory belongs to, by its path. `None` for
/// files that are no feed, such as a schema, an older copy or a sample.
pub fn recognise(path: &str) -> Option<FeedKind> {
    let path = path.to_ascii_lowercase();
    let path = [".zst", ".gz", ".xz"].iter().find_map(|suffix| path.strip_suffix(suffix)).unwrap_or(&path);
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    // A sample is too small to stand for its feed and has no date that would order it.
    if name.contains("sample") {
        return None;
    }
    all().iter().find(|feed| feed.recognises(folder, name)).map(|feed| feed.kind())
}

/// Reads one file of a feed. Compressed input (zstd, gzip, xz; tar inside) is
/// told by its content; sizes, ratios and nesting are bounded.
///
/// # Errors
/// Everything that makes the file unfit to replace the last good copy.
pub fn parse(kind: FeedKind, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
    let data = feed(kind).parse(file)?;
    // The operator may have nothing to say.
    if data.records() == 0 && !kind.is_local() {
        return Err(FeedError::Empty);
    }
    Ok(data)
}

/// The day that a file carries in its name, as archived copies do
/// (`…-2025-02-12.json.zst`), at its first instant in UTC. For feeds that do not
/// state their own time.
fn date_in_name(path: &str) -> Option<Timestamp> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let days = (0..name.len().saturating_sub(9)).filter_map(|at| name.get(at..at + 10));
    let day = days.filter_map(|text| text.parse::<Date>().ok()).next_back()?;
    day.to_zoned(TimeZone::UTC).ok().map(|instant| instant.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_once() {
        for kind in [
            FeedKind::DebianTracker,
            FeedKind::DebianDsa,
            FeedKind::DebianDla,
            FeedKind::UbuntuOsv,
            FeedKind::UbuntuNotices,
            FeedKind::Kev,
            FeedKind::Epss,
            FeedKind::Nvd,
            FeedKind::CveRecords,
            FeedKind::OsvGo,
            FeedKind::Overrides,
        ] {
            assert_eq!(all().iter().filter(|feed| feed.kind() == kind).count(), 1, "{kind}");
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(kind.public_url().starts_with("https://"), !kind.is_local(), "{kind}");
            assert!(!kind.title().is_empty());
        }
        assert!(FeedKind::all().is_sorted(), "pages list feeds in the order of their kinds");
        assert!("nvd2".parse::<FeedKind>().is_err());
    }

    #[test]
    fn files_are_recognised_by_their_path() {
        use FeedKind::{
            CveRecords, DebianDla, DebianDsa, DebianTracker, Epss, Kev, Nvd, OsvGo, Overrides, UbuntuNotices,
            UbuntuOsv,
        };
        for (path, kind) in [
            ("debian/security-tracker-derived-2025-02-12.json.zst", Some(DebianTracker)),
            ("debian/security-tracker-changelogs.json.zst", Some(DebianTracker)),
            ("security-tracker.json.gz", Some(DebianTracker)),
            ("tracker/data/json", Some(DebianTracker)),
            ("debian/security-tracker-native-sample.json", None),
            ("debian/debian-osv-2025-02-12.jsonl.zst", None),
            ("debian/DSA.list", Some(DebianDsa)),
            ("debian/DSA-2025-02-13_2026-08-21.list", Some(DebianDsa)),
            ("debian/DLA.list", Some(DebianDla)),
            ("debian/DLA-2025-02-13_2026-08-21.list.gz", Some(DebianDla)),
            ("master/data/DSA/list", Some(DebianDsa)),
            ("data/DLA/list", Some(DebianDla)),
            ("debian/DTSA.list", None),
            ("debian/DSAs.list", None),
            ("data/list", None),
            ("ubuntu/usn-api-notices-pages.jsonl.zst", Some(UbuntuNotices)),
            ("notices.json", Some(UbuntuNotices)),
            ("ubuntu/cves-api-page-2025.json", None),
            ("ubuntu/usn-db-sample.json.bz2", None),
            ("epss/epss_scores-2021-08-31.csv.gz", Some(Epss)),
            ("epss/epss_scores-kev-subset-2026-08-22.csv", Some(Epss)),
            ("epss_scores-current.csv.gz", Some(Epss)),
            ("epss/readme.csv", None),
            ("ubuntu/ubuntu-osv-native.jsonl.zst", Some(UbuntuOsv)),
            ("ubuntu/ubuntu-cve-osv-derived-2024-08-09.jsonl.zst", Some(UbuntuOsv)),
            ("osv-all.tar.xz", Some(UbuntuOsv)),
            ("osv/osv-all.tar.xz", Some(UbuntuOsv)),
            ("ubuntu/uct-cves-2024-08-09.jsonl.zst", None),
            ("ubuntu/vex-sample.tar.xz", None),
            ("osv/go-vulndb-2026-08-21.jsonl.zst", Some(OsvGo)),
            ("osv/github-advisories-go-2025-02-19.jsonl.zst", Some(OsvGo)),
            ("osv/minio-osv.json", Some(OsvGo)),
            ("minio-osv.json", Some(OsvGo)),
            ("nvd/minio-2.0.json", Some(Nvd)),
            ("nvd/postgresql-2.0.json", Some(Nvd)),
            ("nvd/nvd-2.0-shape-converted-2022.json.zst", Some(Nvd)),
            ("nvd/cpe-overrides-2026-08-21.jsonl.zst", Some(Nvd)),
            ("nvd/nvdcve-1.1-2022.json.gz", None),
            ("nvd/nvd-2.0-native-samples.json", None),
            ("cve/vulnrichment-2024-10-24.jsonl.zst", Some(CveRecords)),
            ("overrides.json", Some(Overrides)),
            ("local/overrides.json", Some(Overrides)),
            ("kev/known_exploited_vulnerabilities.json", Some(Kev)),
            ("known_exploited_vulnerabilities.json", Some(Kev)),
            ("kev/known_exploited_vulnerabilities-2025-08-25.json", None),
            ("kev/known_exploited_vulnerabilities_schema.json", None),
            ("README.md", None),
        ] {
            assert_eq!(recognise(path), kind, "{path}");
        }
    }

    #[test]
    fn the_day_in_a_name_is_found() {
        let day = date_in_name("debian/security-tracker-2025-02-12.json.zst");
        assert_eq!(day.map(|day| day.to_string()).as_deref(), Some("2025-02-12T00:00:00Z"));
        assert_eq!(date_in_name("2025-02-12/json"), None);
        assert_eq!(date_in_name("a-2025-13-12-é"), None);
    }
}
