//! Debian's security tracker, the whole of it as one JSON document:
//! source package → CVE → `releases` → codename → status.
//!
//! Format: <https://security-team.debian.org/security_tracker.html>

use base::Release;
use serde::Deserialize;

use super::{
    Content, Feed, FeedData, FeedError, FeedFile, FeedKind, date_in_name,
    json::{self, Pairs, Text},
    unpack,
};
use crate::{
    advisories::{Advisories, Row},
    proof::Statement,
    severity::Severity,
};

pub(super) struct DebianTracker;

const EXPECTED: &str =
    "Debian's tracker: an object of source packages, each an object of CVEs with `releases`";

#[derive(Deserialize)]
struct Issue<'a> {
    #[serde(borrow)]
    releases: Pairs<'a, State<'a>>,
}

#[derive(Deserialize)]
struct State<'a> {
    status: Status,
    #[serde(borrow)]
    fixed_version: Option<Text<'a>>,
    #[serde(borrow)]
    urgency: Option<Text<'a>>,
    #[serde(borrow)]
    nodsa: Option<Text<'a>>,
    #[serde(borrow)]
    nodsa_reason: Option<Text<'a>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Open,
    Resolved,
    Undetermined,
}

impl State<'_> {
    /// The version that fixes it here; an open issue has none, whatever else is said.
    fn fixed(&self) -> Option<&str> {
        match self.status {
            Status::Resolved => self.fixed_version.as_deref(),
            Status::Open | Status::Undetermined => None,
        }
    }

    fn statement(&self) -> Statement {
        let urgency = self.urgency.as_deref().unwrap_or_default();
        match (self.status, self.fixed()) {
            (Status::Undetermined, _) => Statement::Undetermined,
            (Status::Resolved, None | Some("0")) => Statement::NotAffected,
            _ if urgency == "unimportant" => Statement::Unimportant,
            (Status::Resolved, Some(_)) => Statement::Affected,
            (Status::Open, _) if urgency == "end-of-life" => Statement::EndOfLife,
            (Status::Open, _) => match self.nodsa_reason.as_deref() {
                Some("ignored") => Statement::Ignored,
                Some("postponed") => Statement::Postponed,
                _ if self.nodsa.is_some() => Statement::NoAdvisory,
                _ => Statement::Affected,
            },
        }
    }

    fn severity(&self) -> Severity {
        // A `*` marks an urgency that was derived rather than given.
        match self.urgency.as_deref().unwrap_or_default().trim_end_matches('*') {
            "high" => Severity::High,
            "medium" => Severity::Medium,
            "low" => Severity::Low,
            _ => Severity::Unknown,
        }
    }
}

impl Feed for DebianTracker {
    fn kind(&self) -> FeedKind {
        FeedKind::DebianTracker
    }

    fn title(&self) -> &'static str {
        "Debian security tracker"
    }

    fn public_url(&self) -> &'static str {
        "https://security-tracker.debian.org/tracker/data/json"
    }

    fn recognises(&self, folder: &str, name: &str) -> bool {
        let named = name.starts_with("security-tracker") || name.starts_with("debian-security-tracker");
        // The publisher's own address ends in `tracker/data/json`.
        named && name.ends_with(".json") || name == "json" && folder.ends_with("data")
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let bytes = unpack::document(file.bytes)?;
        json::must_look_like_json(&bytes)?;
        let mut said = Advisories::default();
        let mut decoder = serde_json::Deserializer::from_slice(&bytes);
        json::each_pair(&mut decoder, |package: Text<'_>, issues: Pairs<'_, Issue<'_>>| {
            for (cve, issue) in &issues.0 {
                for (codename, state) in &issue.releases.0 {
                    if let Some(release) = Release::from_codename(codename) {
                        let row = row(&mut said, release, &package, cve, state);
                        said.rows.push(row);
                    }
                }
            }
        })
        .and_then(|()| decoder.end())
        .map_err(|error| json::refusal(error, &bytes, None, EXPECTED))?;
        said.settle();
        // The document carries no time of its own.
        Ok(FeedData::new(self.kind(), date_in_name(file.path), Content::Packages(said)))
    }
}

fn row(said: &mut Advisories, release: Release, package: &str, cve: &str, state: &State<'_>) -> Row {
    let statement = state.statement();
    Row {
        release,
        source: said.symbols.intern(package),
        cve: said.symbols.intern(cve),
        statement,
        fixed: state.fixed().map(|version| said.symbols.intern(version)),
        pro_fixed: None,
        pro_only: false,
        severity: state.severity(),
        notice: None,
        layer: 0,
    }
}
