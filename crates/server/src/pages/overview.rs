//! The overview: how the fleet stands, how fresh that knowledge is, and what is going on.

use askama::Template;
use axum::{extract::State, response::Response};
use runs::Status;

use super::{Frame, PageProblem, When, grouped, rendered};
use crate::{
    app::App,
    exposure::{
        FeedState,
        pages::{Totals, live},
    },
    hosts::Server,
    patching::{RunView, pages::RunRow},
};

/// Newest runs that are shown.
const RUNS: usize = 8;
/// Runs among which open ones are counted; a server has one open run at the most.
const LOOKED_AT: u64 = 500;

struct Tile {
    title: &'static str,
    number: usize,
    /// Where one sees which.
    link: &'static str,
    /// A tone of the style for a number above zero.
    tone: &'static str,
}

struct FeedRow {
    title: &'static str,
    source: String,
    read: Option<When>,
    tried: Option<When>,
    as_of: String,
    records: String,
    fault: Option<String>,
    stale: bool,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    tiles: Vec<Tile>,
    unjudged: usize,
    alone: bool,
    feeds: Vec<FeedRow>,
    runs: Vec<RunRow>,
}

pub(super) async fn show(State(app): State<App>, frame: Frame) -> Result<Response, PageProblem> {
    let servers = app.servers.all().await?;
    let feeds = app.feeds.states().await?;
    let runs = app.patching.newest(None, LOOKED_AT).await?;
    Ok(rendered(&OverviewPage::new(frame, &servers, &feeds, &runs)))
}

impl OverviewPage {
    fn new(frame: Frame, servers: &[Server], feeds: &[FeedState], runs: &[RunView]) -> Self {
        let live = live(servers);
        let totals = Totals::of(&live);
        let open = runs.iter().filter(|run| run.record.status != Status::Finished).count();
        let tile = |title, number, link, tone| Tile { title, number, link, tone };
        Self {
            tiles: vec![
                tile("Servers", totals.servers, "/servers", ""),
                tile("Exploited findings", totals.exploited, "/security?state=exploited", "red"),
                tile("Critical", totals.critical, "/security?state=critical", "red"),
                tile("High", totals.high, "/security?state=high", "amber"),
                tile("Fixable now", totals.fixable, "/security?state=fixable", "accent"),
                tile("Security updates", totals.pending_security, "/security?state=pending", "accent"),
                tile("Reboots due", totals.reboots, "/security?state=reboot", "amber"),
                tile("Open runs", open, "/runs", "accent"),
            ],
            unjudged: totals.unjudged,
            // Only what can be patched counts as a server of one's own.
            alone: !live
                .iter()
                .any(|server| server.is_managed() || server.state == crate::hosts::ServerState::Provisioning),
            feeds: feeds.iter().map(|feed| FeedRow::of(feed, &frame)).collect(),
            runs: runs.iter().take(RUNS).map(|run| RunRow::of(run, &frame)).collect(),
            frame,
        }
    }
}

impl FeedRow {
    fn of(feed: &FeedState, frame: &Frame) -> Self {
        Self {
            title: feed.title,
            source: feed.source.clone(),
            read: feed.last_success_at.map(|at| frame.when(at)),
            tried: feed.last_attempt_at.map(|at| frame.when(at)),
            as_of: feed.as_of.clone().unwrap_or_default(),
            records: grouped(feed.records.max(0) as usize),
            fault: feed.fault.clone(),
            stale: feed.stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn html(servers: &[Server], feeds: &[FeedState], runs: &[RunView]) -> String {
        OverviewPage::new(samples::frame("/", feeds), servers, feeds, runs).render().unwrap()
    }

    #[test]
    fn an_empty_control_plane_says_what_to_do() {
        let page = html(&[], &[], &[]);
        samples::keep("overview-new", &page);
        assert!(
            page.contains("holdfast server provision") && page.contains("No feed has ever been read."),
            "{page}"
        );
    }

    #[test]
    fn numbers_are_those_of_the_fleet() {
        let feeds = [samples::feed(Some(samples::now()), false)];
        let runs = [samples::run("patch", Status::Active, None)];
        let page = OverviewPage::new(samples::frame("/", &feeds), &samples::fleet(), &feeds, &runs);
        let numbers: Vec<usize> = page.tiles.iter().map(|tile| tile.number).collect();
        assert_eq!(numbers, [4, 2, 1, 12, 9, 8, 1, 1]);
        assert_eq!(page.unjudged, 1);
        assert!(!page.alone);
        let html = page.render().unwrap();
        samples::keep("overview", &html);
        assert!(!html.contains("strip stale"));
    }

    #[test]
    fn a_feed_that_fails_says_why() {
        let mut feed = samples::feed(None, true);
        feed.fault = Some("could not read it: connection refused".to_owned());
        assert!(html(&samples::fleet(), &[feed], &[]).contains("connection refused"));
    }
}
