//! How a problem looks as a page: its four parts, and ways on.

use askama::Template;
use axum::{
    http::Uri,
    response::{Html, IntoResponse, Response},
};
use base::Problem;

use super::{Nav, ProblemBox, Section};
use crate::http::status_of;

/// A problem as a page, with the status that fits its code.
#[derive(Debug)]
pub struct PageProblem(pub Problem);

impl From<Problem> for PageProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    nav: Nav,
    problem: ProblemBox,
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        let status = status_of(&self.0);
        let text = self.0.to_string();
        let page = ProblemPage { nav: Nav { current: None }, problem: ProblemBox { problem: self.0 } };
        match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            // Better the plain words than none.
            Err(_) => (status, text).into_response(),
        }
    }
}

/// For an address that leads nowhere.
pub(super) async fn not_found(uri: Uri) -> PageProblem {
    let path: String = uri.path().chars().take(120).collect();
    let problem = Problem::new("page.unknown", format!("there is no page `{path}`"));
    let near = Section::of(uri.path()).is_some_and(|section| section != Section::Overview);
    PageProblem(problem.next(if near {
        "what it showed may be gone; start again from the list"
    } else {
        "start again from the overview"
    }))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn a_problem_page_has_all_four_parts_and_its_code() {
        let problem = Problem::new("run.busy", "could not start a run on `web-1`")
            .found("run `x` is still open on it")
            .state("Nothing was changed")
            .next("follow it, or cancel it");
        let response = PageProblem(problem).into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        crate::pages::samples::keep("problem", &html);
        for part in ["web-1", "still open", "Nothing was changed", "follow it", "run.busy"] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[tokio::test]
    async fn an_unknown_address_is_answered_with_404_and_escaped() {
        let response = not_found("/servers/x/%3Cscript%3E".parse().unwrap()).await.into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
}
