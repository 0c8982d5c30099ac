//! Firewalls follow the addresses of the control plane, and never lock it out.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use baseline::{Description, Service, Tenancy};
use jiff::SignedDuration;
use serde_json::json;
use server::{
    firewall::{Proof, State},
    hosts::Server,
};
use testkit::{Fault, HostBuilder, SimulatedHost};
use wire::Purpose;

use crate::app::{TestApp, ann, in_short};

/// From where the control plane calls in these tests.
const OTHERS: [&str; 2] = ["198.51.100.7", "2001:db8::7"];

async fn described(app: &TestApp, name: &str) -> (Server, Arc<SimulatedHost>) {
    let (server, host) = app.server(HostBuilder::debian12(name)).await;
    let description = Description {
        host: server.name.clone(),
        service: Service::Bare,
        control_plane_addresses: vec!["192.0.2.1".parse().unwrap()],
        tenancy: Tenancy::Dedicated,
        admin_networks: Vec::new(),
        tenant_networks: Vec::new(),
        operator_keys: Vec::new(),
        time_zone: "UTC".to_owned(),
    };
    let text = serde_json::to_string(&description).unwrap();
    app.app.servers.change(server.id, move |server| server.baseline = Some(text)).await.unwrap();
    (app.known(server.id).await, host)
}

async fn set(app: &TestApp, addresses: &[&str]) {
    let entered: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
    app.app.firewalls.set_addresses(&ann(), &entered).await.unwrap();
}

/// A pass, as the reconciler makes them.
async fn pass(app: &TestApp) {
    app.app.firewall_sync().pass().await.unwrap();
}

async fn states(app: &TestApp) -> Vec<(String, State)> {
    let all = app.app.firewalls.all().await.unwrap();
    all.into_iter().map(|view| (view.name, view.standing.state)).collect()
}

/// Who may call the agent, as the host itself knows it.
fn callers(host: &SimulatedHost) -> Vec<String> {
    let (rules, on_trial) = host.firewall();
    assert!(!on_trial, "a trial was left open");
    rules.into_iter().filter(|rule| rule.purpose == Purpose::Agent).map(|rule| rule.source).collect()
}

async fn proof(app: &TestApp) -> Proof {
    app.app.firewalls.addresses().await.unwrap().proof
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_a_server_comes_in_line_once_and_is_left_alone_then() {
    let app = TestApp::new().await;
    let (server, host) = described(&app, "web-1").await;
    assert_eq!(states(&app).await, [("web-1".to_owned(), State::Waiting)]);
    for _ in 0..3 {
        pass(&app).await;
    }
    assert_eq!(states(&app).await, [("web-1".to_owned(), State::InLine)]);
    assert_eq!(host.effects().firewalls, 1);
    let trail: Vec<String> = app.audit().await.iter().map(in_short).collect();
    assert_eq!(trail, ["firewall.sync begun", "firewall.sync done"]);
    // Of a server that is gone nothing is kept, and a newcomer of its name begins anew.
    app.app.servers.forget(server.id).await.unwrap();
    pass(&app).await;
    assert_eq!(states(&app).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_one_host_is_tried_first_and_one_that_is_down_follows_when_it_returns() {
    let app = TestApp::new().await;
    let mut hosts = Vec::new();
    for name in ["web-1", "web-2", "web-3"] {
        hosts.push(described(&app, name).await.1);
    }
    pass(&app).await;
    hosts[1].power_off();
    set(&app, &OTHERS).await;
    assert_eq!(proof(&app).await, Proof::Untried);
    pass(&app).await;
    assert_eq!(proof(&app).await, Proof::Good);
    let changed: u32 = hosts.iter().map(|host| host.effects().firewalls).sum();
    assert_eq!(changed, 4, "one host more than at first");
    pass(&app).await;
    assert_eq!(callers(&hosts[0]), OTHERS);
    assert_eq!(callers(&hosts[2]), OTHERS);
    let down = ("web-2".to_owned(), State::Unreachable);
    assert!(states(&app).await.contains(&down), "{:?}", states(&app).await);

    hosts[1].power_on();
    // Its boot refuses a few calls.
    for _ in 0..SimulatedHost::CALLS_TO_BOOT + 1 {
        app.clock.advance(SignedDuration::from_secs(45));
        pass(&app).await;
    }
    assert_eq!(callers(&hosts[1]), OTHERS);
    assert!(states(&app).await.iter().all(|(_, state)| *state == State::InLine));
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_addresses_that_shut_us_out_touch_one_host_for_a_while_and_no_other() {
    let app = TestApp::new().await;
    let mut hosts = Vec::new();
    for name in ["web-1", "web-2", "web-3"] {
        hosts.push(described(&app, name).await.1);
    }
    pass(&app).await;
    let before = callers(&hosts[0]);
    for host in &hosts {
        host.inject(Fault::FirewallShutsOut);
    }
    set(&app, &OTHERS).await;
    pass(&app).await;
    let Proof::ShutOut { server } = proof(&app).await else { panic!("{:?}", proof(&app).await) };
    assert_eq!(server, "web-1");
    for _ in 0..3 {
        app.clock.advance(SignedDuration::from_hours(1));
        pass(&app).await;
    }
    let touched: Vec<u32> = hosts.iter().map(|host| host.effects().firewalls).collect();
    assert_eq!(touched, [2, 1, 1], "and nobody tries again by himself");
    hosts.iter().for_each(|host| assert_eq!(callers(host), before));
    let trail = app.audit().await;
    assert!(trail.iter().any(|line| in_short(line) == "firewall.addresses failed"));
    let page = app.get("/api/firewall").await.json();
    assert_eq!(page["control_plane"]["proof"], json!({ "proof": "shut_out", "server": "web-1" }));
    assert_eq!(page["servers"][0]["state"], "shut_out");

    // Back to the former addresses, which are in force everywhere.
    let former = app.app.firewalls.addresses().await.unwrap().former;
    let former: Vec<String> = former.iter().map(ToString::to_string).collect();
    set(&app, &former.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for _ in 0..2 {
        pass(&app).await;
    }
    assert_eq!(proof(&app).await, Proof::Good);
    assert!(states(&app).await.iter().all(|(_, state)| *state == State::InLine), "{:?}", states(&app).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_what_would_lock_out_is_refused_and_somebody_may_ask_for_one_server() {
    let app = TestApp::new().await;
    let (_, host) = described(&app, "web-1").await;
    pass(&app).await;
    for bad in [json!([]), json!(["0.0.0.0"]), json!(["any"]), json!(["127.0.0.1"])] {
        let answer =
            app.call(Method::PUT, "/api/firewall/addresses", json!({ "addresses": bad }).to_string()).await;
        assert_eq!(answer.problem().code.0, "firewall.addresses", "{answer:?}");
    }
    assert_eq!(proof(&app).await, Proof::Good);
    pass(&app).await;
    assert_eq!(host.effects().firewalls, 1);
    let answer = app.call(Method::POST, "/api/servers/web-1/firewall/sync", "").await;
    assert_eq!((answer.status, &answer.json()["asked"]), (StatusCode::OK, &json!(true)));
    pass(&app).await;
    assert_eq!(app.get("/api/firewall").await.json()["servers"][0]["asked"], false);
    let unknown = app.call(Method::POST, "/api/servers/none/firewall/sync", "").await;
    assert_eq!(unknown.problem().code.0, "server.unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_a_lost_answer_and_a_busy_host_are_tried_again() {
    let app = TestApp::new().await;
    let (_, host) = described(&app, "web-1").await;
    host.inject(Fault::AnswerLost);
    pass(&app).await;
    assert_eq!(states(&app).await, [("web-1".to_owned(), State::Unreachable)]);
    app.clock.advance(SignedDuration::from_secs(5));
    pass(&app).await;
    assert_eq!(states(&app).await, [("web-1".to_owned(), State::InLine)]);
    let ours = app.app.firewalls.addresses().await.unwrap().addresses;
    let ours: Vec<String> = ours.iter().map(ToString::to_string).collect();
    assert_eq!(callers(&host), ours, "kept, not on trial any more");
}
