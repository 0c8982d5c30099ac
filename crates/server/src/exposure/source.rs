//! Where feeds are read from: their public addresses, or directories.

use std::{path::PathBuf, time::Duration};

use reqwest::{Client, StatusCode, header};
use vulns::FeedKind;

/// The most bytes of one feed file that are read. Debian's tracker is 70 MB of JSON.
const LARGEST: u64 = 512 << 20;

/// A whole feed must be here within this time, also over a slow line.
const DOWNLOAD: Duration = Duration::from_secs(300);

/// Where to read feeds from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedSource {
    /// The publishers' own addresses.
    Public,
    /// Directories, later ones adding to and replacing earlier ones.
    Directories(Vec<PathBuf>),
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
    /// Nothing new since the validators were given.
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
}

impl FeedSource {
    /// The source in words, for pages.
    pub fn describe(&self, kind: FeedKind) -> String {
        match self {
            Self::Public => kind.public_url().to_owned(),
            Self::Directories(folders) => {
                let names: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
                names.join(", ")
            }
        }
    }

    /// Reads one feed.
    pub async fn fetch(
        &self,
        client: &Client,
        kind: FeedKind,
        validators: &Validators,
    ) -> Result<Fetched, SourceError> {
        match self {
            Self::Public => download(client, kind.public_url(), validators).await,
            Self::Directories(folders) => {
                let folders = folders.clone();
                let read = tokio::task::spawn_blocking(move || read_folders(&folders, kind)).await;
                let layers = read.map_err(|error| SourceError::File {
                    path: PathBuf::new(),
                    source: std::io::Error::other(error),
                })??;
                if layers.is_empty() {
                    return Err(SourceError::Missing);
                }
                Ok(Fetched::Layers(layers, Validators::default()))
            }
        }
    }
}

/// Reads the files of a feed below these folders: in each folder two levels deep and by
/// name, so that the order does not depend on the file system.
fn read_folders(folders: &[PathBuf], kind: FeedKind) -> Result<Vec<Layer>, SourceError> {
    let mut layers = Vec::new();
    for folder in folders {
        let mut files = Vec::new();
        list(folder, folder, 2, &mut files)?;
        files.sort();
        for relative in files.into_iter().filter(|path| vulns::recognise(path) == Some(kind)) {
            let path = folder.join(&relative);
            let fault = |source| SourceError::File { path: path.clone(), source };
            if std::fs::metadata(&path).map_err(fault)?.len() > LARGEST {
                return Err(SourceError::TooLarge { from: path.display().to_string() });
            }
            let bytes = std::fs::read(&path).map_err(fault)?;
            layers.push(Layer { path: relative, bytes });
        }
    }
    Ok(layers)
}

fn list(root: &PathBuf, folder: &PathBuf, depth: u8, files: &mut Vec<String>) -> Result<(), SourceError> {
    let fault = |source| SourceError::File { path: folder.clone(), source };
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_dir() {
            if depth > 1 {
                list(root, &path, depth - 1, files)?;
            }
        } else if let Some(relative) = path.strip_prefix(root).ok().and_then(|path| path.to_str()) {
            files.push(relative.to_owned());
        }
    }
    Ok(())
}

async fn download(client: &Client, url: &str, validators: &Validators) -> Result<Fetched, SourceError> {
    let unreachable = |source| SourceError::Unreachable { url: url.to_owned(), source };
    let mut request = client.get(url).timeout(DOWNLOAD);
    if let Some(etag) = &validators.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(moment) = &validators.last_modified {
        request = request.header(header::IF_MODIFIED_SINCE, moment);
    }
    let mut response = request.send().await.map_err(unreachable)?;
    match response.status() {
        StatusCode::NOT_MODIFIED => return Ok(Fetched::Unchanged),
        StatusCode::OK => {}
        status => return Err(SourceError::Status { url: url.to_owned(), status }),
    }
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let validators = Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if (bytes.len() + chunk.len()) as u64 > LARGEST {
            return Err(SourceError::TooLarge { from: url.to_owned() });
        }
        bytes.extend_from_slice(&chunk);
    }
    let path = url.rsplit('/').next().unwrap_or(url).to_owned();
    Ok(Fetched::Layers(vec![Layer { path, bytes }], validators))
}
