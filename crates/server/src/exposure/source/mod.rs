//! Where feeds are read from: their public addresses, mirrors, or directories. Start
//! with [`FeedSource::fetch`].

mod directories;
mod download;
mod notices;
mod nvd;

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use base::Redacted;
use jiff::Timestamp;
use reqwest::{Client, StatusCode};
use vulns::FeedKind;

/// The most bytes of one feed file that are read. Debian's tracker is 70 MB of JSON.
const LARGEST: u64 = 512 << 20;

/// Where to read a feed from, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedSource {
    /// The publishers' own addresses.
    Public,
    /// An address that answers as the publisher's does.
    Mirror(String),
    /// Directories, later ones adding to and replacing earlier ones.
    Directories(Vec<PathBuf>),
}

/// Where every feed is read from.
#[derive(Debug, Clone)]
pub struct FeedSources {
    all: FeedSource,
    own: BTreeMap<FeedKind, FeedSource>,
    nvd_key: Option<Redacted<String>>,
}

impl From<FeedSource> for FeedSources {
    fn from(all: FeedSource) -> Self {
        Self { all, own: BTreeMap::new(), nvd_key: None }
    }
}

impl FeedSources {
    /// Reads this feed from a source of its own.
    pub fn with(mut self, kind: FeedKind, source: FeedSource) -> Self {
        self.own.insert(kind, source);
        self
    }

    /// Asks NVD with this key, which lets it answer ten times as often.
    pub fn with_nvd_key(mut self, key: Redacted<String>) -> Self {
        self.nvd_key = Some(key);
        self
    }

    /// Where this feed is read from.
    pub fn of(&self, kind: FeedKind) -> &FeedSource {
        self.own.get(&kind).unwrap_or(&self.all)
    }

    /// Reads one feed.
    pub async fn fetch(
        &self,
        client: &Client,
        kind: FeedKind,
        asked: &Asked,
    ) -> Result<Fetched, SourceError> {
        self.of(kind).fetch(client, kind, asked, self.nvd_key.as_ref()).await
    }

    /// Every source in words, for the start of the control plane.
    pub fn describe(&self) -> Vec<String> {
        let all = match &self.all {
            FeedSource::Public => vec!["public addresses".to_owned()],
            FeedSource::Mirror(url) => vec![url.clone()],
            FeedSource::Directories(folders) => {
                folders.iter().map(|folder| folder.display().to_string()).collect()
            }
        };
        let own = self.own.iter().map(|(kind, source)| format!("{kind} from {}", source.describe(*kind)));
        all.into_iter().chain(own).collect()
    }
}

/// One file of a feed.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name.
    pub path: String,
    /// Its bytes, as published.
    pub bytes: Vec<u8>,
}

/// What a source answered.
#[derive(Debug)]
pub enum Fetched {
    /// The files of a feed, in the order in which they are merged, and how to ask
    /// whether they have changed.
    Layers(Vec<Layer>, Validators),
    /// Files that come after those that are known already.
    Added(Vec<Layer>),
    /// Nothing new.
    Unchanged,
}

/// What HTTP needs to ask whether something has changed (RFC 9110 §8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What is known of a feed already, so that only the rest is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// For feeds that are one file.
    pub validators: Validators,
    /// For feeds that are asked by time: what has changed in it. Everything when none.
    pub changed: Option<Range<Timestamp>>,
}

/// Why a source did not give a feed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("cannot read `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No directory holds this feed.
    #[error("none of the directories holds this feed")]
    Missing,
    /// The feed has no public address.
    #[error("this feed is written by the operator, and no directory with it was given")]
    OwnOnly,
    /// The address does not answer.
    #[error("`{url}` does not answer")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The address answers something else than the feed.
    #[error("`{url}` answers with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// Far more bytes than a feed has.
    #[error("`{from}` has more than {LARGEST} bytes")]
    TooLarge {
        /// The address or file.
        from: String,
    },
    /// A page of a feed that is read page by page is not one.
    #[error("`{url}` does not answer with a page of the feed")]
    NotAPage {
        /// The address.
        url: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The address is none.
    #[error("`{url}` is not a web address")]
    NoAddress {
        /// The address.
        url: String,
    },
    /// A feed that is read page by page does not end.
    #[error("`{url}` has more pages than a feed has")]
    Endless {
        /// The address.
        url: String,
    },
}

/// The publisher's address; none for what operators write themselves.
fn public_url(kind: FeedKind) -> Option<&'static str> {
    Some(kind.public_url()).filter(|url| !url.is_empty())
}

impl FeedSource {
    /// Public addresses unless directories are given.
    pub fn of(folders: Vec<PathBuf>) -> Self {
        if folders.is_empty() { Self::Public } else { Self::Directories(folders) }
    }

    /// The source in words, for pages.
    pub fn describe(&self, kind: FeedKind) -> String {
        match self {
            Self::Public => public_url(kind).unwrap_or("directories of the operator").to_owned(),
            Self::Mirror(url) => url.clone(),
            Self::Directories(folders) => {
                let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
                names.join(", ")
            }
        }
    }

    /// Reads one feed.
    ///
    /// # Errors
    /// Everything that keeps the feed from being read whole.
    pub async fn fetch(
        &self,
        client: &Client,
        kind: FeedKind,
        asked: &Asked,
        nvd_key: Option<&Redacted<String>>,
    ) -> Result<Fetched, SourceError> {
        let url = match self {
            Self::Directories(folders) => return directories::read(folders.clone(), kind).await,
            Self::Public => public_url(kind).ok_or(SourceError::OwnOnly)?,
            Self::Mirror(url) => url,
        };
        match kind {
            FeedKind::Nvd => {
                let pace = nvd::Pace::of(self == &Self::Public, nvd_key.is_some());
                nvd::fetch(client, url, asked.changed.as_ref(), nvd_key, pace).await
            }
            FeedKind::UbuntuNotices => notices::fetch(client, url, asked.changed.as_ref()).await,
            _ => download::fetch(client, url, &asked.validators).await,
        }
    }
}
