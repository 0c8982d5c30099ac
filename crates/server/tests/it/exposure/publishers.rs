//! Feeds over HTTP, from publishers that are played here by the rules that the real ones
//! state: conditional requests, pages, windows of time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use server::exposure::{FeedSource, FeedState};
use vulns::FeedKind;

use crate::app::{Setup, TestApp, in_short};

/// A publisher on the loopback, with what it was asked.
struct Publisher<T> {
    url: String,
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    said: Mutex<T>,
    asked: Mutex<Vec<BTreeMap<String, String>>>,
}

impl<T: Send + 'static> Publisher<T> {
    async fn start(said: T, answer: fn(&T, &BTreeMap<String, String>, &HeaderMap) -> Response) -> Self {
        let shared = Arc::new(Shared { said: Mutex::new(said), asked: Mutex::default() });
        let handler = move |State(shared): State<Arc<Shared<T>>>,
                            headers: HeaderMap,
                            Query(query): Query<BTreeMap<String, String>>| async move {
            shared.asked.lock().unwrap().push(query.clone());
            answer(&shared.said.lock().unwrap(), &query, &headers)
        };
        let router = Router::new().route("/feed.json", get(handler)).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/feed.json", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    fn say(&self, said: T) {
        *self.shared.said.lock().unwrap() = said;
    }

    /// What was asked since the last call.
    fn asked(&self) -> Vec<BTreeMap<String, String>> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap())
    }

    async fn app(&self, kind: FeedKind) -> TestApp {
        let own = vec![(kind, FeedSource::Mirror(self.url.clone()))];
        TestApp::with(Setup { own_feeds: own, ..Setup::default() }).await
    }
}

async fn state(app: &TestApp, kind: FeedKind) -> FeedState {
    let states = app.app.feeds.states().await.unwrap();
    states.into_iter().find(|state| state.kind == kind).unwrap()
}

async fn audited(app: &TestApp, kind: FeedKind) -> Vec<String> {
    let trail = app.audit().await;
    trail.iter().filter(|line| line.entry.target == kind.name()).map(in_short).collect()
}

fn day(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().unwrap()
}

/// NVD by nvd.nist.gov/developers: so many records of MinIO, each with the day on which it
/// was changed last; two a page, so that a few are many pages.
fn nvd(records: &Vec<(&str, &str)>, query: &BTreeMap<String, String>, _: &HeaderMap) -> Response {
    let time = |name: &str| -> Option<Timestamp> { query.get(name).map(|text| text.parse().unwrap()) };
    let window = (time("lastModStartDate"), time("lastModEndDate"));
    match window {
        (None, None) => {}
        (Some(from), Some(until)) if until.duration_since(from) <= SignedDuration::from_hours(120 * 24) => {}
        _ => return (StatusCode::NOT_FOUND, "invalid window").into_response(),
    }
    if query["resultsPerPage"].parse::<usize>().unwrap() > 2000 {
        return (StatusCode::NOT_FOUND, "too many a page").into_response();
    }
    let is_minio = query.values().any(|value| value.contains("minio"));
    let hits: Vec<&(&str, &str)> = records
        .iter()
        .filter(|_| is_minio)
        .filter(|(_, changed)| match window {
            (Some(from), Some(until)) => (from..until).contains(&day(changed)),
            _ => true,
        })
        .collect();
    let start: usize = query["startIndex"].parse().unwrap();
    let page: Vec<Value> =
        hits.iter().skip(start).take(2).map(|(cve, changed)| record(cve, changed)).collect();
    let body = json!({
        "resultsPerPage": page.len(), "startIndex": start, "totalResults": hits.len(),
        "format": "NVD_CVE", "version": "2.0", "timestamp": "2026-11-23T00:00:00.000",
        "vulnerabilities": page,
    });
    axum::Json(body).into_response()
}

fn record(cve: &str, changed: &str) -> Value {
    json!({"cve": {
        "id": cve, "sourceIdentifier": "cve@example.org", "vulnStatus": "Analyzed",
        "published": "2026-01-01T00:00:00.000", "lastModified": format!("{changed}T00:00:00.000"),
        "descriptions": [{"lang": "en", "value": "A flaw."}], "metrics": {}, "references": [],
        "configurations": [{"nodes": [{"operator": "OR", "negate": false, "cpeMatch": [{
            "vulnerable": true, "criteria": "cpe:2.3:a:minio:minio:*:*:*:*:*:*:*:*",
            "versionEndExcluding": "2026-01-01t00-00-00z",
            "matchCriteriaId": "00000000-0000-4000-8000-000000000000"}]}]}],
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn nvd_is_read_page_by_page_and_then_by_what_changed() {
    let three = vec![
        ("CVE-2026-0001", "2026-02-01"),
        ("CVE-2026-0002", "2026-02-02"),
        ("CVE-2026-0003", "2026-02-03"),
    ];
    let publisher = Publisher::start(three.clone(), nvd).await;
    let app = publisher.app(FeedKind::Nvd).await;
    app.app.feeds.refresh_all().await.unwrap();
    let read = state(&app, FeedKind::Nvd).await;
    assert_eq!((read.records, read.fault), (3, None));
    let asked = publisher.asked();
    assert!(asked.iter().all(|query| !query.contains_key("lastModStartDate")), "{asked:?}");
    // Two queries know MinIO and have two pages, two know PostgreSQL and are empty.
    assert_eq!(asked.len(), 6, "{asked:?}");

    // Nothing new: asked for the hours since, and nothing is changed or audited.
    app.clock.advance(SignedDuration::from_hours(1));
    let before = audited(&app, FeedKind::Nvd).await;
    app.app.feeds.refresh_all().await.unwrap();
    assert_eq!(audited(&app, FeedKind::Nvd).await, before);
    assert!(publisher.asked().iter().all(|query| query.contains_key("lastModEndDate")));

    // After a long pause the time is cut into pieces that NVD takes, and what is new comes
    // to what is known.
    app.clock.advance(SignedDuration::from_hours(24 * 150));
    let changed = app.clock.now().strftime("%Y-%m-%d").to_string().leak();
    app.clock.advance(SignedDuration::from_hours(24 * 150));
    let mut four = three;
    four[0].1 = changed;
    four.push(("CVE-2026-0004", changed));
    publisher.say(four);
    app.app.feeds.refresh_all().await.unwrap();
    let read = state(&app, FeedKind::Nvd).await;
    assert_eq!((read.records, read.fault), (4, None));
    assert_eq!(publisher.asked().len(), 3 * 4);
    // What was put together is what a restart finds.
    let app = app.restart().await;
    app.app.feeds.load().await;
    assert!(app.app.exposure.index().unwrap().feeds().iter().any(|feed| feed.records == 4));
}

/// Ubuntu's notices, newest first, twenty a page as the API has it.
fn notices(published: &Arc<[(usize, String)]>, query: &BTreeMap<String, String>, _: &HeaderMap) -> Response {
    let limit: usize = query["limit"].parse().unwrap();
    let offset: usize = query["offset"].parse().unwrap();
    if limit > 20 || query["order"] != "newest" {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    let page: Vec<Value> =
        published.iter().skip(offset).take(limit).map(|(number, at)| notice(*number, at)).collect();
    axum::Json(json!({"notices": page, "offset": offset, "limit": limit, "total_results": published.len()}))
        .into_response()
}

fn notice(number: usize, published: &str) -> Value {
    let package =
        json!({"name": "openssl", "version": format!("3.0.2-0ubuntu1.{number}"), "is_source": true});
    json!({
        "id": format!("USN-{number}-1"), "title": "OpenSSL vulnerability", "published": published,
        "summary": "", "description": "", "cves_ids": [format!("CVE-2026-{number:04}")],
        "cves": [{"id": format!("CVE-2026-{number:04}")}], "type": "USN",
        "release_packages": {"jammy": [package]}, "references": [], "instructions": "",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_read_back_to_those_that_are_known() {
    let clock = testkit::FakeClock::default();
    let at = |days: i64| {
        (clock.now() - SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%dT%H:%M:%S").to_string()
    };
    let mut published: Vec<(usize, String)> = (0..50).map(|n| (1000 - n, at(n as i64))).collect();
    let publisher = Publisher::start(published.clone().into(), notices).await;
    let app = publisher.app(FeedKind::UbuntuNotices).await;
    app.app.feeds.refresh_all().await.unwrap();
    let read = state(&app, FeedKind::UbuntuNotices).await;
    assert_eq!((read.records, read.fault), (50, None));
    assert_eq!(publisher.asked().len(), 3);

    app.clock.advance(SignedDuration::from_hours(1));
    app.app.feeds.refresh_all().await.unwrap();
    assert_eq!(publisher.asked().len(), 2, "one page with news, one without");
    assert_eq!(
        audited(&app, FeedKind::UbuntuNotices).await,
        ["cve_feed_refresh done"],
        "the same is no news"
    );

    app.clock.advance(SignedDuration::from_hours(1));
    published.insert(0, (1001, app.clock.now().strftime("%Y-%m-%dT%H:%M:%S").to_string()));
    publisher.say(published.into());
    app.app.feeds.refresh_all().await.unwrap();
    assert_eq!(state(&app, FeedKind::UbuntuNotices).await.records, 51);
}

/// One file with a validator, or what a broken proxy says in its place.
fn catalogue(
    said: &Result<String, StatusCode>,
    _: &BTreeMap<String, String>,
    headers: &HeaderMap,
) -> Response {
    let body = match said {
        Ok(body) => body.clone(),
        Err(status) => return (*status, "<html>sorry</html>").into_response(),
    };
    let etag = format!("\"{}\"", base::Sha256::of(body.as_bytes()));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|asked| asked.as_bytes() == etag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(header::ETAG, etag)], body).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_asked_for_by_its_validator_and_a_fault_keeps_the_last_good_copy() {
    let entry = json!({"cveID": "CVE-2026-0001", "vulnerabilityName": "a flaw", "dateAdded": "2026-11-01",
                       "dueDate": "2026-11-04", "knownRansomwareCampaignUse": "Unknown"});
    let body =
        json!({"dateReleased": "2026-11-20T00:00:00Z", "count": 1, "vulnerabilities": [entry]}).to_string();
    let publisher = Publisher::start(Ok(body), catalogue).await;
    let app = publisher.app(FeedKind::Kev).await;
    app.app.feeds.refresh_all().await.unwrap();
    app.clock.advance(SignedDuration::from_hours(1));
    app.app.feeds.refresh_all().await.unwrap();
    assert_eq!(audited(&app, FeedKind::Kev).await, ["cve_feed_refresh done"], "304 is no news");
    let good = state(&app, FeedKind::Kev).await;
    assert_eq!((good.records, good.last_success_at), (1, Some(app.clock.now())));

    for fault in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::FORBIDDEN] {
        publisher.say(Err(fault));
        app.clock.advance(SignedDuration::from_hours(4));
        app.app.feeds.refresh_all().await.unwrap();
        let now = state(&app, FeedKind::Kev).await;
        assert_eq!((now.records, now.last_success_at), (1, good.last_success_at));
        assert!(now.fault.unwrap().contains(fault.as_str()));
    }
    assert!(state(&app, FeedKind::Kev).await.stale, "eight hours without a success");
    assert_eq!(
        audited(&app, FeedKind::Kev).await,
        ["cve_feed_refresh done", "cve_feed_refresh.failed failed", "cve_feed_refresh.failed failed"]
    );
}
