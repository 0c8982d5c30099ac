//! The form that accepts a risk: the same wherever it stands, filled in as far as the
//! page knows, and shown again with the words beside the field that is wrong.

use askama::{Template, filters::HtmlSafe};
use jiff::SignedDuration;
use serde::Deserialize;

use crate::{
    exposure::{
        AcceptanceOrder, Fault, Field, OrderScope,
        acceptance::{LONGEST, USUAL},
    },
    pages::{Frame, Prose},
};

/// What was typed into the form.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Typed {
    #[serde(default)]
    pub(super) cve: String,
    #[serde(default)]
    pub(super) scope: String,
    #[serde(default)]
    pub(super) server: String,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) owner: String,
    #[serde(default)]
    pub(super) until: String,
}

impl Typed {
    /// The order that is meant. Without a choice it is about one server: what is accepted
    /// everywhere must be said.
    pub fn order(&self) -> AcceptanceOrder {
        AcceptanceOrder {
            cve: self.cve.clone(),
            scope: match self.scope.as_str() {
                "fleet" => OrderScope::Fleet,
                _ => OrderScope::Server(self.server.clone()),
            },
            reason: self.reason.clone(),
            owner: self.owner.clone(),
            until: self.until.clone(),
        }
    }
}

/// The form.
#[derive(Debug, Clone, Template)]
#[template(path = "fragments/accept_form.html")]
pub struct AcceptForm {
    form_token: String,
    typed: Typed,
    faults: Vec<Fault>,
    earliest: String,
    latest: String,
}

impl HtmlSafe for AcceptForm {}

impl AcceptForm {
    /// For this CVE on this server, as far as they are known.
    pub fn of(frame: &Frame, cve: &str, server: &str) -> Self {
        let typed = Typed {
            cve: cve.to_owned(),
            server: server.to_owned(),
            scope: "server".to_owned(),
            owner: frame.visitor.operator.clone(),
            until: day_in(frame, USUAL),
            reason: String::new(),
        };
        Self::again(frame, typed, Vec::new())
    }

    /// As it was typed, with what is wrong with it.
    pub fn again(frame: &Frame, typed: Typed, faults: Vec<Fault>) -> Self {
        Self {
            form_token: frame.visitor.form_token.clone(),
            typed,
            faults,
            earliest: day_in(frame, SignedDuration::from_hours(24)),
            latest: day_in(frame, LONGEST),
        }
    }

    fn is_fleet(&self) -> bool {
        self.typed.scope == "fleet"
    }

    fn wrong(&self, field: &Field) -> Option<Prose> {
        self.faults.iter().find(|fault| fault.field == *field).map(|fault| Prose::new(&fault.said))
    }
}

/// A day so far from now, as date fields want it.
fn day_in(frame: &Frame, ahead: SignedDuration) -> String {
    let day = frame.now.checked_add(ahead).unwrap_or(frame.now);
    day.strftime("%Y-%m-%d").to_string()
}
