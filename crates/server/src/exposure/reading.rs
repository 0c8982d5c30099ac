//! Reading every feed once, for a look without a control plane: from the same source and by
//! the same checks, but nothing is kept and there is no former copy to compare with.

use reqwest::Client;
use vulns::{FeedData, FeedKind};

use super::{
    feeds::{chain, parse_layers},
    source::{Asked, FeedSource, Fetched, SourceError},
};

/// What became of one feed.
#[derive(Debug)]
pub struct Reading {
    /// Which feed.
    pub kind: FeedKind,
    /// Its content, or why there is none.
    pub outcome: Result<FeedData, Unread>,
}

/// Why a feed was not read. The texts are whole sentences without their period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// No directory holds it.
    Missing,
    /// It is somewhere, but could not be had from there.
    Unreachable(String),
    /// It was had, and is not fit to be used.
    Refused(String),
}

/// Reads every feed from the source, all at once.
pub async fn read_once(source: &FeedSource, client: &Client) -> Vec<Reading> {
    futures::future::join_all(FeedKind::all().map(|kind| read(source, client, kind))).await
}

async fn read(source: &FeedSource, client: &Client, kind: FeedKind) -> Reading {
    let fetched = source.fetch(client, kind, &Asked::default(), None).await;
    let outcome = match fetched {
        Ok(Fetched::Layers(layers, _)) => {
            let parsed = tokio::task::spawn_blocking(move || parse_layers(kind, &layers)).await;
            match parsed {
                Ok(Ok(data)) => Ok(data),
                Ok(Err(error)) => Err(Unread::Refused(chain(&error))),
                Err(_) => Err(Unread::Refused("its reader has died".to_owned())),
            }
        }
        // Nothing was said to be known.
        Ok(Fetched::Unchanged | Fetched::Added(_)) => {
            Err(Unread::Unreachable("it answers that nothing has changed".to_owned()))
        }
        Err(SourceError::Missing) => Err(Unread::Missing),
        Err(error) => Err(Unread::Unreachable(chain(&error))),
    };
    Reading { kind, outcome }
}
