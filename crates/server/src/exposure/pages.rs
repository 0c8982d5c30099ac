//! The Security page: what touches which server, worst first. Start with [`security`];
//! rows and filters are in [`table`], their order in [`column`], a server's findings in
//! [`updates`].

mod accept_form;
pub mod acceptances;
mod column;
pub mod finding;
mod table;
mod totals;
mod updates;

use std::borrow::Borrow;

use askama::{Template, filters::HtmlSafe};
use axum::{
    extract::{Query, State},
    response::Response,
};

pub use accept_form::AcceptForm;
pub use table::{Row, Wanted, live, notes};
pub use totals::Totals;
pub use updates::{FindingsView, findings_view};

use crate::{
    app::App,
    hosts::Server,
    pages::{Frame, PageProblem, Paging, rendered},
};
use column::Column;
use table::State as Filter;

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    frame: Frame,
    totals: Totals,
    wanted: Wanted,
    filters: Vec<(Filter, usize)>,
    paging: Paging,
    rows: Vec<Row>,
    /// Servers whose certificate needs a look, and why.
    certificates: Vec<(String, String)>,
}

#[derive(Template)]
#[template(
    source = r#"{% if number == 0 %}<span class="none">0</span>{% else %}{{ crate::pages::grouped(number) }}{% endif %}"#,
    ext = "html"
)]
struct Number {
    number: usize,
}

impl HtmlSafe for Number {}

pub(crate) async fn security(
    State(app): State<App>,
    frame: Frame,
    Query(query): Query<table::Query>,
) -> Result<Response, PageProblem> {
    let servers = app.servers.all().await?;
    let mut page = SecurityPage::new(frame, &servers, query.wanted());
    page.certificates = app.certificates.troubled().await?;
    Ok(rendered(&page))
}

impl SecurityPage {
    fn new(frame: Frame, servers: &[Server], wanted: Wanted) -> Self {
        let live: Vec<&Server> = table::live(servers);
        let shown = wanted.select(&live);
        let paging = Paging::new(wanted.page, shown.len(), |page| wanted.on_page(page));
        let rows = paging.of(&shown).iter().map(|server| Row::of(server, &frame)).collect();
        let count = |filter: &Filter| live.iter().filter(|server| filter.holds(server)).count();
        let filters = Filter::ALL.iter().map(|filter| (*filter, count(filter))).collect();
        Self { totals: Totals::of(&live), frame, wanted, filters, paging, rows, certificates: Vec::new() }
    }

    fn columns(&self) -> &'static [Column] {
        &Column::ALL
    }

    /// A cell with a number; nought is there without drawing the eye.
    fn number(&self, number: impl Borrow<usize>) -> Number {
        Number { number: *number.borrow() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn html(servers: &[Server], query: &str) -> String {
        let uri: axum::http::Uri = format!("/security?{query}").parse().unwrap();
        let Query(query) = Query::<table::Query>::try_from_uri(&uri).unwrap();
        SecurityPage::new(samples::frame("/security", &[]), servers, query.wanted()).render().unwrap()
    }

    #[test]
    fn exploited_is_red_and_high_is_amber() {
        let red = html(&samples::fleet(), "");
        assert!(red.contains("banner red") && !red.contains("banner amber"), "{red}");
        let mut only_high = samples::fleet();
        only_high.retain(|server| {
            server.risk.as_ref().is_some_and(|risk| risk.summary.kev == 0 && risk.summary.critical == 0)
        });
        let amber = html(&only_high, "");
        assert!(amber.contains("banner amber") && !amber.contains("banner red"), "{amber}");
    }

    #[test]
    fn a_stale_feed_has_its_own_strip() {
        let page = html(&samples::fleet(), "");
        assert!(page.contains("strip stale") && page.contains("No feed has ever been read."), "{page}");
    }

    #[test]
    fn a_certificate_in_trouble_is_named_with_its_reason() {
        let Query(query) = Query::<table::Query>::try_from_uri(&"/security".parse().unwrap()).unwrap();
        let mut page = SecurityPage::new(samples::frame("/security", &[]), &[], query.wanted());
        assert!(!page.render().unwrap().contains("certificate"));
        page.certificates = vec![("web-1".to_owned(), "the CA <limits> it".to_owned())];
        let html = page.render().unwrap();
        assert!(html.contains("/servers/web-1") && html.contains("the CA &#60;limits&#62; it"), "{html}");
    }

    #[test]
    fn a_server_of_which_nothing_is_known_does_not_look_safe() {
        let mut server = samples::server("new-1");
        (server.facts, server.risk) = (None, None);
        let page = html(&[server], "");
        assert!(page.contains("not judged yet"), "{page}");
    }

    #[test]
    fn this_machine_has_no_buttons_but_a_reason() {
        let mut server = samples::server("here");
        server.origin = crate::hosts::Origin::ThisMachine;
        let page = html(&[server], "");
        assert!(!page.contains("formaction=\"/servers/here/patch\""), "{page}");
        assert!(page.contains("watched read-only"), "{page}");
    }

    #[test]
    fn a_fleet_is_a_row_each() {
        let mut servers = samples::fleet();
        for n in 1..=9 {
            let mut server = samples::server(&format!("store-{n:02}"));
            server.last_fault = (n == 4).then(|| "connection refused".to_owned());
            server.in_maintenance = n == 6;
            servers.push(server);
        }
        let mut here = samples::server("control");
        here.origin = crate::hosts::Origin::ThisMachine;
        servers.push(here);
        let page = html(&servers, "");
        samples::keep("security", &page);
        samples::keep("security-none", &html(&[], ""));
        assert_eq!(page.matches("data-server").count(), 14);
        assert!(page.contains("not answering") && page.contains("in maintenance"));
    }

    #[test]
    fn ten_thousand_servers_make_a_page_of_fifty() {
        let servers: Vec<Server> = (0..10_000).map(|n| samples::server(&format!("web-{n:05}"))).collect();
        let page = html(&servers, "page=200&sort=name");
        assert_eq!(page.matches("data-server").count(), 50);
        assert!(page.contains("web-09999") && page.contains("9951–10000 of 10,000"));
        assert!(
            page.contains("/security?sort=name&amp;page=199")
                || page.contains("/security?sort=name&#38;page=199")
        );
    }

    #[test]
    fn nothing_found_says_how_to_go_on() {
        assert!(html(&samples::fleet(), "q=no-such").contains("No server matches"));
        assert!(html(&[], "").contains("holdfast server provision"));
    }
}
