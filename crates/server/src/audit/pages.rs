//! The trail as a page, newest first.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;

use super::{AuditLine, Outcome};
use crate::{
    app::App,
    pages::{Badge, Frame, Link, PageProblem, When, rendered},
};

/// Entries on one page.
const ROWS: u64 = 100;

/// Which entries.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    target: String,
    #[serde(default)]
    before: String,
}

struct Row {
    number: i64,
    at: When,
    actor: String,
    action: String,
    target: String,
    only_target: String,
    outcome: Badge,
    run: Option<String>,
    detail: String,
    hash: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    target: String,
    older: Option<String>,
    newest: Option<String>,
    rows: Vec<Row>,
}

pub(crate) async fn list(
    State(app): State<App>,
    frame: Frame,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageProblem> {
    let target = Some(wanted.target.trim()).filter(|target| !target.is_empty());
    // One more than is shown tells whether there are older ones.
    let lines = app.audit.newest(target, wanted.before.parse().ok(), ROWS + 1).await?;
    Ok(rendered(&AuditPage::new(frame, &wanted, lines)))
}

impl AuditPage {
    fn new(frame: Frame, wanted: &Wanted, mut lines: Vec<AuditLine>) -> Self {
        let target = wanted.target.trim().to_owned();
        let link = || Link::to("/audit").with("target", &target);
        let any_older = lines.len() as u64 > ROWS;
        lines.truncate(ROWS as usize);
        let last = lines.last().filter(|_| any_older);
        Self {
            older: last.map(|line| link().with("before", &line.number.to_string()).address()),
            newest: (!wanted.before.is_empty()).then(|| link().address()),
            rows: lines.into_iter().map(Row::of).collect(),
            target,
            frame,
        }
    }
}

impl Row {
    fn of(line: AuditLine) -> Self {
        let entry = line.entry;
        Self {
            number: line.number,
            at: When::exactly(entry.at),
            actor: entry.actor.to_string(),
            action: entry.action,
            only_target: Link::to("/audit").with("target", &entry.target).address(),
            target: entry.target,
            outcome: match entry.outcome {
                Outcome::Begun => Badge::accent("begun"),
                Outcome::Done => Badge::green("done"),
                Outcome::Refused => Badge::amber("refused"),
                Outcome::Failed => Badge::red("failed"),
            },
            run: entry.run.map(|run| run.to_string()),
            detail: entry.detail,
            // Enough to compare with an export by eye.
            hash: line.hash.chars().take(12).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn page(lines: Vec<AuditLine>, wanted: &Wanted) -> AuditPage {
        AuditPage::new(samples::frame("/audit", &[]), wanted, lines)
    }

    #[test]
    fn a_full_page_leads_to_the_older_ones_of_the_same_target() {
        let wanted = Wanted { target: "web-1".to_owned(), before: String::new() };
        let full = page(samples::audit(101), &wanted);
        assert_eq!(full.rows.len(), 100);
        assert_eq!(full.older.as_deref(), Some("/audit?target=web-1&before=2"));
        assert_eq!(full.newest, None);
        assert_eq!(page(samples::audit(100), &wanted).older, None);
    }

    #[test]
    fn the_page_tells_how_to_verify_and_escapes() {
        let html = page(samples::audit(3), &Wanted::default()).render().unwrap();
        samples::keep("audit", &html);
        assert!(html.contains("holdfast audit verify"));
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(page(Vec::new(), &Wanted::default()).render().unwrap().contains("Nothing is on record"));
    }
}
