//! Reads the real feeds and inventories that lie beside the project. They are data
//! of the development tree, not of the project: nothing here copies them.

use std::{fs, path::PathBuf, sync::OnceLock};

use vulns::{FeedData, FeedFile, FeedKind, HostPackages};

/// A file in a folder of shared data, such as `feeds/kev/…`.
pub fn bytes(path: &str) -> Vec<u8> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn feed(kind: FeedKind, path: &str) -> FeedData {
    vulns::parse(kind, FeedFile { path, bytes: &bytes(path) })
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Debian's tracker as of February 2025.
pub fn debian() -> &'static FeedData {
    static FEED: OnceLock<FeedData> = OnceLock::new();
    FEED.get_or_init(|| {
        feed(FeedKind::DebianTracker, "feeds/debian/security-tracker-derived-2025-02-12.json.zst")
    })
}

/// The layer of late 2026.
pub fn debian_late() -> FeedData {
    feed(FeedKind::DebianTracker, "feeds-2026-11/debian/security-tracker-changelogs.json.zst")
}

/// Ubuntu's CVE records as of August 2024: 593,575 statements.
pub fn ubuntu() -> &'static FeedData {
    static FEED: OnceLock<FeedData> = OnceLock::new();
    FEED.get_or_init(|| feed(FeedKind::UbuntuOsv, "feeds/ubuntu/ubuntu-cve-osv-derived-2024-08-09.jsonl.zst"))
}

/// Some of Ubuntu's own records and notices of 2025 and 2026.
pub fn ubuntu_native() -> FeedData {
    feed(FeedKind::UbuntuOsv, "feeds/ubuntu/ubuntu-osv-native.jsonl.zst")
}

/// CISA's catalogue.
pub fn kev() -> FeedData {
    feed(FeedKind::Kev, "feeds/kev/known_exploited_vulnerabilities.json")
}

/// CISA's catalogue of a year before.
pub fn kev_before() -> FeedData {
    feed(FeedKind::Kev, "feeds/kev/known_exploited_vulnerabilities-2025-08-25.json")
}

/// Debian's list of security advisories up to February 2025.
pub fn dsa() -> FeedData {
    feed(FeedKind::DebianDsa, "feeds/debian/DSA.list")
}

/// The entries after it.
pub fn dsa_late() -> FeedData {
    feed(FeedKind::DebianDsa, "feeds/debian/DSA-2025-02-13_2026-08-21.list")
}

/// Debian's list of LTS advisories up to February 2025.
pub fn dla() -> FeedData {
    feed(FeedKind::DebianDla, "feeds/debian/DLA.list")
}

/// The entries after it.
pub fn dla_late() -> FeedData {
    feed(FeedKind::DebianDla, "feeds/debian/DLA-2025-02-13_2026-08-21.list")
}

/// Ubuntu's notices as its API serves them, 2012 to 2021.
pub fn ubuntu_notices() -> FeedData {
    feed(FeedKind::UbuntuNotices, "feeds/ubuntu/usn-api-notices-pages.jsonl.zst")
}

/// Predictions for what is known to be exploited.
pub fn epss() -> FeedData {
    feed(FeedKind::Epss, "feeds/epss/epss_scores-kev-subset-2026-08-22.csv")
}

/// Predictions of a whole day, in the two columns of 2021.
pub fn epss_whole_day() -> FeedData {
    feed(FeedKind::Epss, "feeds/epss/epss_scores-2021-08-31.csv.gz")
}

/// NVD about MinIO.
pub fn nvd_minio() -> FeedData {
    feed(FeedKind::Nvd, "feeds/nvd/minio-2.0.json")
}

/// NVD about PostgreSQL.
pub fn nvd_postgresql() -> FeedData {
    feed(FeedKind::Nvd, "feeds/nvd/postgresql-2.0.json")
}

/// NVD about everything of a year.
pub fn nvd_2022() -> FeedData {
    feed(FeedKind::Nvd, "feeds/nvd/nvd-2.0-shape-converted-2022.json.zst")
}

/// Configurations that others made for what NVD has not analysed.
pub fn nvd_supplement() -> &'static FeedData {
    static FEED: OnceLock<FeedData> = OnceLock::new();
    FEED.get_or_init(|| feed(FeedKind::Nvd, "feeds/nvd/cpe-overrides-2026-08-21.jsonl.zst"))
}

/// CVE records with CISA's additions.
pub fn cve_records() -> &'static FeedData {
    static FEED: OnceLock<FeedData> = OnceLock::new();
    FEED.get_or_init(|| feed(FeedKind::CveRecords, "feeds/cve/vulnrichment-2024-10-24.jsonl.zst"))
}

/// Go's and GitHub's advisories about MinIO.
pub fn osv_minio() -> FeedData {
    feed(FeedKind::OsvGo, "feeds/osv/minio-osv.json")
}

/// The whole Go vulnerability database.
pub fn go_database() -> FeedData {
    feed(FeedKind::OsvGo, "feeds/osv/go-vulndb-2026-08-21.jsonl.zst")
}

/// GitHub's advisories about Go modules.
pub fn github_go() -> FeedData {
    feed(FeedKind::OsvGo, "feeds/osv/github-advisories-go-2025-02-19.jsonl.zst")
}

/// A real host, with its release and kernel.
pub fn inventory(name: &str) -> HostPackages {
    let path = format!("feeds/inventory/{name}.tsv");
    vulns::inventory::read(&bytes(&path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
