//! Accepted risks: what they take out of the counts, for whom, and until when.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use server::{exposure::Risk, hosts::Server, http::SESSION_COOKIE};
use testkit::HostBuilder;

use super::feeds::Folder;
use crate::app::{Answer, Setup, TestApp, in_short};

/// Exploited and fixable, as all in `Folder::good`.
const CVE: &str = "CVE-2026-0001";

/// Two servers, alike, with twenty findings each, two of them exploited.
async fn two() -> (TestApp, Folder, Server, Server) {
    let folder = Folder::good();
    let app = TestApp::with(Setup { feeds: folder.source(), ..Setup::default() }).await;
    app.app.feeds.refresh_all().await.unwrap();
    let (web, _) = app.server(HostBuilder::debian12("web-3")).await;
    let (other, _) = app.server(HostBuilder::debian12("web-4")).await;
    (app, folder, web, other)
}

fn order(scope: Value) -> Value {
    json!({ "cve": CVE, "scope": scope, "reason": "behind a firewall", "until": "2026-12-24" })
}

async fn accept(app: &TestApp, order: &Value) -> Answer {
    app.call(Method::POST, "/api/acceptances", order.to_string()).await
}

async fn risk(app: &TestApp, server: &Server) -> Risk {
    app.known(server.id).await.risk.expect("judged")
}

/// Open, exploited, fixable, accepted, accepted and exploited.
async fn counts(app: &TestApp, server: &Server) -> [usize; 5] {
    let risk = risk(app, server).await;
    [risk.summary.open, risk.summary.kev, risk.summary.fixable, risk.accepted, risk.accepted_exploited]
}

async fn audited(app: &TestApp) -> Vec<String> {
    let trail = app.audit().await;
    let mine = trail.iter().filter(|line| line.entry.action.starts_with("finding."));
    mine.map(|line| format!("{} {}", in_short(line), line.entry.target)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_finding_is_listed_and_counted_apart_on_its_server_alone() {
    let (app, _folder, web, other) = two().await;
    assert_eq!(counts(&app, &web).await, [20, 2, 20, 0, 0]);
    let answer = accept(&app, &order(json!({ "server": "web-3" }))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let accepted = answer.json();
    assert_eq!(accepted["owner"], "ann", "whoever asks, where nobody is named");
    assert_eq!(accepted["until"], "2026-12-24T00:00:00Z");
    assert_eq!(counts(&app, &web).await, [19, 1, 19, 1, 1]);
    assert_eq!(counts(&app, &other).await, [20, 2, 20, 0, 0]);

    let found = app.get("/api/servers/web-3/findings").await.json();
    assert_eq!((&found["summary"]["open"], &found["accepted"]), (&json!(19), &json!(1)));
    let list = found["list"].as_array().unwrap();
    assert_eq!(list.len(), 20, "nothing is left out of the list");
    let marked: Vec<_> = list.iter().filter(|finding| !finding["accepted"].is_null()).collect();
    assert_eq!((marked.len(), &marked[0]["cve"]), (1, &json!(CVE)));
    assert_eq!(marked[0]["accepted"]["reason"], "behind a firewall");
    let places =
        found["updates"].as_array().unwrap().iter().flat_map(|group| group["findings"].as_array().unwrap());
    assert!(places.clone().all(|place| list[place.as_u64().unwrap() as usize]["cve"] != CVE));
    assert_eq!(places.count(), 19);
    assert_eq!(audited(&app).await, ["finding.accept begun web-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_covers_every_server_also_those_to_come() {
    let (app, _folder, web, other) = two().await;
    let id = accept(&app, &order(json!("fleet"))).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(counts(&app, &web).await, [19, 1, 19, 1, 1]);
    assert_eq!(counts(&app, &other).await, [19, 1, 19, 1, 1]);
    let (new, _) = app.server(HostBuilder::debian12("web-5")).await;
    assert_eq!(counts(&app, &new).await, [19, 1, 19, 1, 1]);
    let answer = app.call(Method::POST, &format!("/api/acceptances/{id}/revoke"), "").await;
    assert_eq!(answer.json()["standing"], "revoked", "{answer:?}");
    for server in [&web, &other, &new] {
        assert_eq!(counts(&app, server).await, [20, 2, 20, 0, 0]);
    }
    let again = app.call(Method::POST, &format!("/api/acceptances/{id}/revoke"), "").await;
    assert_eq!((again.status, again.problem().code.0.as_str()), (StatusCode::CONFLICT, "acceptance.ended"));
    assert_eq!(audited(&app).await, ["finding.accept begun fleet", "finding.accept.revoke begun fleet"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_brings_it_back_without_anything_else_happening() {
    let (app, _folder, web, _) = two().await;
    accept(&app, &order(json!({ "server": "web-3" }))).await;
    let until: jiff::Timestamp = "2026-12-24T00:00:00Z".parse().unwrap();
    app.clock.set(until - SignedDuration::from_secs(1));
    app.app.expire_acceptances().await.unwrap();
    assert_eq!(counts(&app, &web).await, [19, 1, 19, 1, 1], "a second before");
    app.clock.set(until);
    let found = app.get("/api/servers/web-3/findings").await.json();
    assert_eq!(found["summary"]["open"], 20, "whatever is judged goes by the clock at once");
    for _ in 0..3 {
        app.app.expire_acceptances().await.unwrap();
    }
    assert_eq!(counts(&app, &web).await, [20, 2, 20, 0, 0]);
    let told = ["finding.accept begun web-3", "finding.accept.expired done web-3"];
    assert_eq!(audited(&app).await, told, "one entry, however often one looks");
    let list = app.get("/api/acceptances?standing=expired").await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(app.get("/api/acceptances?standing=active").await.json(), json!([]));
    let id = list[0]["id"].as_str().unwrap();
    let late = app.call(Method::POST, &format!("/api/acceptances/{id}/revoke"), "").await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    // It can be accepted anew, and a clock that is set back revives nothing.
    app.clock.set(until - SignedDuration::from_hours(2));
    assert_eq!(counts(&app, &web).await, [20, 2, 20, 0, 0]);
    assert_eq!(accept(&app, &order(json!({ "server": "web-3" }))).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_unnoticed_does_not_stand_in_the_way() {
    let (app, _folder, web, _) = two().await;
    accept(&app, &order(json!({ "server": "web-3" }))).await;
    let twice = accept(&app, &order(json!({ "server": "web-3" }))).await;
    assert_eq!((twice.status, twice.problem().code.0.as_str()), (StatusCode::CONFLICT, "acceptance.exists"));
    app.clock.set("2026-12-25T00:00:00Z".parse().unwrap());
    let mut anew = order(json!({ "server": "web-3" }));
    anew["until"] = json!("2027-02-01");
    assert_eq!(accept(&app, &anew).await.status, StatusCode::OK);
    assert_eq!(counts(&app, &web).await, [19, 1, 19, 1, 1]);
    assert_eq!(
        audited(&app).await,
        ["finding.accept begun web-3", "finding.accept.expired done web-3", "finding.accept begun web-3"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_feeds_inventories_and_a_restart() {
    let (app, folder, web, _) = two().await;
    accept(&app, &order(json!({ "server": "web-3" }))).await;
    folder.write("debian/security-tracker.json", super::feeds::tracker(25));
    let answer = app.call(Method::POST, "/api/feeds/refresh", "").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(counts(&app, &web).await, [24, 1, 24, 1, 1]);
    app.call(Method::POST, "/api/servers/web-3/refresh", "").await;
    assert_eq!(counts(&app, &web).await, [24, 1, 24, 1, 1]);
    let app = app.restart().await;
    app.app.feeds.load().await;
    app.app.inventories.judge_all().await.unwrap();
    assert_eq!(counts(&app, &web).await, [24, 1, 24, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_orders_are_refused_field_by_field_and_change_nothing() {
    let (app, _folder, web, _) = two().await;
    let spoilt = [
        ("cve", json!("openssl"), "is not a CVE"),
        ("cve", json!("CVE-2026-7777"), "is not found on `web-3`"),
        ("scope", json!({ "server": "no-such" }), "There is no server `no-such`."),
        ("scope", json!({ "server": "" }), "Which server is missing."),
        ("scope", json!({ "server": "../../etc" }), "There is no server"),
        ("reason", json!("  "), "The reason is missing."),
        ("reason", json!("x".repeat(501)), "at most 500"),
        ("owner", json!("x".repeat(101)), "at most 100"),
        ("until", json!("2026-11-24"), "in the future"),
        ("until", json!("2027-11-25"), "365 days"),
        ("until", json!("tomorrow"), "is not a day"),
    ];
    for (field, value, said) in spoilt {
        let mut order = order(json!({ "server": "web-3" }));
        order[field] = value.clone();
        let answer = accept(&app, &order).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field} {value}: {answer:?}");
        let problem = answer.problem();
        assert_eq!(problem.code.0, "acceptance.malformed");
        assert!(problem.found.clone().unwrap_or_default().contains(said), "{field} {value}: {problem}");
    }
    for body in [
        r#"{"cve": "CVE-2026-0001", "reason": "x"}"#,
        r#"{"cve": "CVE-2026-0001", "scope": "all", "reason": "x"}"#,
    ] {
        assert!(app.call(Method::POST, "/api/acceptances", body).await.status.is_client_error(), "{body}");
    }
    assert_eq!(app.get("/api/acceptances").await.json(), json!([]));
    assert_eq!(counts(&app, &web).await, [20, 2, 20, 0, 0]);
    assert!(audited(&app).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_audited_is_not_accepted() {
    let (app, _folder, web, _) = two().await;
    let head = app.data().join("audit.head");
    std::fs::remove_file(&head).unwrap();
    // A directory in the place of the kept head: it can be neither read nor replaced.
    std::fs::create_dir_all(head.join("x")).unwrap();
    let answer = accept(&app, &order(json!({ "server": "web-3" }))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert_eq!(app.get("/api/acceptances").await.json(), json!([]));
    assert_eq!(counts(&app, &web).await, [20, 2, 20, 0, 0]);
}

/// A signed-in browser: its cookie and what its forms carry.
async fn browser(app: &TestApp) -> (String, String) {
    let link = app.app.access.issue_link(&server::audit::Actor::System, "ann").await.unwrap();
    let session = app.app.access.sign_in(link.reveal(), "127.0.0.1".parse().unwrap()).await.unwrap();
    let visitor = app.app.access.session(session.reveal()).await.unwrap().unwrap();
    (format!("{SESSION_COOKIE}={}", session.reveal()), visitor.form_token)
}

async fn post(app: &TestApp, cookie: &str, path: &str, form: &str) -> Answer {
    let request = Request::post(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    app.send(request).await
}

async fn page(app: &TestApp, cookie: &str, path: &str) -> Answer {
    app.send(Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_accept_and_revoke_and_want_a_form_token() {
    let (app, _folder, web, _) = two().await;
    let (cookie, token) = browser(&app).await;
    let fields =
        format!("cve={CVE}&scope=server&server=web-3&reason=behind+a+%3Cb%3Ewall&owner=&until=2026-12-24");
    let forged = post(&app, &cookie, "/security/acceptances", &fields).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{forged:?}");
    let form = format!("{fields}&form_token={token}");
    let wrong = post(&app, &cookie, "/security/acceptances", &form.replace("2026-12-24", "2026-01-01")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("The end must lie in the future."), "{}", wrong.text);
    assert!(wrong.text.contains("value=\"2026-01-01\"") && !wrong.text.contains("<b>wall"), "{}", wrong.text);
    assert_eq!(counts(&app, &web).await, [20, 2, 20, 0, 0]);
    let accepted = post(&app, &cookie, "/security/acceptances", &form).await;
    assert_eq!(accepted.status, StatusCode::SEE_OTHER, "{accepted:?}");
    assert_eq!(counts(&app, &web).await, [19, 1, 19, 1, 1]);

    let server = page(&app, &cookie, "/servers/web-3").await.text;
    assert!(server.contains("accepted until 2026-12-24 by ann because behind a"), "{server}");
    let security = page(&app, &cookie, "/security").await.text;
    assert!(security.contains("1 finding is accepted on 1 server") && security.contains("+ 1<br>accepted"));
    let finding = page(&app, &cookie, &format!("/servers/web-3/findings/{CVE}")).await;
    assert!(finding.status.is_success() && finding.text.contains("In KEV"), "{}", finding.text);
    let elsewhere = page(&app, &cookie, &format!("/servers/web-4/findings/{CVE}")).await.text;
    assert!(!elsewhere.contains("accepted until") && elsewhere.contains("Accept the risk"));
    let none = page(&app, &cookie, "/servers/web-3/findings/CVE-1999-0001").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);

    let list = page(&app, &cookie, "/security/acceptances").await.text;
    let at = list.find("/security/acceptances/acc_").expect("a button that revokes");
    let path: String = list[at..].chars().take_while(|c| *c != '"').collect();
    assert_eq!(post(&app, &cookie, &path, "server=").await.status, StatusCode::FORBIDDEN);
    let revoked = post(&app, &cookie, &path, &format!("form_token={token}&server=web-3")).await;
    assert_eq!(revoked.status, StatusCode::SEE_OTHER, "{revoked:?}");
    assert_eq!(counts(&app, &web).await, [20, 2, 20, 0, 0]);
}
