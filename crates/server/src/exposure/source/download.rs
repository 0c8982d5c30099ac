//! Feeds over HTTP: one bounded, conditional request.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode, header};

use super::{Fetched, LARGEST, Layer, SourceError, Validators};

/// A whole feed must be here within this time, also over a slow line.
const DOWNLOAD: Duration = Duration::from_secs(300);

pub(super) async fn fetch(
    client: &Client,
    url: &str,
    validators: &Validators,
) -> Result<Fetched, SourceError> {
    let mut request = client.get(url);
    if let Some(etag) = &validators.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(moment) = &validators.last_modified {
        request = request.header(header::IF_MODIFIED_SINCE, moment);
    }
    let response = send(request, url).await?;
    if response.status() == StatusCode::NOT_MODIFIED {
        return Ok(Fetched::Unchanged);
    }
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let validators = Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
    let bytes = body(response, url).await?;
    let path = url.rsplit('/').next().unwrap_or(url).to_owned();
    Ok(Fetched::Layers(vec![Layer { path, bytes }], validators))
}

/// Sends a request; any status but success and "not modified" is an error.
pub(super) async fn send(request: RequestBuilder, url: &str) -> Result<Response, SourceError> {
    let sent = request.timeout(DOWNLOAD).send().await;
    // The address in the error would be the second time, and with its query.
    let unreachable =
        |error: reqwest::Error| SourceError::Unreachable { url: url.to_owned(), source: error.without_url() };
    let response = sent.map_err(unreachable)?;
    match response.status() {
        StatusCode::NOT_MODIFIED | StatusCode::OK => Ok(response),
        status => Err(SourceError::Status { url: url.to_owned(), status }),
    }
}

/// The body, if it is not larger than any feed.
pub(super) async fn body(mut response: Response, url: &str) -> Result<Vec<u8>, SourceError> {
    let unreachable =
        |error: reqwest::Error| SourceError::Unreachable { url: url.to_owned(), source: error.without_url() };
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if (bytes.len() + chunk.len()) as u64 > LARGEST {
            return Err(SourceError::TooLarge { from: url.to_owned() });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
