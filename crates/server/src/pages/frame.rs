//! The frame around every page of somebody signed in: navigation, name, and the strip
//! that says when the feeds are stale.

use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{Html, IntoResponse, Response},
};
use base::Problem;
use jiff::Timestamp;

use super::{Nav, PageProblem, Section, When, ago};
use crate::{access::SignedIn, app::App, exposure::FeedState, http::Visitor};

/// What the frame shows.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Who is there.
    pub visitor: SignedIn,
    /// The moment of the request, for every age on the page.
    pub now: Timestamp,
    /// The navigation.
    pub nav: Nav,
    /// A sentence for each feed that is stale.
    pub stale: Vec<String>,
}

impl FromRequestParts<App> for Frame {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Visitor(visitor) = Visitor::from_request_parts(parts, app).await?;
        let feeds = app.feeds.states().await.map_err(|problem| PageProblem(problem).into_response())?;
        Ok(Self::new(visitor, app.clock.now(), parts.uri.path(), &feeds))
    }
}

impl Frame {
    /// The frame for a visitor at this path.
    pub fn new(visitor: SignedIn, now: Timestamp, path: &str, feeds: &[FeedState]) -> Self {
        let nav = Nav { current: Section::of(path) };
        Self { visitor, now, nav, stale: stale(feeds, now) }
    }

    /// A moment as seen from the request.
    pub fn when(&self, moment: Timestamp) -> When {
        When::new(self.now, moment)
    }
}

/// What to say of the feeds that are stale. A feed that was never read is the worst
/// of them: without it a page without findings would look like good news.
fn stale(feeds: &[FeedState], now: Timestamp) -> Vec<String> {
    let say = |feed: &FeedState| match feed.last_success_at {
        Some(at) => format!("{} was last read {}.", feed.title, ago(now, at)),
        None => format!("{} has never been read.", feed.title),
    };
    if feeds.is_empty() {
        return vec!["No feed has ever been read.".to_owned()];
    }
    feeds.iter().filter(|feed| feed.stale).map(say).collect()
}

/// A page as an answer.
pub fn rendered(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a page could not be rendered");
            PageProblem(Problem::new("page.failed", "could not show this page")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn the_strip_names_what_is_stale() {
        let now = samples::now();
        let fresh = samples::feed(Some(now - jiff::SignedDuration::from_hours(1)), false);
        let old = samples::feed(Some(now - jiff::SignedDuration::from_hours(7)), true);
        let never = samples::feed(None, true);
        assert!(stale(std::slice::from_ref(&fresh), now).is_empty());
        let said = stale(&[fresh, old, never], now);
        assert_eq!(said.len(), 2);
        assert!(said[0].ends_with("was last read 7 h ago."), "{said:?}");
        assert!(said[1].ends_with("has never been read."), "{said:?}");
    }

    #[test]
    fn no_feed_at_all_is_no_good_news() {
        assert_eq!(stale(&[], samples::now()).len(), 1);
    }
}
