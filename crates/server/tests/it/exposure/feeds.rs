//! Feeds from directories: what replaces the last good copy, and what never does.

use std::path::{Path, PathBuf};

use base::Clock;
use jiff::SignedDuration;
use server::exposure::{FeedSource, FeedState};
use testkit::HostBuilder;

use crate::app::{Setup, TestApp, in_short};

pub const FIXED: &str = "3.0.17-1~deb12u3";

/// Debian's tracker with so many CVEs in openssl and in a package that nobody has.
pub fn tracker(cves: usize) -> String {
    let issue = |number: usize| {
        format!(
            r#""CVE-2026-{number:04}": {{"releases": {{"bookworm": {{"status": "resolved", "fixed_version": "{FIXED}", "urgency": "high"}}}}}}"#
        )
    };
    let issues: Vec<_> = (1..=cves).map(issue).collect();
    format!(r#"{{"openssl": {{{}}}, "elsewhere": {{{}}}}}"#, issues.join(","), issue(9999))
}

/// CISA's catalogue as of this moment with these CVEs.
fn catalogue(released: &str, cves: &[&str]) -> String {
    let entries: Vec<_> = cves
        .iter()
        .map(|cve| {
            serde_json::json!({
                "cveID": cve, "vulnerabilityName": "a flaw", "dateAdded": "2026-11-01", "dueDate": "2026-11-21",
                "knownRansomwareCampaignUse": "Known",
            })
        })
        .collect();
    serde_json::json!({ "dateReleased": released, "count": entries.len(), "vulnerabilities": entries })
        .to_string()
}

/// A directory with both feeds in good order.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn good() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(TRACKER, tracker(20));
        folder.write(KEV, catalogue("2026-11-23T12:00:00Z", &["CVE-2026-0001", "CVE-2026-0002"]));
        folder
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub fn source(&self) -> FeedSource {
        FeedSource::Directories(vec![self.path()])
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let file = self.0.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.0.path().join(name)).unwrap();
    }
}

const TRACKER: &str = "debian/security-tracker.json";
const KEV: &str = "kev/known_exploited_vulnerabilities.json";

async fn app(folder: &Folder) -> TestApp {
    TestApp::with(Setup { feeds: folder.source(), ..Setup::default() }).await
}

async fn state(app: &TestApp, kind: &str) -> FeedState {
    let states = app.app.feeds.states().await.unwrap();
    states.into_iter().find(|state| state.kind.name() == kind).unwrap()
}

/// Findings of a host with an old openssl, and how many of them are exploited.
async fn findings(app: &TestApp) -> Option<(usize, usize)> {
    let host = HostBuilder::debian12("probe-1").boot(std::sync::Arc::new(app.clock.clone()));
    let inventory = wire::AgentApi::inventory(&*host).await.unwrap();
    let findings = app.app.exposure.findings(&inventory).await?;
    let exploited = findings.iter().filter(|finding| finding.kev.is_some()).count();
    Some((findings.len(), exploited))
}

async fn failures(app: &TestApp) -> usize {
    let trail = app.audit().await;
    trail.iter().filter(|line| in_short(line) == "cve_feed_refresh.failed failed").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_feed_becomes_the_index() {
    let folder = Folder::good();
    let app = app(&folder).await;
    assert_eq!(findings(&app).await, None, "before the first refresh nothing is known, which is not nothing");
    assert!(state(&app, "cisa-kev").await.stale, "a feed never read is not fine");
    assert!(app.app.feeds.refresh_all().await.unwrap());
    assert_eq!(findings(&app).await, Some((20, 2)));
    let kev = state(&app, "cisa-kev").await;
    assert_eq!((kev.records, kev.stale, kev.fault), (2, false, None));
    assert_eq!(kev.as_of.as_deref(), Some("2026-11-23T12:00:00Z"));
    // The same bytes again change nothing and are not audited again.
    let entries = app.audit().await.len();
    assert!(!app.app.feeds.refresh_all().await.unwrap());
    let again = app.audit().await;
    let noise: Vec<_> = again[entries..].iter().filter(|line| line.entry.target != "ubuntu-osv").collect();
    assert!(noise.is_empty(), "{noise:?}");
}

/// What a feed may suddenly be, and the word by which its refusal is known.
fn poisons() -> Vec<(&'static str, &'static str, Vec<u8>, &'static str)> {
    let whole = tracker(20).into_bytes();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let deep_inside = format!(r#"{{"openssl": {}}}"#, r#"{"a":"#.repeat(500) + "1" + &"}".repeat(500));
    vec![
        ("truncated", TRACKER, whole[..whole.len() / 2].to_vec(), "cut off"),
        ("a page", TRACKER, b"<!doctype html><title>Sign in</title>".to_vec(), "not JSON"),
        ("empty", TRACKER, Vec::new(), "no record"),
        ("empty object", TRACKER, b"{}".to_vec(), "no record"),
        ("half the size", TRACKER, tracker(9).into_bytes(), "far smaller"),
        ("another form", TRACKER, br#"{"openssl": [1, 2]}"#.to_vec(), "expected"),
        ("binary", TRACKER, vec![0xff; 4096], "not JSON"),
        ("deep", TRACKER, deep.into_bytes(), ""),
        ("deep inside", TRACKER, deep_inside.into_bytes(), ""),
        (
            "older",
            KEV,
            catalogue("2026-11-20T12:00:00Z", &["CVE-2026-0001", "CVE-2026-0002"]).into(),
            "older",
        ),
        (
            "half the catalogue",
            KEV,
            catalogue("2026-11-24T12:00:00Z", &["CVE-2026-0001"]).into(),
            "far smaller",
        ),
        (
            "a wrong count",
            KEV,
            catalogue("2026-11-24T12:00:00Z", &["CVE-2026-0001", "CVE-2026-0002"])
                .replace(r#""count":2"#, r#""count":3"#)
                .into(),
            "says it has 3",
        ),
        ("the other feed", KEV, tracker(20).into_bytes(), "expected"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_feed_replaces_nothing_and_is_audited_once() {
    for (name, file, content, said) in poisons() {
        let folder = Folder::good();
        let app = app(&folder).await;
        app.app.feeds.refresh_all().await.unwrap();
        let kind = if file == TRACKER { "debian-tracker" } else { "cisa-kev" };
        let (good, before) = (state(&app, kind).await, failures(&app).await);
        folder.write(file, content);
        app.clock.advance(SignedDuration::from_hours(1));
        for _ in 0..3 {
            assert!(!app.app.feeds.refresh_all().await.unwrap(), "{name}");
        }
        assert_eq!(findings(&app).await, Some((20, 2)), "{name}");
        assert_eq!(failures(&app).await, before + 1, "{name}: one entry for one fault");
        let now = state(&app, kind).await;
        let fault = now.fault.clone().unwrap_or_default();
        assert!(fault.contains(said), "{name}: {fault}");
        assert!(fault.len() < 1000, "{name}: {} characters", fault.len());
        assert_eq!((now.records, now.last_success_at), (good.records, good.last_success_at), "{name}");
        assert!(!now.stale, "{name}: not yet");
        app.clock.advance(SignedDuration::from_hours(5) + SignedDuration::from_secs(1));
        assert!(state(&app, kind).await.stale, "{name}: six hours without a success");

        // A restart knows the last good copy, not the poison.
        let app = app.restart().await;
        app.app.feeds.load().await;
        assert_eq!(findings(&app).await, Some((20, 2)), "{name}: after a restart");
        assert!(state(&app, kind).await.stale, "{name}: a restart makes nothing fresh");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_fault_is_another_entry_and_a_success_ends_it() {
    let folder = Folder::good();
    let app = app(&folder).await;
    app.app.feeds.refresh_all().await.unwrap();
    let before = failures(&app).await;
    folder.write(TRACKER, "");
    app.app.feeds.refresh_all().await.unwrap();
    folder.write(TRACKER, "<html>");
    app.app.feeds.refresh_all().await.unwrap();
    app.app.feeds.refresh_all().await.unwrap();
    assert_eq!(failures(&app).await, before + 2);
    folder.write(TRACKER, tracker(21));
    assert!(app.app.feeds.refresh_all().await.unwrap());
    let now = state(&app, "debian-tracker").await;
    assert_eq!((now.fault, now.stale), (None, false));
    assert_eq!(findings(&app).await, Some((21, 2)));
    // The same fault as long ago is a new one.
    folder.write(TRACKER, "");
    app.app.feeds.refresh_all().await.unwrap();
    assert_eq!(failures(&app).await, before + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_is_fresh_for_exactly_six_hours() {
    let folder = Folder::good();
    let app = app(&folder).await;
    app.app.feeds.refresh_all().await.unwrap();
    app.clock.advance(SignedDuration::from_hours(6));
    assert!(!state(&app, "cisa-kev").await.stale);
    app.clock.advance(SignedDuration::from_secs(1));
    assert!(state(&app, "cisa-kev").await.stale);
    app.app.feeds.refresh_all().await.unwrap();
    assert!(!state(&app, "cisa-kev").await.stale, "unchanged is a success");
    // A clock that jumps far back makes nothing fresh for ever.
    app.clock.advance(SignedDuration::from_hours(-48));
    assert!(state(&app, "cisa-kev").await.stale);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_or_directory_is_never_fine() {
    let folder = Folder::good();
    let app = app(&folder).await;
    app.app.feeds.refresh_all().await.unwrap();
    folder.remove(KEV);
    app.clock.advance(SignedDuration::from_hours(7));
    app.app.feeds.refresh_all().await.unwrap();
    let kev = state(&app, "cisa-kev").await;
    assert!(kev.stale && kev.fault.is_some(), "{kev:?}");
    assert_eq!(findings(&app).await, Some((20, 2)), "exploited stays exploited");

    let nowhere = FeedSource::Directories(vec![Path::new("/nonexistent/feeds").to_owned()]);
    let app = TestApp::with(Setup { feeds: nowhere, ..Setup::default() }).await;
    app.app.feeds.refresh_all().await.unwrap();
    for state in app.app.feeds.states().await.unwrap() {
        assert!(state.stale && state.fault.is_some(), "{state:?}");
    }
    assert_eq!(findings(&app).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_last_good_copy_is_no_reason_to_forget_that_it_is_missing() {
    let folder = Folder::good();
    let app = app(&folder).await;
    app.app.feeds.refresh_all().await.unwrap();
    let kept = app.data().join("feeds/debian-tracker/0000-security-tracker.json");
    std::fs::write(&kept, "torn").unwrap();
    let app = app.restart().await;
    app.app.feeds.load().await;
    assert_ne!(findings(&app).await, Some((20, 2)));
    assert!(app.app.feeds.refresh_all().await.unwrap(), "it is read anew");
    assert_eq!(findings(&app).await, Some((20, 2)));
    assert!(app.clock.now() >= state(&app, "debian-tracker").await.last_success_at.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_the_operators_own_comes_and_goes_without_fault() {
    let folder = Folder::good();
    let app = app(&folder).await;
    app.app.feeds.refresh_all().await.unwrap();
    let before = state(&app, "overrides").await;
    assert_eq!((before.records, before.stale, before.fault), (0, false, None));

    let list = r#"{"overrides":[{"cve":"CVE-2024-4317","product":"postgresql","affected":[],"reason":"the script was run"}]}"#;
    folder.write("overrides.json", list);
    assert!(app.app.feeds.refresh_all().await.unwrap());
    assert_eq!(state(&app, "overrides").await.records, 1);
    folder.write("overrides.json", "{\"overrides\":[");
    assert!(!app.app.feeds.refresh_all().await.unwrap(), "what is unfit replaces nothing");
    assert!(state(&app, "overrides").await.fault.is_some());

    folder.remove("overrides.json");
    assert!(app.app.feeds.refresh_all().await.unwrap(), "what was taken away no longer counts");
    assert!(!app.app.feeds.refresh_all().await.unwrap());
    let after = state(&app, "overrides").await;
    assert_eq!((after.records, after.stale, after.fault), (0, false, None));
    app.app.feeds.load().await;
    assert!(!app.app.feeds.refresh_all().await.unwrap(), "a restart does not bring it back");
}
