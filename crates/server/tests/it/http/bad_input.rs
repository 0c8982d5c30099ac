//! Every route of the API, given what nobody should send: each time a problem with a 4xx,
//! and nothing changed.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use server::http::SESSION_COOKIE;
use testkit::HostBuilder;

use crate::app::{Answer, TestApp};

/// What a route reads of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Nothing,
    Json,
}

/// Every route below `/api`. `{name}`, `{run}` and `{acceptance}` stand for what is filled in.
const ROUTES: &[(Method, &str, Reads)] = &[
    (Method::GET, "/servers", Reads::Nothing),
    (Method::POST, "/servers", Reads::Json),
    (Method::GET, "/servers/{name}", Reads::Nothing),
    (Method::DELETE, "/servers/{name}", Reads::Nothing),
    (Method::POST, "/servers/{name}/refresh", Reads::Nothing),
    (Method::POST, "/servers/{name}/probes", Reads::Json),
    (Method::GET, "/servers/{name}/findings", Reads::Nothing),
    (Method::GET, "/servers/{name}/history", Reads::Nothing),
    (Method::POST, "/servers/{name}/plan", Reads::Json),
    (Method::POST, "/servers/{name}/patch", Reads::Json),
    (Method::POST, "/servers/{name}/reboot", Reads::Nothing),
    (Method::POST, "/servers/{name}/rollback", Reads::Nothing),
    (Method::GET, "/runs", Reads::Nothing),
    (Method::GET, "/runs/{run}", Reads::Nothing),
    (Method::GET, "/runs/{run}/journal", Reads::Nothing),
    (Method::GET, "/runs/{run}/events", Reads::Nothing),
    (Method::GET, "/runs/{run}/receipt", Reads::Nothing),
    (Method::POST, "/runs/{run}/signals", Reads::Json),
    (Method::GET, "/acceptances", Reads::Nothing),
    (Method::POST, "/acceptances", Reads::Json),
    (Method::POST, "/acceptances/{acceptance}/revoke", Reads::Nothing),
    (Method::GET, "/feeds", Reads::Nothing),
    (Method::POST, "/feeds/refresh", Reads::Nothing),
    (Method::GET, "/firewall", Reads::Nothing),
    (Method::PUT, "/firewall/addresses", Reads::Json),
    (Method::PUT, "/servers/{name}/firewall", Reads::Json),
    (Method::POST, "/servers/{name}/firewall/sync", Reads::Nothing),
    (Method::GET, "/servers/{name}/drift", Reads::Nothing),
    (Method::POST, "/servers/{name}/drift", Reads::Nothing),
    (Method::POST, "/servers/{name}/repair", Reads::Nothing),
    (Method::GET, "/certificates", Reads::Nothing),
    (Method::GET, "/servers/{name}/certificate", Reads::Nothing),
    (Method::POST, "/servers/{name}/certificate", Reads::Json),
    (Method::GET, "/dns/zones", Reads::Nothing),
    (Method::POST, "/dns/zones", Reads::Json),
    (Method::DELETE, "/dns/zones/{name}", Reads::Nothing),
    (Method::POST, "/dns/zones/{name}/test", Reads::Nothing),
    (Method::GET, "/audit", Reads::Nothing),
    (Method::POST, "/sign-in-links", Reads::Nothing),
];

/// Method and path of every route that the router's own text lists for the API.
fn routes_of_the_router() -> Vec<(Method, String)> {
    let source = include_str!("../../../src/http/router.rs");
    let api = source.split("let api = ").nth(1).expect("the API's routes");
    let api = api.split(".fallback(").next().expect("the API's routes");
    let mut found = Vec::new();
    for route in api.split(".route(").skip(1) {
        let path = route.split('"').nth(1).expect("a path in quotes").to_owned();
        for (word, method) in [
            ("get(", Method::GET),
            ("post(", Method::POST),
            ("put(", Method::PUT),
            ("patch(", Method::PATCH),
            ("delete(", Method::DELETE),
        ] {
            let called = |before: char| !before.is_alphanumeric() && before != '_' && before != ':';
            let text = route.split_once(',').expect("a handler").1;
            let at = text.match_indices(word);
            if at.into_iter().any(|(at, _)| text[..at].chars().next_back().is_none_or(called)) {
                found.push((method, path.clone()));
            }
        }
    }
    found
}

#[test]
fn every_route_is_tried_here() {
    let mut found = routes_of_the_router();
    let mut tried: Vec<_> =
        ROUTES.iter().map(|(method, path, _)| (method.clone(), (*path).to_owned())).collect();
    for list in [&mut found, &mut tried] {
        list.sort_by_key(|(method, path)| (path.clone(), method.to_string()));
    }
    assert!(found.len() > 20, "the router's text is no longer understood: {found:?}");
    assert_eq!(found, tried);
}

/// Names and ids that no server and no run has.
const ODD: &[&str] = &[
    "unknown-1",
    "..",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "a%0d%0aSet-Cookie:%20x=y",
    "web-3%27%20OR%20%271%27=%271",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "%F0%9F%92%A5",
    "WEB-3",
    "web-3.",
    "-",
    "run_",
    "run_00000000-0000-0000-0000-000000000000",
    "srv_00000000-0000-0000-0000-000000000000",
    "%7Bname%7D",
    "web-3%20",
];

fn fill(path: &str, with: &str) -> String {
    format!("/api{}", path.replace("{name}", with).replace("{run}", with).replace("{acceptance}", with))
}

fn is_refusal(answer: &Answer, what: &str) {
    let refused = answer.status.is_client_error() || answer.status == StatusCode::BAD_GATEWAY;
    assert!(refused, "{what}: {answer:?}");
    assert!(answer.kind.starts_with("application/json"), "{what}: {answer:?}");
    let problem = answer.problem();
    assert!(!problem.what.is_empty() && problem.code.0.contains('.'), "{what}: {problem}");
    assert!(answer.text.len() < 4096, "{what}: an answer of {} bytes", answer.text.len());
}

/// What must be the same afterwards: servers, runs, audit entries.
async fn picture(app: &TestApp) -> String {
    let servers = serde_json::to_string(&app.app.servers.all().await.unwrap()).unwrap();
    let runs = app.app.resources.runs.newest(None, 100).await.unwrap();
    let trail = app.audit().await;
    format!("{servers} {runs:?} {} {:?}", trail.len(), app.provider.effects())
}

async fn app() -> TestApp {
    let app = TestApp::new().await;
    let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
    // A run that has ended, so that signals to it are refused.
    let run = app.patch(&app.plan(&server).await).await;
    app.settle(run).await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nobody_is_served() {
    let app = app().await;
    let link = app.app.access.issue_link(&server::audit::Actor::System, "ann").await.unwrap();
    let session = app.app.access.sign_in(link.reveal(), "127.0.0.1".parse().unwrap()).await.unwrap();
    let run = app.app.resources.runs.newest(None, 1).await.unwrap()[0].id.to_string();
    let before = picture(&app).await;
    for (number, (method, path, _)) in ROUTES.iter().enumerate() {
        let path = format!("/api{}", path.replace("{name}", "web-3").replace("{run}", &run));
        let cookie = format!("{SESSION_COOKIE}={}", session.reveal());
        let tries = [
            None,
            Some((header::AUTHORIZATION, "Bearer ".to_owned())),
            Some((header::AUTHORIZATION, "Bearer wrong".to_owned())),
            Some((header::AUTHORIZATION, format!("Basic {}", app.token))),
            Some((header::AUTHORIZATION, format!("bearer{}", app.token))),
            // A session is no API token, and a token is no session.
            Some((header::AUTHORIZATION, format!("Bearer {}", session.reveal()))),
            Some((header::COOKIE, format!("{SESSION_COOKIE}={}", app.token))),
            (!method.is_safe()).then_some((header::COOKIE, cookie)),
        ];
        for credential in tries {
            let mut request = Request::builder().method(method.clone()).uri(&path);
            // Each from its own address, or guessing would be slowed down before it is refused.
            let from = std::net::SocketAddr::from(([10, 0, number as u8, 1], 4000));
            request = request.extension(axum::extract::ConnectInfo(from));
            if let Some((name, value)) = &credential {
                request = request.header(name, value);
            }
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 401, "{method} {path} with {credential:?}: {answer:?}");
            assert_eq!(answer.problem().code.0, "access.needed");
        }
    }
    assert_eq!(picture(&app).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_read() {
    let app = app().await;
    let link = app.app.access.issue_link(&server::audit::Actor::System, "ann").await.unwrap();
    let session = app.app.access.sign_in(link.reveal(), "127.0.0.1".parse().unwrap()).await.unwrap();
    let cookie = format!("other=1; {SESSION_COOKIE}={}", session.reveal());
    let request = Request::get("/api/servers").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
    assert_eq!(app.send(request).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_and_ids_are_refused() {
    let app = app().await;
    let before = picture(&app).await;
    for (method, path, reads) in ROUTES.iter().filter(|(_, path, _)| path.contains('{')) {
        let long = "a".repeat(5000);
        for odd in ODD.iter().copied().chain([long.as_str()]) {
            let path = fill(path, odd);
            let bodies: &[&str] = match reads {
                Reads::Nothing => &[""],
                Reads::Json => &["", "{}", "[]"],
            };
            for body in bodies {
                let answer = app.call(method.clone(), &path, *body).await;
                is_refusal(&answer, &format!("{method} {path:.80} {body}"));
            }
        }
    }
    assert_eq!(picture(&app).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_what_is_asked_for_are_refused() {
    let app = app().await;
    let run = app.app.resources.runs.newest(None, 1).await.unwrap()[0].id.to_string();
    let deep = "[".repeat(100_000);
    let deep_object = r#"{"scope":"#.repeat(20_000);
    let megabyte = format!(r#"{{"name": "{}"}}"#, "a".repeat(1 << 20));
    let garbage = [
        "",
        "{",
        "null",
        "true",
        "7",
        "1e999",
        "\"text\"",
        "[[]]",
        "[{\"unit_active\": {}}]",
        "{\"name\": 7}",
        "{\"name\": {\"$ne\": null}}",
        "{\"kind\": \"explode\"}",
        "{\"scope\": \"everything\"}",
        "{\"scope\": [\"security\"]}",
        "{\"server\": \"web-3\", \"name\": \"web-3\"}",
        "\u{0}",
        "<plan/>",
        "name=web-9&provider=simulated",
        deep.as_str(),
        deep_object.as_str(),
        megabyte.as_str(),
    ];
    let before = picture(&app).await;
    for (method, path, _) in ROUTES.iter().filter(|(_, _, reads)| *reads == Reads::Json) {
        let path = format!("/api{}", path.replace("{name}", "web-3").replace("{run}", &run));
        for body in garbage {
            let answer = app.call(method.clone(), &path, body.to_owned()).await;
            is_refusal(&answer, &format!("{method} {path} {body:.40}"));
            if body.len() > 1 << 20 {
                assert_eq!(answer.status, 413, "{method} {path}");
            }
        }
        // Right bytes, wrong kind.
        let request = Request::builder()
            .method(method.clone())
            .uri(&path)
            .header(header::AUTHORIZATION, format!("Bearer {}", app.token))
            .header(header::CONTENT_TYPE, "text/plain")
            .body(Body::from("{}"))
            .unwrap();
        is_refusal(&app.send(request).await, &format!("{method} {path} as plain text"));
    }
    assert_eq!(picture(&app).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_cannot_be_met_make_nothing() {
    let app = app().await;
    let order = serde_json::json!({
        "name": "new-1", "provider": "simulated", "release": "debian-12", "service": "bare",
    });
    let spoilt = [
        ("name", serde_json::json!("../../etc")),
        ("name", serde_json::json!("web-3")),
        ("name", serde_json::json!("a".repeat(300))),
        ("name", serde_json::json!("new 1")),
        ("provider", serde_json::json!("nowhere")),
        ("provider", serde_json::json!("../simulated")),
        ("release", serde_json::json!("windows-95")),
        ("service", serde_json::json!("mail")),
        ("time_zone", serde_json::json!("Mars/Olympus")),
        ("time_zone", serde_json::json!("../../../etc/passwd")),
        ("time_zone", serde_json::json!("UTC\n- reboot")),
        ("admin_networks", serde_json::json!(["0.0.0.0/0"])),
        ("admin_networks", serde_json::json!(["10.0.0.1/8"])),
        ("admin_networks", serde_json::json!(["::ffff:10.0.0.0/104"])),
        ("admin_networks", serde_json::json!("10.0.0.0/8")),
        ("operator_keys", serde_json::json!(["ssh-rsa"])),
        ("operator_keys", serde_json::json!(["command=\"sh\" ssh-ed25519 AAAA"])),
    ];
    let before = picture(&app).await;
    for (field, value) in spoilt {
        let mut order = order.clone();
        order[field] = value.clone();
        let answer = app.call(Method::POST, "/api/servers", order.to_string()).await;
        is_refusal(&answer, &format!("{field} {value}"));
    }
    assert_eq!(picture(&app).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_for_another_server_and_empty_ones_start_nothing() {
    let app = app().await;
    let (other, _) = app.server(HostBuilder::debian12("web-4")).await;
    let plan = app.plan(&other).await;
    let mut empty = plan.clone();
    empty.upgrade.changes.clear();
    let mut disguised = plan.clone();
    disguised.name = "web-3".parse().unwrap();
    let before = picture(&app).await;
    for (name, plan) in [("web-3", &plan), ("web-4", &empty), ("web-3", &disguised), ("web-4", &disguised)] {
        let body = serde_json::to_string(plan).unwrap();
        let answer = app.call(Method::POST, &format!("/api/servers/{name}/patch"), body).await;
        is_refusal(&answer, name);
        assert_eq!(answer.status, 422, "{answer:?}");
    }
    assert_eq!(picture(&app).await, before);
}
