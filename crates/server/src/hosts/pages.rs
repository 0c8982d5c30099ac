//! Pages about servers: the list, and all that is known of one.

mod facts;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use base::Problem;
use baseline::{Deviation, Severity};
use runs::{Outcome, Status};
use serde::Deserialize;
use wire::{Inventory, PendingUpdate};

use super::{Drift, Server, ServerState};
use crate::{
    app::App,
    exposure::pages::{AcceptForm, FindingsView, findings_view, notes},
    pages::{Badge, Confirmed, Frame, Link, Nothing, PageProblem, Paging, ProblemBox, When, rendered},
    patching::{RunView, pages::RunRow},
};
use facts::Fact;

/// Pending updates that the page of a server lists.
const UPDATES: usize = 200;
/// Runs that the page of a server lists.
const RUNS: u64 = 10;
/// Changes outside of runs that the page of a server lists.
const OUTSIDE: u64 = 10;

/// Which part of the list.
#[derive(Debug, Default, Deserialize)]
pub struct Listed {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: String,
}

struct Row {
    name: String,
    notes: Vec<Badge>,
    os: String,
    provider: String,
    region: String,
    addresses: Vec<String>,
    packages: Option<usize>,
    seen: Option<When>,
}

#[derive(Template)]
#[template(path = "servers.html")]
struct ServersPage {
    frame: Frame,
    text: String,
    paging: Paging,
    rows: Vec<Row>,
    any: bool,
}

pub(crate) async fn list(
    State(app): State<App>,
    frame: Frame,
    Query(listed): Query<Listed>,
) -> Result<Response, PageProblem> {
    let servers = app.servers.all().await?;
    Ok(rendered(&ServersPage::new(frame, &servers, &listed)))
}

impl ServersPage {
    fn new(frame: Frame, servers: &[Server], listed: &Listed) -> Self {
        let text = listed.q.trim().to_lowercase();
        // What was destroyed is still found by those who look for it.
        let wanted = |server: &&Server| match text.as_str() {
            "" => server.state != ServerState::Destroyed,
            text => server.name.as_str().contains(text),
        };
        let found: Vec<&Server> = servers.iter().filter(wanted).collect();
        let link =
            |page: usize| Link::to("/servers").with("q", &text).with("page", &page.to_string()).address();
        let paging = Paging::new(listed.page.parse().unwrap_or(1), found.len(), link);
        let rows = paging.of(&found).iter().map(|server| Row::of(server, &frame)).collect();
        Self { frame, any: !servers.is_empty(), text, paging, rows }
    }
}

impl Row {
    fn of(server: &Server, frame: &Frame) -> Self {
        let os = server.facts.as_ref().map(|facts| facts.os.clone());
        Self {
            name: server.name.to_string(),
            notes: notes(server),
            os: os.or_else(|| server.release.map(|release| release.to_string())).unwrap_or_default(),
            provider: facts::provider(server),
            region: server.region.clone(),
            addresses: facts::addresses(server),
            packages: server.facts.as_ref().map(|facts| facts.packages),
            seen: server.last_seen_at.map(|at| frame.when(at)),
        }
    }
}

#[derive(Template)]
#[template(path = "server.html")]
struct ServerPage {
    frame: Frame,
    name: String,
    notes: Vec<Badge>,
    fault: Option<String>,
    blocked: Option<&'static str>,
    open_run: Option<String>,
    has_firewall: bool,
    drift: Option<DriftView>,
    outside: Vec<(When, String)>,
    undo: Option<RunRow>,
    facts: Vec<Fact>,
    findings: Result<FindingsView, ProblemBox>,
    accept: AcceptForm,
    updates: Vec<PendingUpdate>,
    updates_in_all: usize,
    security_updates: usize,
    lists_known: bool,
    runs: Vec<RunRow>,
}

pub(crate) async fn show(
    State(app): State<App>,
    frame: Frame,
    Path(name): Path<String>,
) -> Result<Response, PageProblem> {
    let server = app.servers.named(&name).await?;
    let inventory = app.inventories.newest(server.id).await?;
    let findings = app.findings_of(&name).await.map(|found| findings_view(&found, &frame));
    let runs = app.patching.newest(Some(&server), RUNS).await?;
    let firewall = app.firewalls.of(&server).await?;
    let mut page = ServerPage::new(frame, &server, inventory, findings, &runs);
    if let Some(certificate) = app.certificates.find(&server).await? {
        page.facts.push(facts::certificate(&certificate, &page.frame));
    }
    if let Some(firewall) = &firewall {
        page.facts.push(facts::firewall(firewall));
        page.has_firewall = true;
        page.drift = Some(DriftView::of(app.drifts.of(&server).await?, &page.frame));
    }
    let outside = app.outside.of(&server, OUTSIDE).await?;
    page.outside =
        outside.iter().map(|change| (page.frame.when(change.noticed_at), change.in_words())).collect();
    Ok(rendered(&page))
}

impl ServerPage {
    fn new(
        frame: Frame,
        server: &Server,
        inventory: Option<Inventory>,
        findings: Result<FindingsView, Problem>,
        runs: &[RunView],
    ) -> Self {
        let row = |run: &RunView| RunRow::of(run, &frame);
        let open = runs.iter().find(|run| run.record.status != Status::Finished);
        let undo = runs.first().filter(|run| {
            run.record.kind == "patch" && run.record.outcome == Some(Outcome::Done) && server.is_managed()
        });
        let mut updates = inventory.as_ref().map(|seen| seen.pending.clone()).unwrap_or_default();
        updates.sort_by_key(|update| (!update.security, update.name.to_string()));
        let security_updates = updates.iter().filter(|update| update.security).count();
        Self {
            name: server.name.to_string(),
            notes: notes(server),
            fault: server.last_fault.clone(),
            blocked: server.unmanaged_because(),
            has_firewall: false,
            drift: None,
            outside: Vec::new(),
            open_run: open.map(|run| run.record.id.to_string()),
            undo: undo.map(row),
            facts: facts::of(server, inventory.as_ref(), &frame),
            accept: AcceptForm::of(&frame, "", server.name.as_str()),
            findings: findings.map_err(|problem| ProblemBox { problem }),
            updates_in_all: updates.len(),
            security_updates,
            updates: updates.into_iter().take(UPDATES).collect(),
            lists_known: inventory.as_ref().is_some_and(|seen| seen.lists_updated_at.is_some()),
            runs: runs.iter().map(row).collect(),
            frame,
        }
    }

    /// Whether no run can be started now.
    fn is_still(&self) -> bool {
        self.blocked.is_some() || self.open_run.is_some()
    }

    /// Updates beyond those listed.
    fn more_updates(&self) -> usize {
        self.updates_in_all - self.updates.len()
    }
}

/// What differs on a server, as its page shows it.
struct DriftView {
    looked: Option<When>,
    deviations: Vec<Deviation>,
}

impl DriftView {
    fn of(drift: Option<Drift>, frame: &Frame) -> Self {
        let looked = drift.as_ref().map(|drift| frame.when(drift.looked_at));
        Self { looked, deviations: drift.map(|drift| drift.deviations).unwrap_or_default() }
    }
}

pub(crate) async fn look(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Confirmed<Nothing>,
) -> Result<Response, PageProblem> {
    app.drifts.look(&app.servers.named(&name).await?).await?;
    Ok(Redirect::to(&format!("/servers/{name}#drift")).into_response())
}

pub(crate) async fn repair(
    State(app): State<App>,
    Path(name): Path<String>,
    form: Confirmed<Nothing>,
) -> Result<Response, PageProblem> {
    app.drifts.repair(&form.who.actor(), &app.servers.named(&name).await?).await?;
    Ok(Redirect::to(&format!("/servers/{name}#drift")).into_response())
}

pub(crate) async fn refresh(
    State(app): State<App>,
    Path(name): Path<String>,
    _: Confirmed<Nothing>,
) -> Result<Response, PageProblem> {
    let server = app.servers.named(&name).await?;
    let agent = app.agents.of(&server).await?;
    app.inventories.collect(&server, &*agent).await?;
    Ok(Redirect::to(&format!("/servers/{name}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exposure::pages::findings_view, hosts::Origin, pages::samples};

    fn page(server: &Server, runs: &[RunView]) -> String {
        let frame = samples::frame("/servers/x", &[]);
        let findings = Ok(findings_view(&samples::accepted_findings(31), &frame));
        ServerPage::new(frame, server, Some(samples::inventory()), findings, runs).render().unwrap()
    }

    #[test]
    fn a_managed_server_can_be_patched_and_its_newest_patch_undone() {
        let server = samples::server("web-1");
        let html = page(&server, &[samples::run("patch", Status::Finished, Some(Outcome::Done))]);
        samples::keep("server", &html);
        for action in ["patch", "reboot", "refresh", "rollback"] {
            assert!(html.contains(&format!("formaction=\"/servers/web-1/{action}\"")), "{action}: {html}");
        }
        assert!(html.contains("form-token-of-ann"));
        assert!(!html.contains("disabled"));
    }

    #[test]
    fn this_machine_is_only_watched() {
        let mut server = samples::server("here");
        server.origin = Origin::ThisMachine;
        let html = page(&server, &[]);
        samples::keep("server-here", &html);
        assert!(html.contains("watched read-only") && html.contains("disabled"), "{html}");
        assert!(!html.contains("/servers/here/rollback"));
    }

    #[test]
    fn an_open_run_stands_in_the_way_of_another() {
        let html = page(&samples::server("web-1"), &[samples::run("patch", Status::Active, None)]);
        assert!(html.contains("disabled") && html.contains("A run is at work"), "{html}");
    }

    #[test]
    fn findings_are_grouped_and_capped() {
        let html = page(&samples::server("web-1"), &[]);
        assert!(html.contains("and 20 more"), "{html}");
        assert!(html.contains("/api/servers/web-1/findings"));
    }

    #[test]
    fn without_findings_the_page_says_why() {
        let problem =
            Problem::new("findings.none", "no findings of `web-1` yet").found("the feeds were not read yet");
        let frame = samples::frame("/servers/web-1", &[]);
        let html = ServerPage::new(frame, &samples::server("web-1"), None, Err(problem), &[]).render();
        assert!(html.unwrap().contains("the feeds were not read yet"));
    }

    #[test]
    fn the_list_hides_the_destroyed_until_they_are_looked_for() {
        let mut gone = samples::server("gone-1");
        gone.state = ServerState::Destroyed;
        let html = |q: &str| {
            let listed = Listed { q: q.to_owned(), page: String::new() };
            let frame = samples::frame("/servers", &[]);
            ServersPage::new(frame, &[gone.clone(), samples::server("web-1")], &listed).render().unwrap()
        };
        samples::keep("servers", &html(""));
        assert!(!html("").contains("gone-1") && html("").contains("web-1"));
        assert!(html("gone").contains("gone-1"));
        assert!(html("nothing").contains("No server matches"));
    }
}
