//! Certificates over the API of operators, and at the door of hosts.

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
};
use serde::{Deserialize, Serialize};
use wire::{JobKey, Verb};

use super::{Certificate, IssueOrder, service::unknown};
use crate::{
    app::App,
    hosts::{Server, api::body},
    http::{ApiCaller, ApiResult},
};

/// A certificate as it is shown.
#[derive(Debug, Serialize, Deserialize)]
pub struct CertificateView {
    /// What is known of it.
    #[serde(flatten)]
    pub certificate: Certificate,
    /// What an operator should know now.
    pub trouble: Option<String>,
}

/// What came of an order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Issued {
    /// The certificate as it stands.
    pub certificate: CertificateView,
    /// Why the host was not told at once; it asks by itself twice a day.
    pub host_not_told: Option<String>,
}

fn view(app: &App, certificate: Certificate) -> CertificateView {
    CertificateView { trouble: certificate.trouble(app.clock.now()), certificate }
}

pub(crate) async fn list(State(app): State<App>, _: ApiCaller) -> ApiResult<Vec<CertificateView>> {
    Ok(Json(app.certificates.all().await?.into_iter().map(|one| view(&app, one)).collect()))
}

pub(crate) async fn show(
    State(app): State<App>,
    _: ApiCaller,
    Path(name): Path<String>,
) -> ApiResult<CertificateView> {
    let server = app.servers.named(&name).await?;
    let found = app.certificates.find(&server).await?.ok_or_else(|| unknown(&name))?;
    Ok(Json(view(&app, found)))
}

pub(crate) async fn issue(
    State(app): State<App>,
    ApiCaller(caller): ApiCaller,
    Path(name): Path<String>,
    order: Result<Json<IssueOrder>, JsonRejection>,
) -> ApiResult<Issued> {
    let (server, order) = (app.servers.named(&name).await?, body(order)?);
    let certificate = app.certificates.issue(&caller.actor(), &server, &order).await?;
    let host_not_told = tell_host(&app, &server).await.err();
    Ok(Json(Issued { certificate: view(&app, certificate), host_not_told }))
}

/// Has the host ask now. The order stands whether or not it hears us.
async fn tell_host(app: &App, server: &Server) -> Result<(), String> {
    let agent = app.agents.of(server).await.map_err(|problem| problem.to_string())?;
    let key: JobKey = format!("certificate-{}", base::SessionId::new().to_string().replace('_', "-"))
        .parse()
        .map_err(|error: wire::InvalidJobKey| error.to_string())?;
    let started = agent.start_job(&key, &Verb::CheckCertificate).await;
    started.map(drop).map_err(|error| agent::daemon::chain(&error))
}
