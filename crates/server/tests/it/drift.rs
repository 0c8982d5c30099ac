//! What differs from the description is found, named and repaired; what happens outside of runs
//! is noticed.

use std::sync::Arc;

use axum::http::Method;
use baseline::{Baseline, Description, Item, Service, Tenancy};
use server::hosts::Server;
use testkit::{HostBuilder, SimulatedHost};

use crate::app::{TestApp, ann, hardened, in_short};

async fn described(app: &TestApp) -> (Server, Arc<SimulatedHost>) {
    let (server, host) = app.server(HostBuilder::debian12("web-1")).await;
    let description = Description {
        host: server.name.clone(),
        service: Service::Bare,
        tenancy: Tenancy::Dedicated,
        control_plane_addresses: vec!["192.0.2.1".parse().unwrap()],
        admin_networks: vec!["198.51.100.0/24".parse().unwrap()],
        tenant_networks: Vec::new(),
        operator_keys: Vec::new(),
        time_zone: "UTC".to_owned(),
    };
    let text = serde_json::to_string(&description).unwrap();
    app.app.servers.change(server.id, move |server| server.baseline = Some(text)).await.unwrap();
    let baseline = Baseline::try_from(description).unwrap();
    let mut posture = hardened();
    for file in baseline.files() {
        posture.files.insert(file.path.to_owned(), file.sha256());
    }
    posture.updaters =
        baseline::UPDATER_UNITS.iter().map(|unit| ((*unit).to_owned(), "masked".to_owned())).collect();
    host.set_posture(posture);
    (app.known(server.id).await, host)
}

async fn items(app: &TestApp, server: &Server) -> Vec<Item> {
    let mut items: Vec<Item> =
        app.app.drifts.look(server).await.unwrap().deviations.iter().map(|found| found.item).collect();
    items.dedup();
    items
}

#[tokio::test(flavor = "multi_thread")]
async fn h13_a_changed_file_and_a_woken_timer_are_named_and_repaired() {
    let app = TestApp::new().await;
    let (server, host) = described(&app).await;
    let at_first = items(&app, &server).await;
    assert!(!at_first.contains(&Item::File) && !at_first.contains(&Item::Updater), "{at_first:?}");
    let mut posture = wire::AgentApi::posture(&*host).await.unwrap();
    let path = baseline::WATCHED_FILES[0].to_owned();
    posture.files.insert(path.clone(), base::Sha256::of(b"changed by hand"));
    posture.updaters.insert("apt-daily.timer".to_owned(), "enabled".to_owned());
    host.set_posture(posture);
    // The daily look finds it by itself.
    app.clock.advance(jiff::SignedDuration::from_hours(25));
    app.app.drifts.pass().await.unwrap();
    let seen = app.get("/api/servers/web-1/drift").await.json();
    let found: Vec<&str> =
        seen["drift"]["deviations"].as_array().unwrap().iter().filter_map(|d| d["item"].as_str()).collect();
    assert!(found.contains(&"file") && found.contains(&"updater"), "{found:?}");
    let answer = app.call(Method::POST, "/api/servers/web-1/repair", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let left = items(&app, &server).await;
    assert!(!left.contains(&Item::File) && !left.contains(&Item::Updater), "{left:?}");
    let trail: Vec<String> = app.audit().await.iter().map(in_short).collect();
    for expected in ["host.drift failed", "host.repair begun", "host.repair done"] {
        assert!(trail.iter().any(|line| line == expected), "{expected}: {trail:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h13_a_host_that_does_not_answer_keeps_what_was_known_and_one_without_description_says_so() {
    let app = TestApp::new().await;
    let (server, host) = described(&app).await;
    app.app.drifts.look(&server).await.unwrap();
    let before = app.app.drifts.of(&server).await.unwrap();
    host.power_off();
    assert_eq!(app.app.drifts.look(&server).await.unwrap_err().code.0, "drift.unseen");
    assert_eq!(app.app.drifts.of(&server).await.unwrap(), before);
    let (plain, _) = app.server(HostBuilder::debian12("web-2")).await;
    assert_eq!(app.app.drifts.look(&plain).await.unwrap_err().code.0, "drift.undescribed");
    assert_eq!(app.app.drifts.repair(&ann(), &plain).await.unwrap_err().code.0, "drift.undescribed");
}

#[tokio::test(flavor = "multi_thread")]
async fn h14_a_package_and_a_reboot_by_hand_are_noticed_and_those_of_runs_are_not() {
    let app = TestApp::new().await;
    let (server, host) = described(&app).await;
    app.clock.advance(jiff::SignedDuration::from_mins(5));
    host.set_version("openssl", "3.0.17-1~deb12u3");
    app.app.watch().pass().await;
    let outside = app.app.outside.of(&server, 10).await.unwrap();
    assert_eq!(outside.len(), 1);
    assert!(outside[0].packages.iter().any(|line| line.starts_with("openssl ")), "{outside:?}");
    assert!(!outside[0].rebooted);
    app.app.watch().pass().await;
    assert_eq!(app.app.outside.of(&server, 10).await.unwrap().len(), 1, "once");

    host.set_calls_to_boot(0);
    host.reset();
    app.app.watch().pass().await;
    let outside = app.app.outside.of(&server, 10).await.unwrap();
    assert!(outside.len() == 2 && outside[0].rebooted && outside[0].packages.is_empty(), "{outside:?}");
    let told =
        app.audit().await.into_iter().filter(|line| line.entry.action == "host.changed_outside").count();
    assert_eq!(told, 2);

    // What a run does is explained.
    host.publish(testkit::Update::security("libc6", "2.36-9+deb12u99"));
    let plan = app.plan(&app.known(server.id).await).await;
    let run = app.patch(&plan).await;
    app.settle(run).await;
    app.app.watch().pass().await;
    assert_eq!(app.app.outside.of(&server, 10).await.unwrap().len(), 2);
}
