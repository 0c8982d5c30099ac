//! One-time tokens: what they open, how long, and how often.

use jiff::SignedDuration;
use server::hosts::ServerState;
use testkit::HostBuilder;
use wire::EnrolmentRequest;

use crate::app::{TestApp, ann, enrolment_request, in_short};

fn from() -> std::net::IpAddr {
    "192.0.2.9".parse().unwrap()
}

async fn enrolments(app: &TestApp) -> Vec<String> {
    let trail = app.audit().await;
    trail.iter().filter(|line| line.entry.action == "server.enrol").map(in_short).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_once_and_the_second_use_is_refused_and_audited() {
    let app = TestApp::new().await;
    let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
    let token = app.app.enrolments.issue(server.id).await.unwrap();
    let request = enrolment_request(token.reveal());
    let answer = app.app.enrolments.redeem(&request, from()).await.unwrap();
    assert_eq!(answer.server, server.id);
    let first = app.known(server.id).await.agent_certificate;
    assert!(first.is_some());
    let refused = app.app.enrolments.redeem(&request, from()).await.map(drop).unwrap_err();
    assert_eq!(refused.code.0, "enrolment.refused");
    assert_eq!(app.known(server.id).await.agent_certificate, first, "the first identity stays");
    let trail = enrolments(&app).await;
    assert_eq!(trail, ["server.enrol begun", "server.enrol done", "server.enrol refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_exactly_one_enrols() {
    let app = TestApp::new().await;
    let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
    let token = app.app.enrolments.issue(server.id).await.unwrap();
    let racers = (0..8).map(|_| {
        let (enrolments, request) = (app.app.enrolments.clone(), enrolment_request(token.reveal()));
        tokio::spawn(async move { enrolments.redeem(&request, from()).await })
    });
    let mut won = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Ok(answer) => won.push(answer),
            Err(problem) => assert_eq!(problem.code.0, "enrolment.refused", "{problem}"),
        }
    }
    assert_eq!(won.len(), 1);
    let trail = enrolments(&app).await;
    let count = |what: &str| trail.iter().filter(|entry| *entry == what).count();
    assert_eq!((count("server.enrol done"), count("server.enrol refused")), (1, 7), "{trail:?}");
    // What is on record is the winner's: its certificate, and a token with its digest.
    let known = app.known(server.id).await;
    let pem = won[0].certificate_pem.as_bytes();
    let der = <rustls_pki_types::CertificateDer as rustls_pki_types::pem::PemObject>::from_pem_slice(pem);
    assert_eq!(known.agent_certificate, Some(base::Sha256::of(&der.unwrap())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_dies_after_thirty_minutes_and_an_unknown_one_never_lived() {
    let app = TestApp::new().await;
    let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
    let [in_time, late] = [
        app.app.enrolments.issue(server.id).await.unwrap(),
        app.app.enrolments.issue(server.id).await.unwrap(),
    ];
    app.clock.advance(SignedDuration::from_mins(30) - SignedDuration::from_secs(1));
    app.app.enrolments.redeem(&enrolment_request(in_time.reveal()), from()).await.map(drop).unwrap();
    app.clock.advance(SignedDuration::from_secs(1));
    for token in [late.reveal(), "", "x", &"A".repeat(43), "' OR 1=1 --", "\0", "ünïcode"] {
        let refused =
            app.app.enrolments.redeem(&enrolment_request(token), from()).await.map(drop).unwrap_err();
        assert_eq!(refused.code.0, "enrolment.refused", "{token:?}");
    }
    assert_eq!(enrolments(&app).await.iter().filter(|entry| entry.ends_with("refused")).count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_signed_leaves_the_token_good() {
    let app = TestApp::new().await;
    let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
    let token = app.app.enrolments.issue(server.id).await.unwrap();
    let good = enrolment_request(token.reveal());
    let cut = &good.csr_pem[..good.csr_pem.len() / 2];
    for csr in
        ["", "garbage", "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n", cut]
    {
        let request = EnrolmentRequest { csr_pem: csr.to_owned(), ..good.clone() };
        let refused = app.app.enrolments.redeem(&request, from()).await.map(drop).unwrap_err();
        assert_eq!(refused.code.0, "enrolment.request");
    }
    app.app.enrolments.redeem(&good, from()).await.map(drop).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_of_a_server_that_is_gone_is_refused() {
    let app = TestApp::new().await;
    let (server, _) = app.server(HostBuilder::debian12("web-3")).await;
    let token = app.app.enrolments.issue(server.id).await.unwrap();
    app.app.provisioning.destroy(&ann(), "web-3").await.unwrap();
    let refused = app.app.enrolments.redeem(&enrolment_request(token.reveal()), from()).await;
    assert_eq!(refused.map(drop).unwrap_err().code.0, "enrolment.refused");
    assert!(
        enrolments(&app).await.contains(&"server.enrol refused".to_owned()),
        "{:?}",
        enrolments(&app).await
    );
    assert!(app.app.servers.all().await.unwrap().iter().all(|server| server.state != ServerState::Enrolled));
}
