//! Every route, in one place.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Uri,
    middleware,
    routing::{delete, get, post, put},
};
use base::Problem;

use super::{ApiProblem, answer, headers};
use crate::{access, app::App, audit, certificates, dns, exposure, firewall, hosts, patching};

/// The largest body of a request. Orders and forms are far smaller.
const BODY: usize = 256 * 1024;

/// Pages and API.
pub fn router(app: App) -> Router {
    let api = Router::new()
        .route("/servers", get(hosts::api::list).post(hosts::api::provision))
        .route("/servers/{name}", get(hosts::api::show).delete(hosts::api::destroy))
        .route("/servers/{name}/refresh", post(hosts::api::refresh))
        .route("/servers/{name}/drift", get(hosts::api::drift).post(hosts::api::look))
        .route("/servers/{name}/repair", post(hosts::api::repair))
        .route("/servers/{name}/probes", post(hosts::api::set_probes))
        .route("/servers/{name}/findings", get(exposure::api::findings))
        .route("/servers/{name}/history", get(exposure::api::history))
        .route("/servers/{name}/plan", post(patching::api::plan))
        .route("/servers/{name}/patch", post(patching::api::patch))
        .route("/servers/{name}/reboot", post(patching::api::reboot))
        .route("/servers/{name}/rollback", post(patching::api::roll_back))
        .route("/runs", get(patching::api::list))
        .route("/runs/{run}", get(patching::api::show))
        .route("/runs/{run}/journal", get(patching::api::journal))
        .route("/runs/{run}/events", get(patching::api::events))
        .route("/runs/{run}/receipt", get(patching::api::receipt))
        .route("/runs/{run}/signals", post(patching::api::signal))
        .route("/acceptances", get(exposure::api::acceptances).post(exposure::api::accept))
        .route("/acceptances/{acceptance}/revoke", post(exposure::api::revoke))
        .route("/feeds", get(exposure::api::feeds))
        .route("/feeds/refresh", post(exposure::api::refresh))
        .route("/firewall", get(firewall::api::show))
        .route("/firewall/addresses", put(firewall::api::set_addresses))
        .route("/servers/{name}/firewall", put(firewall::api::open))
        .route("/servers/{name}/firewall/sync", post(firewall::api::sync))
        .route("/certificates", get(certificates::api::list))
        .route("/servers/{name}/certificate", get(certificates::api::show).post(certificates::api::issue))
        .route("/dns/zones", get(dns::api::list).post(dns::api::set))
        .route("/dns/zones/{name}", delete(dns::api::remove))
        .route("/dns/zones/{name}/test", post(dns::api::test))
        .route("/audit", get(audit::api::list))
        .route("/sign-in-links", post(access::api::issue_link))
        .fallback(async |uri: Uri| {
            ApiProblem(Problem::new("route.unknown", format!("there is nothing at `{}`", uri.path())))
        })
        .layer(middleware::from_fn(answer::only_problems));
    Router::new()
        .nest("/api", api)
        .merge(crate::pages::router())
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn(headers::secure))
        .with_state(app)
}
