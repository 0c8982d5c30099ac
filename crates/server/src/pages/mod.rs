//! What all pages share: the frame around them, their assets and forms, how a number or
//! a moment is written, and how a problem looks.
//!
//! A page is a struct with its template, beside its handler in the domain's `pages`.
//! Pages work without JavaScript; the little there is only spares reloading.

mod assets;
mod form;
mod fragments;
mod frame;
mod overview;
mod paging;
mod problem;
#[cfg(test)]
pub(crate) mod samples;
mod words;

use axum::{
    Router,
    routing::{get, post},
};

pub use assets::href as asset;
pub use form::{Confirmed, Nothing};
pub use fragments::{Badge, Nav, ProblemBox, Prose, Section, When};
pub use frame::{Frame, rendered};
pub use paging::{Link, Paging};
pub use problem::PageProblem;
pub use words::{ago, bytes, count, grouped, span};

use crate::{access, app::App, audit, exposure, firewall, hosts, patching};

/// Every page.
pub fn router() -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .route("/sign-in", get(access::pages::show).post(access::pages::sign_in))
        .route("/sign-out", post(access::pages::sign_out))
        .route("/servers", get(hosts::pages::list))
        .route("/servers/{name}", get(hosts::pages::show))
        .route("/servers/{name}/refresh", post(hosts::pages::refresh))
        .route("/servers/{name}/patch", post(patching::pages::patch))
        .route("/servers/{name}/reboot", post(patching::pages::reboot))
        .route("/servers/{name}/rollback", post(patching::pages::roll_back))
        .route("/security", get(exposure::pages::security))
        .route("/servers/{name}/findings/{cve}", get(exposure::pages::finding::show))
        .route(
            "/security/acceptances",
            get(exposure::pages::acceptances::list).post(exposure::pages::acceptances::accept),
        )
        .route("/security/acceptances/new", get(exposure::pages::acceptances::form))
        .route("/security/acceptances/{acceptance}/revoke", post(exposure::pages::acceptances::revoke))
        .route("/runs", get(patching::pages::list))
        .route("/runs/{run}", get(patching::pages::show))
        .route("/runs/{run}/signal", post(patching::pages::signal))
        .route("/settings", get(firewall::pages::show))
        .route("/settings/addresses", post(firewall::pages::set_addresses))
        .route("/servers/{name}/firewall", post(firewall::pages::sync))
        .route("/servers/{name}/drift", post(hosts::pages::look))
        .route("/servers/{name}/repair", post(hosts::pages::repair))
        .route("/audit", get(audit::pages::list))
        .route("/assets/{name}", get(assets::serve))
        .fallback(problem::not_found)
}
