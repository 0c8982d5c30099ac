//! Small parts that many pages share: the navigation, a moment, a word with a tone.

use askama::{Template, filters::HtmlSafe};
use base::Problem;
use jiff::Timestamp;
use vulns::Severity;

use super::words::ago;

/// The parts of the product that have pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The state of everything.
    Overview,
    /// The servers.
    Servers,
    /// What touches them.
    Security,
    /// What was and is done to them.
    Runs,
    /// The trail.
    Audit,
    /// What an operator decides for all servers.
    Settings,
}

impl Section {
    /// In the order of the navigation.
    const ALL: [Self; 6] =
        [Self::Overview, Self::Servers, Self::Security, Self::Runs, Self::Audit, Self::Settings];

    fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Servers => "Servers",
            Self::Security => "Security",
            Self::Runs => "Runs",
            Self::Audit => "Audit",
            Self::Settings => "Settings",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Servers => "/servers",
            Self::Security => "/security",
            Self::Runs => "/runs",
            Self::Audit => "/audit",
            Self::Settings => "/settings",
        }
    }

    /// The section that a path lies in.
    pub fn of(path: &str) -> Option<Self> {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        Self::ALL.into_iter().find(|section| &section.path()[1..] == first)
    }
}

/// The navigation.
#[derive(Debug, Clone, Template)]
#[template(path = "fragments/nav.html")]
pub struct Nav {
    /// Where the visitor is.
    pub current: Option<Section>,
}

impl HtmlSafe for Nav {}

impl Nav {
    fn is_current(&self, section: &Section) -> bool {
        self.current.as_ref() == Some(section)
    }
}

/// A moment, by its distance; exactly in UTC on pointing at it.
#[derive(Debug, Clone, Template)]
#[template(path = "fragments/when.html")]
pub struct When {
    iso: String,
    exact: String,
    text: String,
}

impl HtmlSafe for When {}

impl When {
    /// The moment as seen from now.
    pub fn new(now: Timestamp, moment: Timestamp) -> Self {
        Self {
            iso: moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            exact: moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            text: ago(now, moment),
        }
    }

    /// The moment itself, to the minute.
    pub fn exactly(moment: Timestamp) -> Self {
        let text = moment.strftime("%Y-%m-%d %H:%M").to_string();
        Self { text, ..Self::new(moment, moment) }
    }

    /// The time of day of the moment, to the second.
    pub fn time_of_day(moment: Timestamp) -> Self {
        let text = moment.strftime("%H:%M:%S").to_string();
        Self { text, ..Self::new(moment, moment) }
    }
}

/// A word with a tone. The word alone says it; the tone only helps the eye.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "fragments/badge.html")]
pub struct Badge {
    /// `red`, `amber`, `green`, `accent` or `quiet`: classes of the style.
    pub tone: &'static str,
    /// The word.
    pub word: String,
}

impl HtmlSafe for Badge {}

impl Badge {
    /// A word that calls for action.
    pub fn red(word: impl Into<String>) -> Self {
        Self { tone: "red", word: word.into() }
    }

    /// A word that calls for a look.
    pub fn amber(word: impl Into<String>) -> Self {
        Self { tone: "amber", word: word.into() }
    }

    /// A word that says that all is well.
    pub fn green(word: impl Into<String>) -> Self {
        Self { tone: "green", word: word.into() }
    }

    /// A word about something going on.
    pub fn accent(word: impl Into<String>) -> Self {
        Self { tone: "accent", word: word.into() }
    }

    /// A word for completeness.
    pub fn quiet(word: impl Into<String>) -> Self {
        Self { tone: "quiet", word: word.into() }
    }

    /// A severity.
    pub fn severity(severity: Severity) -> Self {
        let word = severity.to_string();
        match severity {
            Severity::Critical => Self::red(word),
            Severity::High => Self::amber(word),
            Severity::Medium | Severity::Low | Severity::Unknown => Self::quiet(word),
        }
    }
}

/// A sentence in which names stand between backticks, as messages for terminals have them.
#[derive(Debug, Clone, Template)]
#[template(path = "fragments/prose.html")]
pub struct Prose {
    text: String,
}

impl HtmlSafe for Prose {}

impl Prose {
    /// This sentence.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// What lies between backticks, by turns prose and names. A text with a lone backtick
    /// is all prose.
    fn parts(&self) -> Vec<(usize, &str)> {
        if self.text.matches('`').count() % 2 == 1 {
            return vec![(0, &self.text)];
        }
        self.text.split('`').enumerate().collect()
    }

    fn is_name(&self, place: &usize) -> bool {
        place % 2 == 1
    }
}

/// A problem, in its four parts.
#[derive(Debug, Clone, Template)]
#[template(path = "fragments/problem.html")]
pub struct ProblemBox {
    /// The problem.
    pub problem: Problem,
}

impl HtmlSafe for ProblemBox {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_in_its_section() {
        assert_eq!(Section::of("/"), Some(Section::Overview));
        assert_eq!(Section::of("/servers/web-1"), Some(Section::Servers));
        assert_eq!(Section::of("/serversx"), None);
        let nav = Nav { current: Section::of("/runs/x") }.render().unwrap();
        assert!(nav.contains(r#"<a href="/runs" aria-current="page">Runs</a>"#), "{nav}");
        assert_eq!(nav.matches("aria-current").count(), 1);
    }

    #[test]
    fn a_moment_is_a_machine_readable_time() {
        let moment: Timestamp = "2026-03-10T12:00:00.5Z".parse().unwrap();
        let when = When::new("2026-03-10T13:00:00.5Z".parse().unwrap(), moment).to_string();
        assert_eq!(
            when,
            r#"<time datetime="2026-03-10T12:00:00Z" title="2026-03-10 12:00:00 UTC">1 h ago</time>"#
        );
        assert!(When::exactly(moment).to_string().contains(">2026-03-10 12:00<"));
    }

    #[test]
    fn names_in_backticks_are_set_as_such() {
        let html = Prose::new("could not patch `web-<1>`: see `x`").to_string();
        assert!(html.contains("could not patch <code>web-&#60;1&#62;</code>: see <code>x</code>"), "{html}");
        assert_eq!(Prose::new("a ` b").to_string().trim(), "a ` b");
    }

    #[test]
    fn what_a_host_says_is_escaped() {
        let problem = Problem::new("x.y", "could not <b>").found("<script>alert(1)</script>");
        let html = ProblemBox { problem }.to_string();
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
        assert!(!Badge::red("<i>").to_string().contains("<i>"));
    }
}
