//! What a run keeps for a way back is there for a week, then dropped, once.

use jiff::SignedDuration;

use providers::Capabilities;
use server::patching::{Keepsakes, Ledger};
use testkit::HostBuilder;

use crate::app::TestApp;

const A_WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

async fn pass(app: &TestApp) {
    Keepsakes(app.app.resources.clone()).pass().await.unwrap();
}

async fn expired(app: &TestApp) -> usize {
    let ledger: &Ledger = &app.app.resources.ledger;
    ledger.expired().await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_and_packages_are_dropped_after_a_week() {
    let app = TestApp::new().await;
    let (server, host) = app.server(HostBuilder::debian12("web-3")).await;
    let run = app.patch(&app.plan(&server).await).await;
    app.settle(run).await;
    pass(&app).await;
    assert_eq!((host.effects().drops, app.provider.effects().deleted_snapshots), (0, 0), "too early");

    app.clock.advance(A_WEEK);
    assert_eq!(expired(&app).await, 2);
    pass(&app).await;
    pass(&app).await;
    assert_eq!((host.effects().drops, app.provider.effects().deleted_snapshots), (1, 1));
    assert_eq!(expired(&app).await, 0);
    let told = app.audited(run).await;
    for action in ["packages.drop begun", "snapshot.delete begun"] {
        assert_eq!(told.iter().filter(|entry| *entry == action).count(), 1, "{action}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_dropped_without_a_snapshot_and_by_a_host_that_was_away() {
    let app = TestApp::new().await;
    app.provider.set_capabilities(Capabilities {
        snapshots: false,
        restore_in_place: false,
        firewall: false,
    });
    let (server, host) = app.server(HostBuilder::debian12("web-3")).await;
    let run = app.patch(&app.plan(&server).await).await;
    app.settle(run).await;
    app.clock.advance(A_WEEK);
    host.unreachable_for(1);
    pass(&app).await;
    assert_eq!((host.effects().drops, expired(&app).await), (0, 1), "it stays in the ledger");
    pass(&app).await;
    assert_eq!((host.effects().drops, expired(&app).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_of_a_destroyed_server_leaves_the_ledger() {
    let app = TestApp::new().await;
    let (server, host) = app.server(HostBuilder::debian12("web-3")).await;
    let run = app.patch(&app.plan(&server).await).await;
    app.settle(run).await;
    let ledger = &app.app.resources.ledger;
    assert_eq!(ledger.of(server.id).await.unwrap().len(), 2);
    app.app.provisioning.destroy(&crate::app::ann(), server.name.as_str()).await.unwrap();
    assert_eq!(ledger.of(server.id).await.unwrap().len(), 0);
    app.clock.advance(A_WEEK);
    pass(&app).await;
    assert_eq!((host.effects().drops, expired(&app).await), (0, 0));
}
