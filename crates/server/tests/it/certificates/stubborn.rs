//! What a CA says rarely: limits, faults of its own, and when to come back.

use jiff::{SignedDuration, Timestamp};
use server::certificates::AcmeConfig;
use wire::CertificateAnswer;

use super::{
    programs::{missing, skip_or_fail},
    stub::Stub,
    world::{World, csr},
};

async fn world() -> Option<(World, Stub)> {
    if let Some(package) = missing() {
        skip_or_fail(package);
        return None;
    }
    let mut stub = None;
    let world = World::new(|folder, _| {
        let stub = stub.insert(Stub::start(folder));
        AcmeConfig { directory: stub.directory(), root: Some(stub.root()), ..AcmeConfig::default() }
    });
    let world = world.await;
    stub.map(|stub| (world, stub))
}

fn waits(answer: &CertificateAnswer) -> u32 {
    match answer {
        CertificateAnswer::Wait { seconds } => *seconds,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_the_whole_zone_for_as_long_as_the_ca_says() {
    let Some((world, stub)) = world().await else { return };
    stub.turn_away(Some((429, Some("7200"))));
    let one = world.server("web-1", "hosts.test").await;
    let request = csr(&["web-1.hosts.test"]);
    assert_eq!(
        waits(&world.ask(&one, Some(&request), None).await.unwrap()),
        3600,
        "told in hours at the most"
    );
    let known = world.known(&one).await;
    let fault = known.fault.unwrap();
    assert_eq!(fault.code.0, "certificate.limit");
    assert!(fault.found.unwrap().contains("too many certificates"));
    let due = known.next_attempt_at.unwrap().duration_since(world.app.app.clock.now());
    assert!((7195..=7200).contains(&due.as_secs()), "{due}");
    assert_eq!(stub.requests("/order"), 1);
    // Nobody else in the zone runs into the same wall, and waiting costs no request.
    let other = world.server("web-2", "hosts.test").await;
    let others = csr(&["web-2.hosts.test"]);
    for _ in 0..5 {
        world.ask(&one, Some(&request), None).await.unwrap();
        world.pass(600).await;
    }
    assert_eq!(stub.requests("/order"), 1);
    stub.turn_away(None);
    world.app.clock.set(Timestamp::now());
    world.pass(7300).await;
    // The name server would refuse signatures of the future; the CA asks for no proof here.
    world.chain(&one, &request, None).await;
    world.chain(&other, &others, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_in_the_queue_is_held_back_with_the_one_that_was_turned_away() {
    let Some((world, stub)) = world().await else { return };
    stub.turn_away(Some((503, None)));
    let one = world.server("web-1", "hosts.test").await;
    let other = world.server("web-2", "hosts.test").await;
    let (request, others) = (csr(&["web-1.hosts.test"]), csr(&["web-2.hosts.test"]));
    // A fault of the CA's own holds nobody else.
    assert_eq!(waits(&world.ask(&one, Some(&request), None).await.unwrap()), 15);
    assert_eq!(waits(&world.ask(&other, Some(&others), None).await.unwrap()), 15);
    assert_eq!(stub.requests("/order"), 2);
    assert_eq!(world.known(&one).await.fault.unwrap().code.0, "certificate.ca_unavailable");
    stub.turn_away(Some((429, None)));
    world.pass(16).await;
    assert_eq!(stub.requests("/order"), 3, "the second is not tried after the first was turned away");
    for server in [&one, &other] {
        let due = world.known(server).await.next_attempt_at.unwrap();
        assert!(due.duration_since(world.app.app.clock.now()) >= SignedDuration::from_mins(59));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ca_says_when_to_renew_and_is_told_what_is_replaced() {
    let Some((world, stub)) = world().await else { return };
    let now = world.app.app.clock.now();
    let (start, end) = (now + SignedDuration::from_hours(100), now + SignedDuration::from_hours(101));
    stub.suggest(start, end);
    let server = world.server("web-1", "hosts.test").await;
    let first = csr(&["web-1.hosts.test"]);
    world.chain(&server, &first, None).await;
    let known = world.known(&server).await;
    let renewal = known.renew_at.unwrap();
    assert!((start..=end).contains(&renewal), "{renewal} is not in the window");
    assert!(stub.replaced().is_empty());
    // The CA wants all of them replaced now: noticed at the next question, though not asked
    // at every one.
    let serial = known.serial.unwrap();
    stub.suggest(now - SignedDuration::from_hours(2), now - SignedDuration::from_hours(1));
    let keep = world.ask(&server, None, Some(&serial)).await.unwrap();
    assert!(matches!(keep, CertificateAnswer::Keep { .. }), "{keep:?}");
    world.app.clock.advance(SignedDuration::from_hours(7));
    let due = world.ask(&server, None, Some(&serial)).await.unwrap();
    assert!(matches!(due, CertificateAnswer::Request { .. }), "{due:?}");
    assert_eq!(stub.requests("/renewal"), 2);
    world.chain(&server, &csr(&["web-1.hosts.test"]), Some(&serial)).await;
    assert_eq!(stub.replaced().len(), 1);
}
