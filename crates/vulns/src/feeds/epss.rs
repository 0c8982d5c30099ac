//! The daily file of the Exploit Prediction Scoring System: one line a CVE.
//!
//! Today a comment names the model and the day, then `cve,epss,percentile`. Files of 2021 have
//! no comment, and the first ones no percentile.
//! Format: <https://www.first.org/epss/data_stats>.

use std::sync::Arc;

use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};

use super::{Content, Feed, FeedData, FeedError, FeedFile, FeedKind, date_in_name, text, unpack};
use crate::{
    cve_facts::{CveFacts, CveTable},
    epss::{Epss, EpssRun, Share},
};

pub(super) struct EpssScores;

const EXPECTED: &str = "EPSS: the columns `cve,epss,percentile`, both numbers from 0 to 1";

impl Feed for EpssScores {
    fn kind(&self) -> FeedKind {
        FeedKind::Epss
    }

    fn title(&self) -> &'static str {
        "EPSS exploit predictions"
    }

    fn public_url(&self) -> &'static str {
        "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
    }

    fn recognises(&self, _folder: &str, name: &str) -> bool {
        name.starts_with("epss_scores") && name.ends_with(".csv")
    }

    fn parse(&self, file: FeedFile<'_>) -> Result<FeedData, FeedError> {
        let bytes = unpack::document(file.bytes)?;
        let text = text::of(&bytes, EXPECTED)?;
        let mut lines = text.lines().zip(1_usize..).peekable();
        let comment = lines.next_if(|(line, _)| line.starts_with('#')).map(|(line, _)| line);
        let (model, stated) = comment.map(in_comment).unwrap_or_default();
        let as_of = stated.or_else(|| date_in_name(file.path));
        let date = as_of.map(|time| time.to_zoned(TimeZone::fixed(Offset::UTC)).date());
        let run = Arc::new(EpssRun { model, date });

        let has_percentile = match lines.next() {
            Some(("cve,epss,percentile", _)) => true,
            Some(("cve,epss", _)) => false,
            Some((_, line)) => return Err(text::wrong_line(line, EXPECTED)),
            None => return Err(FeedError::Truncated),
        };
        let mut table = CveTable::default();
        for (line, number) in lines.filter(|(line, _)| !line.is_empty()) {
            let (cve, epss) =
                row(line, has_percentile, &run).ok_or_else(|| text::wrong_line(number, EXPECTED))?;
            table.put(cve.into(), CveFacts { modified: as_of, epss: Some(epss), ..CveFacts::default() });
        }
        Ok(FeedData::new(self.kind(), as_of, Content::Cves(table)))
    }
}

/// The model and the day in `#model_version:v2023.03.01,score_date:2023-03-07T00:00:00+0000`.
fn in_comment(comment: &str) -> (Option<String>, Option<Timestamp>) {
    let fields = || comment.trim_start_matches('#').split(',').filter_map(|field| field.split_once(':'));
    let field = |name: &str| fields().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    let model = field("model_version").filter(|model| *model != "unknown").map(str::to_owned);
    let date = field("score_date").and_then(|time| {
        // The offset is written without a colon in some years and as `Z` in others.
        let written = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", time);
        time.parse().ok().or_else(|| written.ok()?.to_timestamp().ok())
    });
    (model, date)
}

fn row<'a>(line: &'a str, has_percentile: bool, run: &Arc<EpssRun>) -> Option<(&'a str, Epss)> {
    let mut cells = line.split(',');
    let cve = cells.next().filter(|cve| cve.starts_with("CVE-"))?;
    let mut share = || cells.next()?.parse().ok().and_then(Share::new);
    let probability = share()?;
    let percentile = if has_percentile { Some(share()?) } else { None };
    cells.next().is_none().then(|| (cve, Epss { probability, percentile, run: Arc::clone(run) }))
}
