//! NVD's API 2.0, asked for the engines by their CPE names and by their plain names, since
//! records that NVD has not enriched carry no CPE; page by page and, once a copy is there,
//! for what has changed since.
//!
//! Limits are those of nvd.nist.gov/developers: 2,000 records a page, at most 120 days
//! between the two ends of a time, 5 requests in 30 seconds and with a key 50.

use std::{ops::Range, time::Duration};

use base::Redacted;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Url};
use serde::Deserialize;

use super::{Fetched, Layer, SourceError, Validators, download};

const PAGE: u64 = 2_000;
/// Ten times what NVD has about both engines; an answer that has more is not about them.
const PAGES: u64 = 20;
const LONGEST: SignedDuration = SignedDuration::from_hours(120 * 24);
/// NVD notes a change when it is made and shows it later.
const OVERLAP: SignedDuration = SignedDuration::from_hours(2);

const QUERIES: [(&str, &str); 4] = [
    ("virtualMatchString", "cpe:2.3:a:minio:minio"),
    ("virtualMatchString", "cpe:2.3:a:postgresql:postgresql"),
    ("keywordSearch", "minio"),
    ("keywordSearch", "postgresql"),
];

/// How long to rest between two requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace(Duration);

impl Pace {
    /// NVD itself asks for a rest; a mirror of one's own does not.
    pub fn of(public: bool, with_key: bool) -> Self {
        Self(match (public, with_key) {
            (true, false) => Duration::from_secs(6),
            (true, true) => Duration::from_millis(600),
            (false, _) => Duration::ZERO,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    start_index: u64,
    results_per_page: u64,
    total_results: u64,
}

pub(super) async fn fetch(
    client: &Client,
    url: &str,
    changed: Option<&Range<Timestamp>>,
    key: Option<&Redacted<String>>,
    pace: Pace,
) -> Result<Fetched, SourceError> {
    let windows = match changed {
        None => vec![None],
        Some(span) => windows(span).into_iter().map(Some).collect(),
    };
    let mut layers = Vec::new();
    let mut first = true;
    for (name, value) in QUERIES {
        for window in &windows {
            let mut start = 0;
            loop {
                if !std::mem::take(&mut first) {
                    tokio::time::sleep(pace.0).await;
                }
                let address = address(url, (name, value), window.as_ref(), start)?;
                let mut request = client.get(address);
                if let Some(key) = key {
                    request = request.header("apiKey", key.expose());
                }
                let bytes = download::body(download::send(request, url).await?, url).await?;
                let page: Page = serde_json::from_slice(&bytes)
                    .map_err(|source| SourceError::NotAPage { url: url.to_owned(), source })?;
                if page.results_per_page > 0 && page.total_results > 0 {
                    layers.push(Layer { path: format!("nvd-{name}-{}.json", layers.len()), bytes });
                }
                start = page.start_index + page.results_per_page;
                if page.results_per_page == 0 || start >= page.total_results {
                    break;
                }
                if start >= PAGES * PAGE {
                    return Err(SourceError::Endless { url: url.to_owned() });
                }
            }
        }
    }
    Ok(match changed {
        None => Fetched::Layers(layers, Validators::default()),
        Some(_) if layers.is_empty() => Fetched::Unchanged,
        Some(_) => Fetched::Added(layers),
    })
}

/// The time in pieces that the API takes, beginning a little before it.
fn windows(span: &Range<Timestamp>) -> Vec<Range<Timestamp>> {
    let mut windows = Vec::new();
    let mut from = span.start - OVERLAP;
    while from < span.end {
        let until = (from + LONGEST).min(span.end);
        windows.push(from..until);
        from = until;
    }
    windows
}

fn address(
    url: &str,
    (name, value): (&str, &str),
    window: Option<&Range<Timestamp>>,
    start: u64,
) -> Result<Url, SourceError> {
    let mut address = Url::parse(url).map_err(|_| SourceError::NoAddress { url: url.to_owned() })?;
    let mut query = address.query_pairs_mut();
    query.append_pair(name, value);
    query.append_pair("resultsPerPage", &PAGE.to_string());
    query.append_pair("startIndex", &start.to_string());
    if let Some(window) = window {
        let text = |moment: Timestamp| moment.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        query.append_pair("lastModStartDate", &text(window.start));
        query.append_pair("lastModEndDate", &text(window.end));
    }
    drop(query);
    Ok(address)
}
