//! Ubuntu's notices, page by page, newest first, back to those that are known.
//!
//! The API gives at most 20 a page and is cached for six hours on its way
//! (`webapp/schemas.py` and `views.py` of canonical/ubuntu-com-security-api), so that a
//! look goes back further than the last one.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::{Fetched, Layer, SourceError, Validators, download};

/// The most that the API gives.
const PAGE: usize = 20;
/// Two thousand notices: what is older is in the OSV records, which hold every notice.
const PAGES: usize = 100;
/// How much further back than the last look a look goes.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

#[derive(Deserialize)]
struct Page {
    notices: Vec<Notice>,
    total_results: usize,
}

#[derive(Deserialize)]
struct Notice {
    published: String,
}

impl Notice {
    /// The API writes times without a zone and means UTC.
    fn published(&self) -> Option<Timestamp> {
        let zoned = self.published.parse::<Timestamp>().ok();
        zoned.or_else(|| {
            let civil: DateTime = self.published.parse().ok()?;
            civil.to_zoned(TimeZone::UTC).ok().map(|moment| moment.timestamp())
        })
    }
}

pub(super) async fn fetch(
    client: &Client,
    url: &str,
    changed: Option<&Range<Timestamp>>,
) -> Result<Fetched, SourceError> {
    let known_until = changed.map(|span| span.start - OVERLAP);
    let mut layers = Vec::new();
    for number in 0..PAGES {
        let mut address = Url::parse(url).map_err(|_| SourceError::NoAddress { url: url.to_owned() })?;
        let offset = number * PAGE;
        address.query_pairs_mut().extend_pairs([
            ("order", "newest"),
            ("limit", &PAGE.to_string()),
            ("offset", &offset.to_string()),
        ]);
        let bytes = download::body(download::send(client.get(address), url).await?, url).await?;
        let page: Page = serde_json::from_slice(&bytes)
            .map_err(|source| SourceError::NotAPage { url: url.to_owned(), source })?;
        let newest = page.notices.iter().filter_map(Notice::published).max();
        let news = known_until.is_none_or(|known| newest.is_some_and(|newest| newest >= known));
        let last = page.notices.len() < PAGE || (number + 1) * PAGE >= page.total_results;
        if news && !page.notices.is_empty() {
            layers.push(Layer { path: format!("notices-{number:03}.json"), bytes });
        }
        if last || !news {
            break;
        }
    }
    // What is merged last counts, and that has to be the newest.
    layers.reverse();
    Ok(match changed {
        None => Fetched::Layers(layers, Validators::default()),
        Some(_) if layers.is_empty() => Fetched::Unchanged,
        Some(_) => Fetched::Added(layers),
    })
}
