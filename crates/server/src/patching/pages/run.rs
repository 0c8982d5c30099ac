//! One run: in a list, and on its own page.

use askama::Template;
use runs::{Event, Outcome, Phase, RunRecord, SignalKind, Status};

use super::{is_open, plan::PlanView};
use crate::{
    pages::{Badge, Frame, ProblemBox, When, span},
    patching::{NumberedLine, RunView},
};

/// Lines of a journal that come at once; see [`crate::patching::Patching::journal`].
const JOURNAL: usize = 2000;

/// A run in a list.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: String,
    /// The server it is about.
    pub server: String,
    /// How it stands.
    pub state: Badge,
    /// What was last said of it: where it is, how it ended or what went wrong.
    pub said: String,
    /// Who asked for it.
    pub actor: String,
    /// When it was asked for.
    pub started: When,
    /// For how long it went or goes on.
    pub took: String,
}

impl RunRow {
    /// The row of this run.
    pub fn of(run: &RunView, frame: &Frame) -> Self {
        let record = &run.record;
        let step = run.steps.iter().find(|step| step.name == record.step);
        let problem = record.problem.as_ref().map(|problem| problem.what.clone());
        let at = step.filter(|_| is_open(record.status)).map(|step| step.title.to_owned());
        Self {
            id: record.id.to_string(),
            kind: kind_title(&record.kind),
            server: run.server.clone(),
            state: state_of(record),
            said: at.or(problem).or_else(|| record.summary.clone()).unwrap_or_default(),
            actor: record.actor.clone(),
            started: frame.when(record.created_at),
            took: took(record, frame),
        }
    }
}

fn took(record: &RunRecord, frame: &Frame) -> String {
    let until = record.ended_at.unwrap_or(frame.now);
    span(until.as_second() - record.created_at.as_second())
}

/// A program's name as a heading.
fn kind_title(kind: &str) -> String {
    let words = kind.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// How a run stands, in a word.
fn state_of(record: &RunRecord) -> Badge {
    match (record.status, record.outcome, record.phase) {
        (Status::NeedsOperator, ..) => Badge::red("needs an operator"),
        (Status::Paused, ..) => Badge::amber("paused"),
        (Status::Active, _, Phase::Forward) => Badge::accent("running"),
        (Status::Active, _, Phase::Undoing) => Badge::amber("rolling back"),
        (Status::Active, _, Phase::Verifying) => Badge::amber("verifying the rollback"),
        (Status::Finished, Some(Outcome::Done), _) => Badge::green("done"),
        (Status::Finished, Some(Outcome::RolledBack), _) => Badge::amber("rolled back"),
        (Status::Finished, Some(Outcome::Cancelled), _) => Badge::quiet("cancelled"),
        (Status::Finished, Some(Outcome::Failed) | None, _) => Badge::red("failed"),
    }
}

/// One step.
pub struct StepRow {
    pub name: &'static str,
    pub title: &'static str,
    /// A class of the style and the script.
    pub state: &'static str,
    /// The same for people.
    pub word: &'static str,
}

/// One line of the journal.
pub struct LineRow {
    pub at: When,
    pub step: String,
    /// A class of the style: how much the line calls for a look.
    pub weight: &'static str,
    pub event: String,
    pub detail: String,
}

/// Something that can be asked of the run.
pub struct Ask {
    pub kind: String,
    pub title: &'static str,
    /// What a browser asks back before it is sent; empty when nothing is lost by it.
    pub sure: &'static str,
    pub main: bool,
}

#[derive(Template)]
#[template(path = "run.html")]
pub struct RunPage {
    frame: Frame,
    row: RunRow,
    open: bool,
    /// A word for the whole state: when it changes, the page is made anew.
    form: String,
    ended: Option<When>,
    summary: Option<String>,
    problem: Option<ProblemBox>,
    steps: Vec<StepRow>,
    asks: Vec<Ask>,
    plan: PlanView,
    has_receipt: bool,
    journal: Vec<LineRow>,
    last: i64,
    more: bool,
}

impl RunPage {
    pub fn new(frame: Frame, run: &RunView, journal: &[NumberedLine]) -> Self {
        let record = &run.record;
        let title = |name: &str| {
            run.steps.iter().find(|step| step.name == name).map_or(name, |step| step.title).to_owned()
        };
        let steps = run.steps.iter().map(|step| StepRow {
            name: step.name,
            title: step.title,
            state: step.state,
            word: word_of(step.state, record),
        });
        Self {
            row: RunRow::of(run, &frame),
            open: is_open(record.status),
            form: format!("{} {}", record.status.name(), record.phase.name()),
            ended: record.ended_at.map(|at| frame.when(at)),
            summary: record.summary.clone(),
            problem: record.problem.clone().map(|problem| ProblemBox { problem }),
            steps: steps.collect(),
            asks: asks(record),
            plan: PlanView::of(&record.kind, &record.plan),
            has_receipt: run.has_receipt,
            journal: journal.iter().map(|line| LineRow::of(line, title(&line.line.step))).collect(),
            last: journal.last().map_or(0, |line| line.number),
            more: journal.len() >= JOURNAL,
            frame,
        }
    }
}

fn word_of(state: &str, record: &RunRecord) -> &'static str {
    match (state, record.status) {
        ("done", _) => "done",
        ("current", Status::Active) => "at work",
        ("current", Status::Paused) => "paused",
        ("current", Status::NeedsOperator) => "needs you",
        ("current", Status::Finished) | ("failed", _) => "stopped here",
        _ => "to do",
    }
}

impl LineRow {
    fn of(line: &NumberedLine, step: String) -> Self {
        let line = &line.line;
        Self {
            at: When::time_of_day(line.at),
            step,
            weight: weight(line.event),
            event: line.event.name().replace('_', " "),
            detail: line.detail.clone(),
        }
    }
}

fn weight(event: Event) -> &'static str {
    match event {
        Event::RollbackStarted
        | Event::UndoStarted
        | Event::UndoFinished
        | Event::UndoStuck
        | Event::DeadlineMissed
        | Event::AskedOperator => "warn",
        Event::Log => "log",
        _ => "plain",
    }
}

/// What makes sense to ask of a run as it stands.
fn asks(record: &RunRecord) -> Vec<Ask> {
    const UNDO: &str = "Stop this run and undo what it did?";
    let ask = |kind: SignalKind, title, sure, main| Ask { kind: kind.name(), title, sure, main };
    let pause = || ask(SignalKind::Pause, "Pause after this step", "", false);
    let resume = |title| ask(SignalKind::Resume, title, "", true);
    let cancel = || ask(SignalKind::Cancel, "Cancel and undo", UNDO, false);
    let roll_back = || ask(SignalKind::RollBack, "Roll back", UNDO, false);
    match (record.status, record.phase) {
        (Status::Finished, _) => Vec::new(),
        (Status::Active, Phase::Forward) => vec![pause(), cancel()],
        // A rollback that stops half-way leaves the host in neither state.
        (Status::Active, Phase::Undoing | Phase::Verifying) => Vec::new(),
        (Status::Paused, Phase::Forward) => vec![resume("Resume"), cancel()],
        (Status::NeedsOperator, Phase::Forward) => vec![resume("Try again"), roll_back()],
        (Status::Paused, _) => vec![resume("Resume")],
        (Status::NeedsOperator, _) => vec![resume("Try the rollback again")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn html(status: Status, outcome: Option<Outcome>) -> String {
        let run = samples::run("patch", status, outcome);
        RunPage::new(samples::frame("/runs/x", &[]), &run, &samples::journal()).render().unwrap()
    }

    fn kinds(status: Status, phase: Phase) -> Vec<String> {
        let mut record = samples::run("patch", status, None).record;
        record.phase = phase;
        asks(&record).into_iter().map(|ask| ask.kind).collect()
    }

    #[test]
    fn only_what_makes_sense_can_be_asked() {
        assert_eq!(kinds(Status::Active, Phase::Forward), ["pause", "cancel"]);
        assert_eq!(kinds(Status::Paused, Phase::Forward), ["resume", "cancel"]);
        assert_eq!(kinds(Status::NeedsOperator, Phase::Forward), ["resume", "roll_back"]);
        assert_eq!(kinds(Status::NeedsOperator, Phase::Undoing), ["resume"]);
        assert!(kinds(Status::Active, Phase::Undoing).is_empty());
        assert!(kinds(Status::Finished, Phase::Forward).is_empty());
    }

    #[test]
    fn an_open_run_is_live_and_reloads_without_script() {
        let open = html(Status::Active, None);
        assert!(open.contains("data-events=\"/api/runs/run_") && open.contains("?after=6\""), "{open}");
        assert!(open.contains("<noscript><meta http-equiv=\"refresh\""));
        let ended = html(Status::Finished, Some(Outcome::Done));
        samples::keep("run-open", &open);
        samples::keep("run-done", &ended);
        samples::keep("run-back", &html(Status::Finished, Some(Outcome::RolledBack)));
        samples::keep("run-asks", &html(Status::NeedsOperator, None));
        assert!(!ended.contains("data-events") && !ended.contains("http-equiv"), "{ended}");
        assert!(ended.contains("/receipt\""));
    }

    #[test]
    fn the_plan_is_shown_with_its_ways_back() {
        let page = html(Status::Active, None);
        for part in
            ["3.0.11-1~deb12u2", "3.0.15-1~deb12u1", "the disk snapshot, last", "the exact former packages"]
        {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn a_hosts_log_is_escaped() {
        let page = html(Status::Active, None);
        assert!(!page.contains("<script>alert"), "{page}");
        assert!(page.contains("alert(1)"));
    }

    #[test]
    fn an_end_is_told_in_a_word() {
        for (outcome, word) in [
            (Outcome::Done, "done"),
            (Outcome::RolledBack, "rolled back"),
            (Outcome::Failed, "failed"),
            (Outcome::Cancelled, "cancelled"),
        ] {
            let record = samples::run("patch", Status::Finished, Some(outcome)).record;
            assert_eq!(state_of(&record).word, word);
        }
        assert_eq!(kind_title("restore_drill"), "Restore drill");
    }
}
