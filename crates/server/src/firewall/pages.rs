//! The Settings page: from where the control plane calls, and how each firewall stands.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use base::Problem;
use serde::Deserialize;

use super::{ControlPlaneAddresses, FirewallView, Proof, State as Stands};
use crate::{
    app::App,
    pages::{Badge, Confirmed, Frame, Link, Nothing, PageProblem, Paging, ProblemBox, When, rendered},
};

struct Row {
    name: String,
    state: Badge,
    detail: Option<String>,
    tried: Option<When>,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    typed: String,
    wrong: Option<ProblemBox>,
    proof: Proof,
    former: String,
    changed: Option<(When, String)>,
    counts: Vec<(Badge, usize)>,
    paging: Paging,
    rows: Vec<Row>,
}

/// Which part of the list.
#[derive(Debug, Default, Deserialize)]
pub struct Listed {
    #[serde(default)]
    page: String,
}

pub(crate) async fn show(
    State(app): State<App>,
    frame: Frame,
    Query(listed): Query<Listed>,
) -> Result<Response, PageProblem> {
    let (addresses, servers) = (app.firewalls.addresses().await?, app.firewalls.all().await?);
    Ok(rendered(&SettingsPage::new(frame, &addresses, &servers, &listed)))
}

/// Addresses as they are typed, a line each.
#[derive(Debug, Deserialize)]
pub struct Typed {
    #[serde(default)]
    addresses: String,
}

pub(crate) async fn set_addresses(
    State(app): State<App>,
    frame: Frame,
    form: Confirmed<Typed>,
) -> Result<Response, PageProblem> {
    let Confirmed { who, fields, .. } = form;
    let words = fields.addresses.split(|c: char| c.is_whitespace() || c == ',').map(str::to_owned);
    match app.firewalls.set_addresses(&who.actor(), &words.collect::<Vec<_>>()).await {
        Ok(_) => Ok(Redirect::to("/settings").into_response()),
        Err(problem) if problem.code.0 == "firewall.addresses" => {
            let (addresses, servers) = (app.firewalls.addresses().await?, app.firewalls.all().await?);
            let page = SettingsPage::new(frame, &addresses, &servers, &Listed::default());
            let page = page.again(fields.addresses, problem);
            Ok((StatusCode::UNPROCESSABLE_ENTITY, rendered(&page)).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

pub(crate) async fn sync(
    State(app): State<App>,
    Path(name): Path<String>,
    form: Confirmed<Nothing>,
) -> Result<Response, PageProblem> {
    app.firewalls.ask(&form.who.actor(), &name).await?;
    Ok(Redirect::to("/settings#firewalls").into_response())
}

/// How a firewall stands, in a word or two.
pub fn badge(view: &FirewallView) -> Badge {
    match view.standing.state {
        Stands::InLine if view.is_current => Badge::green("in line"),
        Stands::InLine | Stands::Waiting => Badge::accent("waiting"),
        Stands::Unreachable => Badge::amber("not answering"),
        Stands::Busy => Badge::accent("busy"),
        Stands::ShutOut => Badge::red("put back"),
        Stands::Failed => Badge::red("failed"),
    }
}

fn lines(addresses: &[std::net::IpAddr]) -> String {
    addresses.iter().map(|address| address.to_string()).collect::<Vec<_>>().join("\n")
}

impl SettingsPage {
    fn new(
        frame: Frame,
        addresses: &ControlPlaneAddresses,
        servers: &[FirewallView],
        listed: &Listed,
    ) -> Self {
        let mut counts: Vec<(Badge, usize)> = Vec::new();
        for view in servers {
            let badge = badge(view);
            match counts.iter_mut().find(|(known, _)| *known == badge) {
                Some((_, count)) => *count += 1,
                None => counts.push((badge, 1)),
            }
        }
        // What needs somebody comes first.
        let mut sorted: Vec<&FirewallView> = servers.iter().collect();
        sorted.sort_by_key(|view| match (view.standing.state, view.is_current) {
            (Stands::ShutOut | Stands::Failed, _) => 0,
            (Stands::InLine, true) => 2,
            _ => 1,
        });
        let paging = Paging::new(listed.page.parse().unwrap_or(1), sorted.len(), |page| {
            Link::to("/settings").with("page", &page.to_string()).address()
        });
        let row = |view: &&FirewallView| Row {
            name: view.name.clone(),
            state: badge(view),
            detail: view.standing.detail.clone(),
            tried: view.standing.tried_at.map(|at| frame.when(at)),
        };
        let by = |actor: &String| actor.strip_prefix("operator:").unwrap_or(actor).to_owned();
        Self {
            typed: lines(&addresses.addresses),
            wrong: None,
            proof: addresses.proof.clone(),
            former: lines(&addresses.former),
            changed: addresses.changed_at.map(|at| frame.when(at)).zip(addresses.changed_by.as_ref().map(by)),
            counts,
            rows: paging.of(&sorted).iter().map(row).collect(),
            paging,
            frame,
        }
    }

    fn again(self, typed: String, problem: Problem) -> Self {
        Self { typed: typed.chars().take(4096).collect(), wrong: Some(ProblemBox { problem }), ..self }
    }
}

#[cfg(test)]
mod tests {
    use base::{ServerId, Sha256};

    use super::*;
    use crate::{firewall::Standing, pages::samples};

    fn views() -> Vec<FirewallView> {
        let rules = Sha256::of(b"rules");
        let view = |(name, state, detail): (&str, Stands, Option<&str>)| {
            let mut standing = Standing::untried(ServerId::new());
            standing.note(rules, state, detail.map(str::to_owned), samples::now());
            FirewallView { name: name.to_owned(), standing, is_current: state == Stands::InLine }
        };
        [
            ("web-1", Stands::InLine, None),
            ("web-2", Stands::Unreachable, Some("the agent does not answer")),
            ("web-3", Stands::ShutOut, Some("<script>alert(1)</script>")),
        ]
        .map(view)
        .into()
    }

    fn html(addresses: &ControlPlaneAddresses, servers: &[FirewallView]) -> String {
        let frame = samples::frame("/settings", &[]);
        SettingsPage::new(frame, addresses, servers, &Listed::default()).render().unwrap()
    }

    #[test]
    fn what_needs_somebody_comes_first_and_each_has_a_button() {
        let mut addresses = ControlPlaneAddresses::found(&["203.0.113.4".parse().unwrap()]);
        let page = html(&addresses, &views());
        samples::keep("settings", &page);
        assert!(page.find("web-3").unwrap() < page.find("web-2").unwrap());
        assert!(page.find("web-2").unwrap() < page.find("web-1").unwrap());
        assert_eq!(page.matches("formaction=\"/servers/").count(), 3);
        assert!(!page.contains("<script>alert") && page.contains(">203.0.113.4</textarea>"), "{page}");
        addresses.proof = Proof::ShutOut { server: "web-3".into() };
        addresses.former = vec!["203.0.113.9".parse().unwrap()];
        let page = html(&addresses, &views());
        samples::keep("settings-shut-out", &page);
        assert!(
            page.contains("No other host was touched") && page.contains("value=\"203.0.113.9\""),
            "{page}"
        );
    }

    #[test]
    fn bad_addresses_stand_in_the_form_again() {
        let addresses = ControlPlaneAddresses::found(&["203.0.113.4".parse().unwrap()]);
        let frame = samples::frame("/settings", &[]);
        let problem = super::super::addresses::check(&["any".to_owned()]).unwrap_err();
        let page = SettingsPage::new(frame, &addresses, &[], &Listed::default());
        let page = page.again("any".to_owned(), problem).render().unwrap();
        assert!(page.contains(">any</textarea>") && page.contains("is not an IP address"), "{page}");
        assert!(page.contains("No server yet"), "{page}");
    }
}
