//! The feeds of one scan: read, listed, and indexed.

use std::{borrow::Cow, path::PathBuf};

use base::{Problem, Release};
use vulns::{
    FeedData, Index, ReleaseCoverage,
    report::{FeedLine, FeedPresence},
};

use crate::{
    app::http_client,
    cli::CliError,
    exposure::{FeedSource, Unread, read_once},
};

/// What was read.
pub struct Feeds {
    pub index: Index,
    /// Every feed there is, in the order in which pages list them.
    pub lines: Vec<FeedLine>,
}

/// Reads every feed.
pub async fn read(folders: Vec<PathBuf>) -> Result<Feeds, CliError> {
    for folder in &folders {
        if !folder.is_dir() {
            return Err(Problem::new(
                "scan.feeds",
                format!("`{}` is not a directory; `--feeds` takes one", folder.display()),
            )
            .into());
        }
    }
    let public = folders.is_empty();
    let readings = read_once(&FeedSource::of(folders), &http_client()?).await;
    let mut lines = Vec::new();
    let mut read: Vec<FeedData> = Vec::new();
    for reading in readings {
        let (state, reason) = match &reading.outcome {
            Ok(_) => (FeedPresence::Read, None),
            Err(Unread::Missing) => {
                (FeedPresence::Missing, Some("none of the directories holds it".to_owned()))
            }
            Err(Unread::Unreachable(why)) => (FeedPresence::Missing, Some(why.clone())),
            // A file that is there and unfit is a fault to be repaired, not a feed to do without.
            Err(Unread::Refused(why)) => {
                return Err(Problem::new(
                    "scan.feed_refused",
                    format!("the feed `{}` is not fit to be used", reading.kind),
                )
                .found(why)
                .next("repair or remove the file; without it the scan reports the feed as missing")
                .into());
            }
        };
        lines.push(FeedLine {
            name: reading.kind,
            title: reading.kind.title(),
            state,
            as_of: reading.outcome.as_ref().ok().and_then(FeedData::as_of),
            records: reading.outcome.as_ref().map_or(0, FeedData::records),
            reason,
        });
        read.extend(reading.outcome.ok());
    }
    if read.is_empty() {
        return Err(none_at_all(&lines, public).into());
    }
    let index = tokio::task::spawn_blocking(move || Index::of(read.into_iter().map(Cow::Owned))).await;
    let index = index.map_err(|_| anyhow::anyhow!("building the index of the feeds died"))?;
    Ok(Feeds { index, lines })
}

fn none_at_all(lines: &[FeedLine], public: bool) -> Problem {
    let what = "no feed could be read, so nothing can be said";
    if public {
        let reasons: Vec<&str> = lines.iter().filter_map(|line| line.reason.as_deref()).collect();
        return Problem::new("scan.feeds_unreachable", what)
            .found(reasons.join("; "))
            .next("connect to the Internet, or name directories with copies of the feeds with `--feeds`");
    }
    Problem::new("scan.no_feeds", what)
        .found("none of the directories holds a file that is known as a feed's")
        .next("files are known by their names, as their publishers give them, up to two folders deep")
}

impl Feeds {
    /// Why nothing can be said about a release, which is not the same as nothing being found.
    pub fn silent_about(&self, release: Release, coverage: ReleaseCoverage) -> Problem {
        let read: Vec<String> = self
            .lines
            .iter()
            .filter(|line| line.state == FeedPresence::Read)
            .map(|line| format!("`{}`", line.name))
            .collect();
        let what = match coverage {
            ReleaseCoverage::NotInFeed => {
                format!("the feeds do not speak of {release}, so nothing can be said")
            }
            _ => format!("no feed of {release}'s distribution could be read, so nothing can be said"),
        };
        let missing: Vec<String> = self
            .lines
            .iter()
            .filter_map(|line| Some(format!("`{}`: {}", line.name, line.reason.as_ref()?)))
            .collect();
        let mut found = format!("read {}", read.join(", "));
        if !missing.is_empty() {
            found = format!("{found}; not {}", missing.join("; "));
        }
        Problem::new("scan.release_not_covered", what).found(found)
    }

    /// Names the feeds that took no part.
    pub fn warn(&self) {
        // A list of the operator's own is no feed to be missed.
        let missing = |line: &&FeedLine| line.state == FeedPresence::Missing && !line.name.is_local();
        for line in self.lines.iter().filter(missing) {
            let why = line.reason.as_deref().unwrap_or_default();
            eprintln!("warning: feed `{}` is missing: {why}", line.name);
        }
    }
}
