//! Ubuntu's security notices as its web API serves them, page by page: which
//! version of which source package each notice released. They name what CVE
//! records fix, and stand in for CVEs that have no record yet.
//! Live-patch (`LSN-…`) and snap (`SSN-…`) notices concern no packages and are skipped.
//!
//! Format: <https://github.com/canonical/ubuntu-com-security-api>, `webapp/schemas.py`.

use std::collections::BTreeMap;

use base::{Distribution, Release};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;

use super::{
    Content, Feed, FeedData, FeedError, FeedFile, FeedKind,
    json::{self, Pairs, Text},
    unpack,
};
use crate::{
    advisories::{Advisories, Row},
    proof::Statement,
    severity::Severity,
};

pub(super) struct UbuntuNotices;

const EXPECTED: &str =
    "pages of Ubuntu's notices: objects with `notices`, `offset`, `limit` and `total_results`";

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    notices: Vec<Notice<'a>>,
    limit: u64,
    #[serde(rename = "offset")]
    _offset: u64,
    total_results: u64,
}

#[derive(Deserialize)]
struct Notice<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    published: Text<'a>,
    #[serde(default)]
    is_hidden: bool,
    #[serde(borrow)]
    cves_ids: Vec<Text<'a>>,
    #[serde(borrow)]
    release_packages: Pairs<'a, Vec<Package<'a>>>,
}

#[derive(Deserialize)]
struct Package<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
    is_source: bool,
    #[serde(borrow)]
    pocket: Option<Text<'a>>,
    #[serde(borrow)]
    version_link: Option<Text<'a>>,
}

impl Feed for UbuntuNotices {
    fn kind(&self) -> FeedKind {
        FeedKind::UbuntuNotices
    }

    fn title(&self) -> &'static str {
        "Ubuntu security notices"
    }

    fn public_url(&self) -> &'static str {
        "https://ubuntu.com/security/notices.json?limit=20&order=newest"
    }

    fn recognises(&self, folder: &str, name: &str) -> bool {
        let ours = folder.rsplit('/').next() == Some("ubuntu") || name.starts_with("ubuntu");
        let pages = name.contains("notices") && !name.contains("osv");
        name == "notices.json" || ours && pages && (name.ends_with(".json") || name.ends_with(".jsonl"))
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let bytes = unpack::document(file.bytes)?;
        json::must_look_like_json(&bytes)?;
        let mut said = Advisories::default();
        let mut newest = None;
        for page in serde_json::Deserializer::from_slice(&bytes).into_iter::<Page<'_>>() {
            let page = page.map_err(|error| json::refusal(error, &bytes, None, EXPECTED))?;
            let found = page.notices.len() as u64;
            let stated = page.limit.min(page.total_results);
            if found > stated {
                return Err(FeedError::CountMismatch { stated, found });
            }
            for notice in page.notices.iter().filter(|notice| !notice.is_hidden) {
                let published = moment(&notice.published);
                newest = newest.max(published);
                if notice.id.starts_with("USN-") {
                    take(&mut said, notice, published);
                }
            }
        }
        said.settle();
        Ok(FeedData::new(self.kind(), newest, Content::Packages(said)))
    }
}

/// The API writes UTC without saying so.
fn moment(text: &str) -> Option<Timestamp> {
    let said = text.parse::<Timestamp>().ok();
    said.or_else(|| Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

fn take(said: &mut Advisories, notice: &Notice<'_>, published: Option<Timestamp>) {
    let id = said.symbols.intern(&notice.id);
    said.announced.insert(id, published);
    let mut cves: Vec<&str> =
        notice.cves_ids.iter().map(|id| &**id).filter(|id| id.starts_with("CVE-")).collect();
    cves.sort_unstable();
    cves.dedup();
    for (codename, packages) in &notice.release_packages.0 {
        let release = Release::from_codename(codename);
        let Some(release) = release.filter(|known| known.distribution() == Distribution::Ubuntu) else {
            continue;
        };
        for ((source, pro), version) in sources(packages) {
            let source = said.symbols.intern(source);
            let fixed = Some(said.symbols.intern(version));
            for cve in &cves {
                let row = Row {
                    release,
                    source,
                    cve: said.symbols.intern(cve),
                    statement: Statement::Affected,
                    fixed: if pro { None } else { fixed },
                    pro_fixed: if pro { fixed } else { None },
                    pro_only: pro,
                    severity: Severity::Unknown,
                    notice: Some(id),
                    layer: 0,
                };
                said.notices.push(row);
            }
        }
    }
}

/// The source packages of a release, whether each is behind Ubuntu Pro, and its version. A
/// source that is only known by its binaries is named in their links.
fn sources<'a>(packages: &'a [Package<'_>]) -> BTreeMap<(&'a str, bool), &'a str> {
    let mut sources = BTreeMap::new();
    let known = |package: &Package<'_>| is_pro(package.pocket.as_deref(), &package.version);
    for package in packages.iter().filter(|package| !package.is_source) {
        if let (Some(pro), Some((source, version))) = (known(package), in_link(package)) {
            sources.insert((source, pro), version);
        }
    }
    for package in packages.iter().filter(|package| package.is_source) {
        if let Some(pro) = known(package) {
            sources.insert((&*package.name, pro), &*package.version);
        }
    }
    sources
}

/// Whether a pocket is Ubuntu Pro's; `None` for builds of their own, such as FIPS and real-time
/// kernels, which say nothing about the release. Where no pocket is given the version tells.
fn is_pro(pocket: Option<&str>, version: &str) -> Option<bool> {
    match pocket {
        None => Some(version.contains("esm")),
        Some("security" | "updates") => Some(false),
        Some("esm-infra" | "esm-apps" | "esm-infra-legacy") => Some(true),
        Some(_) => None,
    }
}

/// The source and its version in `https://launchpad.net/ubuntu/+source/NAME/VERSION`.
fn in_link<'a>(package: &'a Package<'_>) -> Option<(&'a str, &'a str)> {
    let (_, path) = package.version_link.as_deref()?.split_once("/+source/")?;
    let (source, version) = path.split_once('/')?;
    // A link may escape what a version holds; a version that is not plain is not compared.
    (!source.is_empty() && !version.is_empty() && !version.contains(['%', '/'])).then_some((source, version))
}
