//! Pages about runs: starting them from a server, the list, and one run as it goes.

mod plan;
mod run;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use base::{Problem, RunId};
use runs::{Program, SignalKind, Status};
use serde::Deserialize;
use wire::UpgradeScope;

pub use run::RunRow;

use crate::{
    app::App,
    pages::{Confirmed, Frame, Nothing, PageProblem, rendered},
    patching::{Patch, PatchPlan},
};
use plan::PlanView;
use run::RunPage;

/// Runs that the list shows.
const LISTED: u64 = 200;

fn to_run(run: RunId) -> Response {
    Redirect::to(&format!("/runs/{run}")).into_response()
}

fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(64).collect();
        Problem::new("run.unknown", format!("there is no run `{text}`"))
            .next("the page Runs lists the known ones")
    })
}

/// A plan that was read and approved; none while it is still to be made.
#[derive(Debug, Deserialize)]
pub struct Approved {
    #[serde(default)]
    plan: String,
}

#[derive(Template)]
#[template(path = "patch.html")]
struct PatchPage {
    frame: Frame,
    name: String,
    plan: PlanView,
    /// The same plan, for the form that approves it.
    approved: String,
}

/// Shows the plan first, and starts the one that was shown.
pub(crate) async fn patch(
    State(app): State<App>,
    frame: Frame,
    Path(name): Path<String>,
    form: Confirmed<Approved>,
) -> Result<Response, PageProblem> {
    let server = app.servers.named(&name).await?;
    if form.fields.plan.is_empty() {
        let plan = app.patching.plan(&server, UpgradeScope::Security).await?;
        return Ok(rendered(&PatchPage::new(frame, &plan)));
    }
    let unreadable = || {
        Problem::new("patch.plan_unreadable", format!("could not patch `{name}`"))
            .found("the plan that came with the form is not one for this server")
            .state("Nothing was changed")
            .next("press `Patch now` again: a new plan is made")
    };
    let plan: PatchPlan = serde_json::from_str(&form.fields.plan).map_err(|_| unreadable())?;
    if plan.server != server.id {
        return Err(unreadable().into());
    }
    Ok(to_run(app.patching.patch(&form.who.actor(), &plan).await?))
}

impl PatchPage {
    fn new(frame: Frame, plan: &PatchPlan) -> Self {
        // A plan is made of strings and numbers, so writing it cannot fail.
        let approved = serde_json::to_value(plan).unwrap_or_default();
        let view = PlanView::of(Patch::KIND, &approved);
        Self { frame, name: plan.name.to_string(), plan: view, approved: approved.to_string() }
    }
}

pub(crate) async fn reboot(
    State(app): State<App>,
    Path(name): Path<String>,
    form: Confirmed<Nothing>,
) -> Result<Response, PageProblem> {
    let server = app.servers.named(&name).await?;
    Ok(to_run(app.patching.reboot(&form.who.actor(), &server).await?))
}

/// Which run is to be undone. The page names it, so that a run that has started since
/// is never undone by mistake.
#[derive(Debug, Deserialize)]
pub struct Undone {
    run: String,
}

pub(crate) async fn roll_back(
    State(app): State<App>,
    Path(name): Path<String>,
    form: Confirmed<Undone>,
) -> Result<Response, PageProblem> {
    let server = app.servers.named(&name).await?;
    let run = run_id(&form.fields.run)?;
    if app.patching.view(run).await?.record.subject != server.id.to_string() {
        let problem = Problem::new("rollback.impossible", format!("could not undo run `{run}`"))
            .found(format!("it was not about `{name}`"))
            .state("Nothing was changed");
        return Err(problem.into());
    }
    Ok(to_run(app.patching.roll_back(&form.who.actor(), run).await?))
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    frame: Frame,
    rows: Vec<RunRow>,
    capped: bool,
}

pub(crate) async fn list(State(app): State<App>, frame: Frame) -> Result<Response, PageProblem> {
    let runs = app.patching.newest(None, LISTED).await?;
    let rows: Vec<_> = runs.iter().map(|run| RunRow::of(run, &frame)).collect();
    Ok(rendered(&RunsPage { frame, capped: rows.len() as u64 == LISTED, rows }))
}

/// From which journal line on.
#[derive(Debug, Default, Deserialize)]
pub struct After {
    #[serde(default)]
    after: String,
}

pub(crate) async fn show(
    State(app): State<App>,
    frame: Frame,
    Path(run): Path<String>,
    Query(from): Query<After>,
) -> Result<Response, PageProblem> {
    let run = run_id(&run)?;
    let view = app.patching.view(run).await?;
    let journal = app.patching.journal(run, from.after.parse().unwrap_or(0)).await?;
    Ok(rendered(&RunPage::new(frame, &view, &journal)))
}

/// What is asked of a run.
#[derive(Debug, Deserialize)]
pub struct Signalled {
    kind: String,
}

pub(crate) async fn signal(
    State(app): State<App>,
    Path(run): Path<String>,
    form: Confirmed<Signalled>,
) -> Result<Response, PageProblem> {
    let run = run_id(&run)?;
    let kind = SignalKind::from_name(&form.fields.kind).ok_or_else(|| {
        Problem::new("request.malformed", "could not signal the run").state("Nothing was changed")
    })?;
    app.patching.signal(&form.who.actor(), run, kind).await?;
    Ok(to_run(run))
}

/// Whether a run still goes on.
fn is_open(status: Status) -> bool {
    status != Status::Finished
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn a_plan_is_shown_before_it_is_started() {
        let record = samples::run("patch", Status::Active, None).record;
        let plan: PatchPlan = serde_json::from_value(record.plan).unwrap();
        let page = PatchPage::new(samples::frame("/servers", &[]), &plan).render().unwrap();
        samples::keep("patch", &page);
        for change in &plan.upgrade.changes {
            assert!(page.contains(&change.to.to_string()), "{page}");
        }
        assert!(page.contains("Start with exactly this plan") && page.contains("Ways back"), "{page}");
        let mut nothing = plan;
        nothing.upgrade.changes.clear();
        let page = PatchPage::new(samples::frame("/servers", &[]), &nothing).render().unwrap();
        assert!(page.contains("No security update is pending") && !page.contains("Start with"), "{page}");
    }

    #[test]
    fn without_runs_the_list_says_what_to_do() {
        let frame = samples::frame("/runs", &[]);
        let html = RunsPage { frame, rows: Vec::new(), capped: false }.render().unwrap();
        assert!(html.contains("No run yet"), "{html}");
    }

    #[test]
    fn the_list_tells_how_each_run_stands() {
        use runs::Outcome;
        let frame = samples::frame("/runs", &[samples::feed(Some(samples::now()), false)]);
        let states = [
            (Status::Active, None),
            (Status::NeedsOperator, None),
            (Status::Finished, Some(Outcome::Done)),
            (Status::Finished, Some(Outcome::RolledBack)),
        ];
        let runs = states.map(|(status, outcome)| samples::run("patch", status, outcome));
        let rows = runs.iter().map(|run| RunRow::of(run, &frame)).collect();
        let html = RunsPage { frame, rows, capped: false }.render().unwrap();
        samples::keep("runs", &html);
        for word in ["running", "needs an operator", "done", "rolled back", "2 min 11 s"] {
            assert!(html.contains(word), "{word}");
        }
    }

    #[test]
    fn what_is_no_run_is_not_found() {
        let problem = run_id("<script>").unwrap_err();
        assert_eq!(problem.code.0, "run.unknown");
    }
}
