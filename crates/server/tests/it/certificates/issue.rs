//! Certificates from a real CA, proven by records at a real name server.

use server::{
    certificates::{AcmeConfig, CertificateState},
    dns::{KeyAlgorithm, ZoneOrder},
};
use wire::CertificateAnswer;

use super::{
    programs::{Pebble, missing, skip_or_fail},
    world::{World, csr},
};
use crate::app::ann;

/// A world with Pebble, which rejects so many of a hundred nonces.
async fn world(rejected_nonces: u8) -> Option<(World, Pebble)> {
    if let Some(package) = missing() {
        skip_or_fail(package);
        return None;
    }
    let mut pebble = None;
    let world = World::new(|folder, dns| {
        let started = pebble.insert(Pebble::start(folder, dns, rejected_nonces));
        AcmeConfig {
            directory: started.directory.clone(),
            root: Some(started.root.clone()),
            ..AcmeConfig::default()
        }
    });
    let world = world.await;
    pebble.map(|pebble| (world, pebble))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_gets_a_certificate_for_its_own_name_and_another_when_it_is_due() {
    let Some((world, pebble)) = world(5).await else { return };
    let server = world.server("web-1", "hosts.test").await;
    let wanted = world.ask(&server, None, None).await.unwrap();
    let CertificateAnswer::Request { name, .. } = wanted else { panic!("{wanted:?}") };
    assert_eq!(name, "web-1.hosts.test");
    let request = csr(&[&name]);
    let first = world.chain(&server, &request, None).await;
    assert!(first.matches("BEGIN CERTIFICATE").count() >= 2, "the chain leads to the root: {first}");
    let known = world.known(&server).await;
    let serial = known.serial.clone().unwrap();
    let (from, renew, until) = (known.not_before.unwrap(), known.renew_at.unwrap(), known.not_after.unwrap());
    assert!(from < renew && renew < until && !known.renewal_wanted && known.fault.is_none(), "{known:?}");
    assert_eq!(world.bind.texts("_acme-challenge.web-1.hosts.test"), "", "the record is taken away");
    // The same request finds the same certificate, without another order.
    assert_eq!(world.chain(&server, &request, None).await, first);
    let orders = pebble.requests("/order-plz");
    let keep = world.ask(&server, None, Some(&serial)).await.unwrap();
    assert!(matches!(keep, CertificateAnswer::Keep { .. }), "{keep:?}");
    let keep = world.ask(&server, Some(&csr(&[&name])), Some(&serial)).await.unwrap();
    assert!(matches!(keep, CertificateAnswer::Keep { .. }), "nothing is ordered before its time: {keep:?}");
    assert_eq!(pebble.requests("/order-plz"), orders);
    world.issue(&server, "hosts.test").await;
    let due = world.ask(&server, None, Some(&serial)).await.unwrap();
    assert!(matches!(due, CertificateAnswer::Request { .. }), "{due:?}");
    let second = world.chain(&server, &csr(&[&name]), Some(&serial)).await;
    assert_ne!(second, first);
    assert_ne!(world.known(&server).await.serial.unwrap(), serial);
    let trail = world.trail().await;
    let count = |what: &str| trail.iter().filter(|entry| *entry == what).count();
    assert_eq!(count("certificate.order done"), 2, "{trail:?}");
    assert_eq!(count("certificate.install done"), 1, "once for each that is installed: {trail:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_another_name_is_refused_and_it_is_on_record() {
    let Some((world, pebble)) = world(0).await else { return };
    let server = world.server("web-1", "hosts.test").await;
    let bad: [&[&str]; 4] = [
        &["web-2.hosts.test"],
        &["web-1.hosts.test", "web-2.hosts.test"],
        &["*.hosts.test"],
        &["hosts.test"],
    ];
    for names in bad {
        let refused = world.ask(&server, Some(&csr(names)), None).await.unwrap_err();
        assert_eq!(refused.code.0, "certificate.refused", "{names:?}");
    }
    let trail = world.app.audit().await;
    let refusals: Vec<_> = trail.iter().filter(|line| line.entry.action == "certificate.request").collect();
    assert_eq!(refusals.len(), 4);
    assert_eq!(refusals[0].entry.actor.to_string(), "host:web-1");
    assert!(refusals[0].entry.detail.contains("web-2.hosts.test"), "{:?}", refusals[0]);
    assert_eq!(world.known(&server).await.state, CertificateState::Wanted);
    assert_eq!(pebble.requests("/order-plz"), 0, "the CA was not even asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegated_challenge_is_answered_where_it_leads() {
    let Some((world, _pebble)) = world(0).await else { return };
    world.set_zone("front.test", None).await;
    let server = world.server("web-1", "front.test").await;
    world.chain(&server, &csr(&["web-1.front.test"]), None).await;
    // A name that is not delegated is in a zone that we cannot change.
    let other = world.server("web-2", "front.test").await;
    let waits = world.ask(&other, Some(&csr(&["web-2.front.test"])), None).await.unwrap();
    assert!(matches!(waits, CertificateAnswer::Wait { .. }), "{waits:?}");
    let fault = world.known(&other).await.fault.unwrap();
    assert!(fault.found.unwrap().contains("no update key"));
    let endless = world.server("loop", "front.test").await;
    world.ask(&endless, Some(&csr(&["loop.front.test"])), None).await.unwrap();
    let fault = world.known(&endless).await.fault.unwrap();
    assert!(fault.found.unwrap().contains("lead nowhere"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_counts_when_every_authoritative_server_has_it() {
    let Some((mut world, _pebble)) = world(0).await else { return };
    world.bind.start_secondary();
    let both = [world.bind.address, world.bind.secondary_address];
    let order = ZoneOrder {
        name: "hosts.test".parse().unwrap(),
        servers: vec![both[0]],
        authoritative: both.to_vec(),
        key_name: Some("holdfast".to_owned()),
        algorithm: Some(KeyAlgorithm::HmacSha256),
        secret: Some(super::programs::SECRET.to_owned()),
    };
    world.app.app.zones.set(&ann(), &order).await.unwrap();
    let report = world.app.app.zones.test(&ann(), "hosts.test").await.unwrap();
    assert_eq!(report.seen_at, both);
    assert_eq!(report.record.as_str(), "_acme-challenge.holdfast-test.hosts.test");
    let server = world.server("web-1", "hosts.test").await;
    world.chain(&server, &csr(&["web-1.hosts.test"]), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_server_that_is_down_is_waited_for_and_the_ca_is_left_alone() {
    let Some((mut world, pebble)) = world(0).await else { return };
    world.bind.stop();
    let server = world.server("web-1", "hosts.test").await;
    let request = csr(&["web-1.hosts.test"]);
    let waits = world.ask(&server, Some(&request), None).await.unwrap();
    assert_eq!(waits, CertificateAnswer::Wait { seconds: 15 });
    let known = world.known(&server).await;
    assert_eq!((known.attempts, known.fault.unwrap().code.0.as_str()), (1, "certificate.dns"));
    // However often the host asks and the queue is looked through: not before its time.
    for _ in 0..10 {
        world.ask(&server, Some(&request), None).await.unwrap();
        world.pass(1).await;
    }
    assert_eq!(world.known(&server).await.attempts, 1);
    world.pass(10).await;
    assert_eq!(world.known(&server).await.attempts, 2);
    assert_eq!(pebble.requests("/order-plz"), 0);
    world.bind.resume();
    world.pass(15).await;
    assert_eq!(world.known(&server).await.attempts, 2, "the second pause is longer");
    world.pass(20).await;
    world.chain(&server, &request, None).await;
    assert_eq!(world.known(&server).await.attempts, 0);
    assert_eq!(pebble.requests("/order-plz"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_name_server_refuses_is_told_as_such_until_it_is_mended() {
    let Some((world, pebble)) = world(0).await else { return };
    let other_secret = "b3RoZXIgc2VjcmV0IG9mIHRoZSByaWdodCBsZW5ndGg=";
    let server = world.server("web-1", "hosts.test").await;
    let request = csr(&["web-1.hosts.test"]);
    for (attempt, (name, secret, words)) in [
        ("holdfast", other_secret, "BadSig"),
        ("stranger", super::programs::SECRET, "BadKey"),
        ("onlooker", super::programs::SECRET, "refused"),
    ]
    .into_iter()
    .enumerate()
    {
        world.set_zone("hosts.test", Some((name, secret))).await;
        let report = world.app.app.zones.test(&ann(), "hosts.test").await.unwrap_err();
        assert!(report.found.as_ref().unwrap().to_lowercase().contains(&words.to_lowercase()), "{report}");
        world.issue(&server, "hosts.test").await;
        world.ask(&server, Some(&request), None).await.unwrap();
        let known = world.known(&server).await;
        let found = known.fault.unwrap().found.unwrap();
        assert!(found.to_lowercase().contains(&words.to_lowercase()) && !found.contains(secret), "{found}");
        let due = known.next_attempt_at.unwrap();
        assert!(
            due.duration_since(world.app.app.clock.now()).as_secs() >= 60,
            "a setting is not mended in seconds"
        );
        assert_eq!(pebble.requests("/order-plz"), attempt + 1, "one order each, no loop");
    }
    world.set_zone("hosts.test", Some(("holdfast", super::programs::SECRET))).await;
    let report = world.app.app.zones.test(&ann(), "hosts.test").await.unwrap();
    assert_eq!(report.seen_at, [world.bind.address]);
    world.issue(&server, "hosts.test").await;
    world.chain(&server, &request, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_that_expire_are_renewed_and_a_ca_that_takes_none_is_left_alone() {
    let Some((world, pebble)) = self::world(100).await else { return };
    let server = world.server("web-1", "hosts.test").await;
    let waits = world.ask(&server, Some(&csr(&["web-1.hosts.test"])), None).await.unwrap();
    assert!(matches!(waits, CertificateAnswer::Wait { .. }), "{waits:?}");
    let fault = world.known(&server).await.fault.unwrap();
    assert!(fault.found.unwrap().contains("nonce"));
    let asked = pebble.requests("/sign-me-up");
    assert!((1..=3).contains(&asked), "{asked} requests for one account");
    world.pass(5).await;
    assert_eq!(pebble.requests("/sign-me-up"), asked, "nothing more before its time");
}
