//! No secret is found where secrets do not belong: not in the database, not in the
//! journal, not in the trail, not in a receipt. The real strings are searched for.

use axum::http::Method;
use runs::Outcome;
use server::hosts::ServerState;
use testkit::{Fault, HostBuilder};

use crate::app::TestApp;

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_kept_or_told() {
    let app = TestApp::new().await;
    // A host from the order to its enrolment, and one that goes all the way down the
    // ladder to its disk and renews its identity.
    let order = r#"{"name": "new-1", "provider": "simulated", "release": "debian-12", "service": "bare"}"#;
    let answer = app.call(Method::POST, "/api/servers", order).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let provisioned = answer.json()["run"].as_str().unwrap().parse().unwrap();
    assert_eq!(app.settle(provisioned).await.outcome, Some(Outcome::Done));
    let (server, host) = app.server(HostBuilder::debian12("web-3")).await;
    let plan = app.plan(&server).await;
    host.inject(Fault::PostinstFails);
    host.inject(Fault::RestoreImpossible);
    let patched = app.patch(&plan).await;
    assert_eq!(app.settle(patched).await.outcome, Some(Outcome::RolledBack));
    let link = app.app.access.issue_link(&server::audit::Actor::System, "ann").await.unwrap();
    let session = app.app.access.sign_in(link.reveal(), "127.0.0.1".parse().unwrap()).await.unwrap();
    let unused = app.app.access.issue_link(&server::audit::Actor::System, "ann").await.unwrap();

    let new = app.app.servers.named("new-1").await.unwrap();
    assert_eq!(new.state, ServerState::Enrolled);
    let mut secrets = vec![
        ("API token", app.token.clone()),
        ("used link", link.reveal().to_owned()),
        ("unused link", unused.reveal().to_owned()),
        ("session", session.reveal().to_owned()),
        ("enrolment token", app.enrolment_token(&new.name).unwrap()),
    ];
    let renewed = app.agents.enrolled.lock().unwrap().clone();
    assert_eq!(renewed.len(), 1);
    secrets.push(("renewal token", renewed[0].0.clone()));
    let vault = server::secrets::Vault::open(&app.app.config.master_key()).unwrap();
    for id in [new.id, server.id] {
        let sealed = app.known(id).await.bearer_token_sealed.expect("sealed");
        let label = format!("bearer token of {id}");
        let token = vault.unseal(&label, &sealed).expect("unsealed");
        secrets.push(("bearer token", String::from_utf8(token.expose().clone()).unwrap()));
    }
    let region = app.app.regions.get("default").await.unwrap();
    let private: Vec<Vec<u8>> =
        vec![region.authority.key_pkcs8().expose().clone(), region.key().unwrap().serialize_der()];

    let mut places = vec![
        ("audit", serde_json::to_vec(&app.audit().await).unwrap()),
        ("receipt", app.app.patching.receipt(patched).await.unwrap().into_bytes()),
    ];
    for run in [provisioned, patched] {
        places
            .push(("journal", serde_json::to_vec(&app.app.patching.journal(run, 0).await.unwrap()).unwrap()));
        places.push(("run", serde_json::to_vec(&app.run(run).await).unwrap()));
    }
    for path in
        ["/api/servers", "/api/servers/new-1", "/api/servers/web-3", "/api/runs", "/api/audit", "/api/feeds"]
    {
        places.push((path, app.get(path).await.text.into_bytes()));
    }
    // Every file beside the master key, the write-ahead log included.
    let files = std::fs::read_dir(app.data()).unwrap().flatten();
    let files: Vec<_> = files.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    assert!(files.iter().any(|path| path.ends_with("holdfast.db-wal")), "{files:?}");
    for file in files.iter().filter(|path| !path.ends_with("master.key")) {
        places.push(("a file", std::fs::read(file).unwrap()));
    }
    for (place, bytes) in &places {
        for (secret, text) in &secrets {
            assert!(!holds(bytes, text.as_bytes()), "the {secret} is in {place}");
        }
        for key in &private {
            assert!(!holds(bytes, key), "a private key is in {place}");
            // The last 32 bytes of the form are enough to have the key.
            assert!(!holds(bytes, &key[36..68]), "a private key is in {place}");
        }
        assert!(!holds(bytes, b"PRIVATE KEY"), "a private key is in {place}");
    }
}
