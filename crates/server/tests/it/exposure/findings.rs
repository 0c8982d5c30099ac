//! Findings open and close with what is really on a host.

use runs::Outcome;
use server::{
    exposure::FindingChange,
    hosts::{Rejudged, Server},
    patching::{Receipt, SignedReceipt},
};
use testkit::{Fault, HostBuilder};

use super::feeds::Folder;
use crate::app::{Setup, TestApp};

async fn watched() -> (TestApp, Folder) {
    let folder = Folder::good();
    let app = TestApp::with(Setup { feeds: folder.source(), ..Setup::default() }).await;
    app.app.feeds.refresh_all().await.unwrap();
    (app, folder)
}

/// Findings in effect.
async fn found(app: &TestApp) -> u64 {
    let answer = app.get("/api/servers/web-3/findings").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["summary"]["open"].as_u64().expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_that_is_in_effect_closes_its_findings_in_the_receipt() {
    let (app, _folder) = watched().await;
    let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
    assert_eq!(found(&app).await, 20);
    let run = app.patch(&app.plan(&server).await).await;
    assert_eq!(app.settle(run).await.outcome, Some(Outcome::Done));
    assert_eq!(found(&app).await, 0);
    let text = app.app.patching.receipt(run).await.unwrap();
    let (receipt, _) = SignedReceipt::verify(&text, None).unwrap();
    let closed: Vec<_> =
        closed_by(&receipt).iter().map(|change| (&*change.source_package, change.closed.len())).collect();
    assert_eq!(closed, [("openssl", 20)]);
    assert_eq!(closed_by(&receipt)[0].closed_exploited, ["CVE-2026-0001", "CVE-2026-0002"]);
    assert_eq!(closed_by(&receipt)[0].installed, "3.0.16-1~deb12u1");
    assert!(receipt.summary.contains("20 findings closed"), "{}", receipt.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_that_is_a_lie_closes_nothing() {
    let (app, _folder) = watched().await;
    let (server, host) = app
        .server(HostBuilder::debian12("web-3").update(testkit::Update::security("libc6", "2.36-9+deb12u11")))
        .await;
    let plan = app.plan(&server).await;
    host.inject(Fault::PackageSkipped);
    let run = app.patch(&plan).await;
    assert_eq!(app.settle(run).await.outcome, Some(Outcome::RolledBack));
    assert_eq!(found(&app).await, 20);
    let text = app.app.patching.receipt(run).await.unwrap();
    let (receipt, _) = SignedReceipt::verify(&text, None).unwrap();
    assert!(closed_by(&receipt).is_empty() && receipt.packages.is_empty(), "{receipt:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_feed_opens_findings_on_what_is_known_already() {
    let (app, folder) = watched().await;
    let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
    assert_eq!(found(&app).await, 20);
    folder.write("debian/security-tracker.json", super::feeds::tracker(25));
    let answer = app.call(axum::http::Method::POST, "/api/feeds/refresh", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(found(&app).await, 25);
    assert_eq!(app.known(server.id).await.risk.expect("judged").summary.open, 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_servers_that_a_change_names_are_judged_again_and_alike_ones_together() {
    let (app, folder) = watched().await;
    let (web, _) = app.server(HostBuilder::debian12("web-3")).await;
    let (alike, _) = app.server(HostBuilder::debian12("web-4")).await;
    let foreign = testkit::Update::security("libc6", "2.36-9+deb12u11");
    let (other, _) = app.server(HostBuilder::debian12("web-5").update(foreign)).await;
    let open = async |server: &Server| app.known(server.id).await.risk.expect("judged").summary.open;
    assert_eq!((open(&web).await, open(&alike).await, open(&other).await), (20, 20, 20));
    assert_eq!(app.app.inventories.judge_all().await.unwrap(), Rejudged::default(), "nothing has changed");

    // Of openssl, which all three have, in two distinct sets.
    folder.write("debian/security-tracker.json", super::feeds::tracker(25));
    app.app.feeds.refresh_all().await.unwrap();
    let rejudged = app.app.inventories.judge_all().await.unwrap();
    assert_eq!(rejudged, Rejudged { alone: 0, sets: 2, servers: 3 });
    assert_eq!((open(&web).await, open(&alike).await, open(&other).await), (25, 25, 25));

    // Of a package that nobody has.
    let elsewhere = super::feeds::tracker(25)
        .replace("\"CVE-2026-9999\": {\"releases\"", "\"CVE-2026-9998\": {\"releases\"");
    folder.write("debian/security-tracker.json", elsewhere);
    assert!(app.app.feeds.refresh_all().await.unwrap(), "the feed has changed");
    assert_eq!(app.app.inventories.judge_all().await.unwrap(), Rejudged::default());

    // Somebody who asks and gives up before anything is judged leaves nothing behind.
    folder.write("debian/security-tracker.json", super::feeds::tracker(30));
    app.app.feeds.refresh_all().await.unwrap();
    drop(futures::poll!(Box::pin(app.app.inventories.judge_all())));
    app.app.inventories.judge_all().await.unwrap();
    assert_eq!((open(&web).await, open(&alike).await, open(&other).await), (30, 30, 30));
    assert_eq!(app.app.inventories.judge_all().await.unwrap(), Rejudged::default());
}

/// A receipt made while feeds were there says what closed.
fn closed_by(receipt: &Receipt) -> &[FindingChange] {
    receipt.closed.as_deref().unwrap()
}
