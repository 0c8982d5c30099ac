//! Pages about accepted risks: the list with what is over, the form, and its answers.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use base::HostName;
use serde::Deserialize;

use super::accept_form::{AcceptForm, Typed};
use crate::{
    app::App,
    exposure::{
        Acceptance, Scope, Standing,
        acceptance::{Refused, day},
        api::acceptance_id,
    },
    pages::{Badge, Confirmed, Frame, Link, PageProblem, Paging, When, rendered},
};

/// Which acceptances.
#[derive(Debug, Default, Deserialize)]
pub struct Listed {
    #[serde(default)]
    standing: String,
    #[serde(default)]
    page: String,
}

struct Row {
    id: String,
    cve: String,
    server: Option<String>,
    reason: String,
    owner: String,
    entered: When,
    entered_by: String,
    until: String,
    left: String,
    standing: Badge,
    ended: Option<String>,
    is_active: bool,
}

impl Row {
    fn of(acceptance: &Acceptance, frame: &Frame) -> Self {
        let by = |actor: &str| actor.strip_prefix("operator:").unwrap_or(actor).to_owned();
        let standing = match acceptance.standing {
            Standing::Active => Badge::accent("active"),
            Standing::Expired => Badge::amber("expired"),
            Standing::Revoked => Badge::quiet("revoked"),
        };
        Self {
            id: acceptance.id.to_string(),
            cve: acceptance.cve.clone(),
            server: match &acceptance.scope {
                Scope::Fleet => None,
                Scope::Server { name, .. } => Some(name.clone()),
            },
            reason: acceptance.reason.clone(),
            owner: acceptance.owner.clone(),
            entered: frame.when(acceptance.accepted_at),
            entered_by: by(&acceptance.accepted_by),
            until: day(acceptance.until),
            left: crate::pages::ago(frame.now, acceptance.until),
            standing,
            ended: acceptance.revoked_by.as_deref().map(|actor| format!("by {}", by(actor))),
            is_active: acceptance.standing == Standing::Active,
        }
    }
}

#[derive(Template)]
#[template(path = "acceptances.html")]
struct AcceptancesPage {
    frame: Frame,
    standing: Option<Standing>,
    filters: Vec<(&'static str, String, usize, bool)>,
    paging: Paging,
    rows: Vec<Row>,
    any: bool,
    accept: AcceptForm,
}

pub(crate) async fn list(
    State(app): State<App>,
    frame: Frame,
    Query(listed): Query<Listed>,
) -> Result<Response, PageProblem> {
    let all = app.exposure.acceptances().list(None).await?;
    Ok(rendered(&AcceptancesPage::new(frame, &all, &listed)))
}

impl AcceptancesPage {
    fn new(frame: Frame, all: &[Acceptance], listed: &Listed) -> Self {
        let standing = match listed.standing.as_str() {
            "all" => None,
            name => Some(Standing::from_name(name).unwrap_or(Standing::Active)),
        };
        let is_in = |wanted: Option<Standing>, acceptance: &&Acceptance| {
            wanted.is_none_or(|wanted| acceptance.standing == wanted)
        };
        let name = |wanted: Option<Standing>| wanted.map_or("all", Standing::name);
        let link =
            |wanted: Option<Standing>| Link::to("/security/acceptances").with("standing", name(wanted));
        let filters = [
            ("Active", Some(Standing::Active)),
            ("Expired", Some(Standing::Expired)),
            ("Revoked", Some(Standing::Revoked)),
            ("All", None),
        ];
        let filters = filters.map(|(title, wanted)| {
            let number = all.iter().filter(|acceptance| is_in(wanted, acceptance)).count();
            (title, link(wanted).address(), number, wanted == standing)
        });
        let shown: Vec<&Acceptance> = all.iter().filter(|acceptance| is_in(standing, acceptance)).collect();
        let paging = Paging::new(listed.page.parse().unwrap_or(1), shown.len(), |page| {
            link(standing).with("page", &page.to_string()).address()
        });
        Self {
            rows: paging.of(&shown).iter().map(|acceptance| Row::of(acceptance, &frame)).collect(),
            accept: AcceptForm::of(&frame, "", ""),
            any: !all.is_empty(),
            filters: filters.to_vec(),
            standing,
            paging,
            frame,
        }
    }
}

#[derive(Template)]
#[template(path = "accept.html")]
struct AcceptPage {
    frame: Frame,
    server: Option<String>,
    accept: AcceptForm,
}

/// What a link to the form has filled in.
#[derive(Debug, Default, Deserialize)]
pub struct Filled {
    #[serde(default)]
    cve: String,
    #[serde(default)]
    server: String,
}

pub(crate) async fn form(frame: Frame, Query(filled): Query<Filled>) -> Response {
    let accept = AcceptForm::of(&frame, &short(&filled.cve), &short(&filled.server));
    rendered(&AcceptPage { frame, server: on_server(&filled.server), accept })
}

pub(crate) async fn accept(
    State(app): State<App>,
    frame: Frame,
    form: Confirmed<Typed>,
) -> Result<Response, PageProblem> {
    let Confirmed { who, fields, .. } = form;
    match app.accept_risk(&who, &fields.order()).await {
        Ok(acceptance) => Ok(to_where_it_shows(match &acceptance.scope {
            Scope::Server { name, .. } => Some(name),
            Scope::Fleet => None,
        })),
        Err(Refused::Problem(problem)) => Err(problem.into()),
        Err(Refused::Fields(faults)) => {
            let server = on_server(&fields.server);
            let accept = AcceptForm::again(&frame, fields, faults);
            let page = rendered(&AcceptPage { frame, server, accept });
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// From whose page it was revoked; the list's, if from none.
#[derive(Debug, Deserialize)]
pub struct From {
    #[serde(default)]
    server: String,
}

pub(crate) async fn revoke(
    State(app): State<App>,
    Path(id): Path<String>,
    form: Confirmed<From>,
) -> Result<Response, PageProblem> {
    app.revoke_acceptance(&form.who, acceptance_id(&id)?).await?;
    Ok(to_where_it_shows(on_server(&form.fields.server).as_deref()))
}

fn to_where_it_shows(server: Option<&str>) -> Response {
    match server {
        Some(name) => Redirect::to(&format!("/servers/{name}#findings")),
        None => Redirect::to("/security/acceptances"),
    }
    .into_response()
}

/// The name of a server, if it can be one.
fn on_server(text: &str) -> Option<String> {
    text.trim().parse::<HostName>().ok().map(|name| name.to_string())
}

fn short(text: &str) -> String {
    text.trim().chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exposure::{Fault, Field},
        pages::samples,
    };

    fn list(standing: &str) -> String {
        let listed = Listed { standing: standing.to_owned(), page: String::new() };
        let frame = samples::frame("/security/acceptances", &[]);
        AcceptancesPage::new(frame, &samples::acceptances(), &listed).render().unwrap()
    }

    #[test]
    fn what_is_active_can_be_revoked_and_what_is_over_cannot() {
        let html = list("");
        samples::keep("acceptances", &html);
        assert_eq!(html.matches("/revoke\"").count(), 2, "{html}");
        assert!(html.contains("CVE-2024-1001") && html.contains("the whole fleet"), "{html}");
        assert!(!html.contains("&lt;script&gt;alert") && !html.contains("<script>alert"));
        let over = list("expired");
        assert!(!over.contains("/revoke\"") && over.contains("CVE-2024-1003"), "{over}");
        assert!(list("revoked").contains("by bob"));
        samples::keep("acceptances-all", &list("all"));
    }

    #[test]
    fn without_any_the_list_says_how_to_begin() {
        let frame = samples::frame("/security/acceptances", &[]);
        let html = AcceptancesPage::new(frame, &[], &Listed::default()).render().unwrap();
        samples::keep("acceptances-none", &html);
        assert!(html.contains("No risk has been accepted"), "{html}");
    }

    #[test]
    fn bad_input_stands_in_the_form_again_with_the_words_beside_it() {
        let frame = samples::frame("/security/acceptances", &[]);
        let typed = Typed {
            cve: "CVE-1".to_owned(),
            scope: "fleet".to_owned(),
            reason: "<script>alert(1)</script>".to_owned(),
            until: "2020-01-01".to_owned(),
            ..Typed::default()
        };
        let faults = vec![
            Fault::new(Field::Cve, "`CVE-1` is not a CVE."),
            Fault::new(Field::Until, "The end must lie in the future."),
        ];
        let accept = AcceptForm::again(&frame, typed, faults);
        let html = AcceptPage { frame, server: None, accept }.render().unwrap();
        samples::keep("accept-wrong", &html);
        assert!(html.contains("value=\"CVE-1\"") && html.contains("value=\"2020-01-01\""), "{html}");
        assert!(html.contains("id=\"accept-cve-wrong\"") && html.contains("The end must lie in the future."));
        assert_eq!(html.matches("aria-invalid").count(), 2);
        assert!(!html.contains("<script>alert"));
        assert!(html.contains("value=\"fleet\" checked"));
    }
}
