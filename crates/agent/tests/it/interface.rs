//! What the HTTPS interface answers, and to whom.

use std::net::IpAddr;

use base::Problem;
use rcgen::ExtendedKeyUsagePurpose;
use wire::paths;

use crate::region::{Region, Served, TOKEN};

#[tokio::test]
async fn the_control_plane_is_answered_and_starts_a_job() {
    let served = Served::here().await;
    let client = served.control_plane();
    let hello = client.get(served.url(paths::HELLO)).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(hello.json::<wire::Hello>().await.unwrap().boot_id, "boot");
    let url = served.url("/v1/jobs/run-1");
    let job = client.put(url).bearer_auth(TOKEN).json(&wire::Verb::RefreshLists).send().await.unwrap();
    assert_eq!(job.json::<wire::JobStatus>().await.unwrap().key.as_str(), "run-1");
    assert_eq!(served.started.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_requests_are_clean_problems() {
    let served = Served::here().await;
    let client = served.control_plane();
    let job = served.url("/v1/jobs/j1");
    let json = |body: Vec<u8>| client.put(&job).header("content-type", "application/json").body(body);
    let large = vec![b' '; wire::limits::REQUEST_BYTES + 1];
    let refresh = br#"{"verb":"refresh_lists"}"#.to_vec();
    for (what, request, status) in [
        ("no route", client.get(served.url("/v1/shell")), 404),
        ("no method", client.delete(served.url(paths::HELLO)), 405),
        ("no job", client.get(&job), 404),
        ("cut off", json(b"{\"verb\":".to_vec()), 400),
        ("no such verb", json(br#"{"verb":"run_shell","line":"id"}"#.to_vec()), 422),
        ("not JSON", client.put(&job).body(refresh.clone()), 415),
        ("too large", json(large), 413),
        ("bad key", client.get(served.url("/v1/jobs/..%2Fx")), 422),
        ("bad key", client.get(served.url("/v1/jobs/A")), 422),
        ("bad query", client.get(format!("{job}?from=-1")), 422),
        ("nested", json(br#"{"a":"#.repeat(100_000)), 400),
        ("helper down", client.get(served.url(paths::INVENTORY)), 503),
    ] {
        let answer =
            request.bearer_auth(TOKEN).send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(answer.status(), status, "{what}");
        let problem: Problem = answer.json().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(problem.code.0.starts_with("agent."), "{what}: {problem}");
    }
    assert!(served.started.lock().unwrap().is_empty());
    for status in [200, 409] {
        assert_eq!(json(refresh.clone()).bearer_auth(TOKEN).send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_guessing_is_cut_off() {
    let served = Served::here().await;
    let client = served.control_plane();
    let hello = || client.get(served.url(paths::HELLO));
    for attempt in
        [hello(), hello().bearer_auth(""), hello().bearer_auth("x"), hello().basic_auth(TOKEN, Some(TOKEN))]
    {
        assert_eq!(attempt.send().await.unwrap().status(), 401);
    }
    // Another server's token, presented with the control plane's own certificate.
    let of_another_server = "b".repeat(TOKEN.len());
    assert_ne!(of_another_server, TOKEN);
    for _ in 4..10 {
        assert_eq!(hello().bearer_auth(&of_another_server).send().await.unwrap().status(), 401);
    }
    // Even the right token is not looked at any more.
    assert!(hello().bearer_auth(TOKEN).send().await.is_err());
}

#[tokio::test]
async fn only_the_control_planes_certificate_opens_a_connection() {
    let served = Served::here().await;
    let region = &served.region;
    let client_auth = [ExtendedKeyUsagePurpose::ClientAuth];
    let other = Region::new();
    let another_agent = wire::agent_dns_name(base::ServerId::new());
    let refused = [
        ("none", None),
        ("of another agent", Some(region.leaf(&[&another_agent], &client_auth))),
        ("without usage", Some(region.leaf(&[wire::CONTROL_PLANE_DNS_NAME], &[]))),
        (
            "for servers",
            Some(region.leaf(&[wire::CONTROL_PLANE_DNS_NAME], &[ExtendedKeyUsagePurpose::ServerAuth])),
        ),
        ("of another region", Some(other.control_plane())),
    ];
    for (what, leaf) in refused {
        let client = region.client(leaf.as_ref(), served.server, served.address);
        let answer = client.get(served.url(paths::HELLO)).bearer_auth(TOKEN).send().await;
        assert!(answer.is_err(), "{what}: {answer:?}");
    }
    let answer = served.control_plane().get(served.url(paths::HELLO)).bearer_auth(TOKEN).send().await;
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn another_source_is_not_even_shaken_hands_with() {
    let served = Served::start(&["192.0.2.7".parse::<IpAddr>().unwrap()]).await;
    let answer = served.control_plane().get(served.url(paths::HELLO)).bearer_auth(TOKEN).send().await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn new_connections_use_a_renewed_identity() {
    let served = Served::here().await;
    let mut identity = served.identities.live().identity.clone();
    identity.bearer_token_sha256 = base::Sha256::of(b"newer");
    served.identities.replace(identity).unwrap();
    let client = served.control_plane();
    for (token, status) in [(TOKEN, 401), ("newer", 200)] {
        let answer = client.get(served.url(paths::HELLO)).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
}
