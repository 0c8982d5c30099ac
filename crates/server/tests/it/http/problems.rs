//! What people are told, word for word: these texts are the product as much as the code.

use axum::http::Method;
use server::http::ApiProblem;
use testkit::HostBuilder;

use crate::app::{TestApp, enrolment_request};

#[tokio::test(flavor = "multi_thread")]
async fn problems_read_as_they_should() {
    let app = TestApp::new().await;
    let (server, host) = app.server(HostBuilder::debian12("web-3")).await;
    let said = async |method: Method, path: &str, body: &'static str| {
        let answer = app.call(method, path, body).await;
        format!("{} {}", answer.status.as_u16(), answer.problem())
    };
    assert_eq!(
        said(Method::GET, "/api/servers/web-4", "").await,
        "404 there is no server `web-4`. Hint: `holdfast server list` shows the known ones. Code `server.unknown`"
    );
    assert_eq!(
        said(Method::GET, "/api/nothing", "").await,
        "404 there is nothing at `/nothing`. Code `route.unknown`"
    );
    assert_eq!(
        said(Method::POST, "/api/servers/web-3/rollback", "").await,
        "422 `web-3` has no run to undo. Code `rollback.impossible`"
    );
    assert_eq!(
        said(Method::GET, "/api/servers/web-3/findings", "").await,
        "404 no findings of `web-3` yet: the feeds were not read yet. Hint: try again shortly. Code `findings.none`"
    );
    let plan = app.plan(&server).await;
    let body = serde_json::to_string(&plan).unwrap().leak();
    let started = app.call(Method::POST, "/api/servers/web-3/patch", &*body).await;
    let run = started.json()["run"].as_str().unwrap().to_owned();
    assert_eq!(
        said(Method::POST, "/api/servers/web-3/reboot", "").await,
        format!(
            "409 could not start a run on `web-3`: run `{run}` is still open on it. Nothing was changed. \
             Hint: `holdfast run follow {run}`, or cancel it. Code `run.busy`"
        )
    );
    assert_eq!(
        said(Method::DELETE, "/api/servers/web-3", "").await,
        format!(
            "422 could not destroy `web-3`: run `{run}` is still open on it. Nothing was changed. Code `server.keep`"
        )
    );
    // The plan is outdated by another hand before the run begins.
    host.set_version("openssl", "9.9-1");
    let ended = app.settle(run.parse().unwrap()).await;
    assert_eq!(
        ended.problem.unwrap().to_string(),
        "could not patch `web-3`: `openssl` is at `9.9-1`, the plan expected it at `3.0.16-1~deb12u1`. \
         Nothing was changed. Hint: patch again: a new plan is made of what is there now. Code `patch.plan_stale`"
    );
    let token = app.app.enrolments.issue(server.id).await.unwrap();
    let request = enrolment_request(token.reveal());
    app.app.enrolments.redeem(&request, "192.0.2.1".parse().unwrap()).await.map(drop).unwrap();
    let refused = app.app.enrolments.redeem(&request, "192.0.2.1".parse().unwrap()).await.map(drop);
    assert_eq!(
        refused.map_err(ApiProblem).unwrap_err().0.to_string(),
        "could not enrol the host: the token was used before. Nothing was changed. Hint: if this host is yours, \
         provision it again or ask an operator for a new token. Code `enrolment.refused`"
    );
}
