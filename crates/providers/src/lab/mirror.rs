//! The package mirror of a lab: passes Debian's archives through to the hosts.
//!
//! Listens on the lab's bridge only, in a process of its own per lab. `pool/**`
//! never changes and is kept for ever; `dists/**` is passed through; `/lab/**` is
//! the lab's own repository. Never follows a path out of an archive and never
//! fetches from anywhere but the two archives in the lab's settings.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};

use super::{
    Settings,
    cgroup::Group,
    fault::{self, Fault, FaultKind},
    layout::{self, Layout},
    repo::Repo,
};
use crate::ProviderError;

/// The port apt-cacher-ng made customary.
pub(crate) const PORT: u16 = 3142;

/// The largest package of Debian main is a game's data of 1.1 GB; hosts of a lab fetch kernels at most (120 MB).
const MAX_BODY: u64 = 2 * 1024 * 1024 * 1024;

/// apt opens few connections per host; a mirror of ours should not burden the one it draws from.
const MAX_UPSTREAM: usize = 12;

/// For the whole of one file, above apt's own patience with a slow mirror.
const UPSTREAM_LIMIT: Duration = Duration::from_secs(300);

struct Mirror {
    layout: Layout,
    client: reqwest::Client,
    upstream: Semaphore,
}

/// Serves the mirror of the lab in this folder until the process is ended.
/// Returns at once if another process serves it already.
///
/// # Errors
/// If the lab was never opened, or its address cannot be bound.
pub async fn serve_mirror(state_dir: &Path) -> Result<(), ProviderError> {
    let layout = Layout::new(state_dir);
    let settings = Settings::read(&layout)?;
    let Some(_lock) = layout::try_lock(&layout.mirror_lock())? else { return Ok(()) };
    // It outlives the control plane that started it, so it must not die with its terminal.
    let _ = nix::unistd::setsid();
    Group::of_lab(&settings.id).child("@mirror").enter()?;
    let address = (settings.subnet.v4(1), PORT);
    let unavailable =
        |found: String| ProviderError::Unavailable { action: "serve the lab's mirror".into(), found };
    // A second installation fails and changes nothing, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(UPSTREAM_LIMIT)
        .connect_timeout(Duration::from_secs(15))
        .user_agent(concat!("holdfast-lab/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| unavailable(error.to_string()))?;
    let mirror = Mirror { layout, client, upstream: Semaphore::new(MAX_UPSTREAM) };
    let listener =
        tokio::net::TcpListener::bind(address).await.map_err(|error| unavailable(error.to_string()))?;
    let app = Router::new().fallback(answer).with_state(Arc::new(mirror));
    axum::serve(listener, app).await.map_err(|error| unavailable(error.to_string()))
}

async fn answer(State(mirror): State<Arc<Mirror>>, request: Request) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = request.uri().path().to_owned();
    let faults: Vec<Fault> = layout::read_json(&mirror.layout.faults()).ok().flatten().unwrap_or_default();
    let fault = fault::of(&path, &faults);
    match fault {
        Some(FaultKind::Unavailable) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(FaultKind::NotFound) => return StatusCode::NOT_FOUND.into_response(),
        Some(FaultKind::Delay { millis }) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Some(FaultKind::Half) | None => {}
    }
    let half = fault == Some(FaultKind::Half);
    mirror.serve(&path, request.headers(), half).await.unwrap_or_else(|refusal| {
        tracing::debug!(path, %refusal, "the mirror has no answer");
        refusal.status().into_response()
    })
}

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("not a path of an archive")]
    BadPath,
    #[error("no such file")]
    Absent,
    #[error("the archive answered {0}")]
    Upstream(StatusCode),
    #[error("the archive did not answer")]
    Unreachable(#[from] reqwest::Error),
    #[error("the cache failed")]
    Cache(#[from] io::Error),
    #[error("the file is larger than {MAX_BODY} bytes")]
    TooLarge,
    #[error("the lab's settings cannot be read")]
    Settings(#[from] ProviderError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadPath => StatusCode::BAD_REQUEST,
            Self::Absent => StatusCode::NOT_FOUND,
            Self::Upstream(status) => *status,
            Self::Unreachable(_) | Self::TooLarge => StatusCode::BAD_GATEWAY,
            Self::Cache(_) | Self::Settings(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Mirror {
    async fn serve(&self, path: &str, headers: &HeaderMap, half: bool) -> Result<Response, Refusal> {
        let path = safe(path).ok_or(Refusal::BadPath)?;
        if let Some(path) = path.strip_prefix("lab/") {
            return send_file(&Repo::new(self.layout.repo()).public().join(path), half).await;
        }
        // Read every time: the archives may change while the mirror runs.
        let settings = Settings::read(&self.layout)?;
        let (archive, rest) = path.split_once('/').ok_or(Refusal::Absent)?;
        let base = match archive {
            "debian" => &settings.archives.debian,
            "debian-security" => &settings.archives.security,
            _ => return Err(Refusal::Absent),
        };
        let url = format!("{base}/{rest}");
        if rest.starts_with("pool/") {
            let cached = settings.cache_dir.join("apt").join(path);
            if !cached.exists() {
                self.fetch(&url, &cached).await?;
            }
            return send_file(&cached, half).await;
        }
        self.pass(&url, headers, half).await
    }

    /// Fetches a file into the cache, under its name only when it is whole.
    async fn fetch(&self, url: &str, cached: &Path) -> Result<(), Refusal> {
        let folder = cached.parent().ok_or(Refusal::BadPath)?;
        fs::create_dir_all(folder)?;
        // Several hosts ask for the same file at the same time; it is fetched once.
        let mut name = cached.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let _lock = layout::lock(lock.clone()).await?;
        if cached.exists() {
            return Ok(());
        }
        // The semaphore is never closed.
        let _permit = self.upstream.acquire().await.map_err(io::Error::other)?;
        let response = self.client.get(url).send().await?;
        if !response.status().is_success() {
            layout::remove_file(&lock)?;
            return Err(Refusal::Upstream(response.status()));
        }
        let expected = response.content_length();
        let part = tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?;
        let mut file = tokio::fs::File::from_std(part.reopen()?);
        let (mut body, mut len) = (response.bytes_stream(), 0);
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            len += chunk.len() as u64;
            if len > MAX_BODY {
                return Err(Refusal::TooLarge);
            }
            file.write_all(&chunk).await?;
        }
        file.sync_all().await?;
        if expected.is_some_and(|expected| expected != len) {
            return Err(Refusal::Upstream(StatusCode::BAD_GATEWAY));
        }
        part.persist(cached).map_err(|error| error.error)?;
        layout::remove_file(&lock)?;
        Ok(())
    }

    /// Hands an index through as it comes.
    async fn pass(&self, url: &str, headers: &HeaderMap, half: bool) -> Result<Response, Refusal> {
        let _permit = self.upstream.acquire().await.map_err(io::Error::other)?;
        let mut request = self.client.get(url);
        if let Some(since) = headers.get(header::IF_MODIFIED_SINCE) {
            request = request.header(header::IF_MODIFIED_SINCE, since);
        }
        let upstream = request.send().await?;
        if upstream.status() == StatusCode::NOT_MODIFIED {
            return Ok(StatusCode::NOT_MODIFIED.into_response());
        }
        if !upstream.status().is_success() {
            return Err(Refusal::Upstream(upstream.status()));
        }
        let len = upstream.content_length();
        if len.is_some_and(|len| len > MAX_BODY) {
            return Err(Refusal::TooLarge);
        }
        let mut copied = HeaderMap::new();
        for name in [header::CONTENT_TYPE, header::LAST_MODIFIED, header::CONTENT_LENGTH, header::ETAG] {
            if let Some(value) = upstream.headers().get(&name) {
                copied.insert(name, value.clone());
            }
        }
        let budget = if half { len.unwrap_or(2048) / 2 } else { MAX_BODY };
        let chunks = upstream.bytes_stream().map(|chunk| chunk.map_err(io::Error::other));
        Ok((copied, Body::from_stream(break_after(chunks, budget))).into_response())
    }
}

/// The path without its leading slash, if every part of it is a plain file name.
fn safe(path: &str) -> Option<&str> {
    let path = path.strip_prefix('/')?;
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.len() <= 255
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-~:=@".contains(&b))
    };
    // An escape could hide a dot or a slash from the checks above; apt escapes `+` and `~` only
    // in some versions, so those are let through.
    let unescaped = |part: &str| {
        let part = part.to_ascii_lowercase().replace("%2b", "+").replace("%7e", "~").replace("%3a", ":");
        plain(&part)
    };
    (path.len() <= 1024 && path.split('/').all(unescaped)).then_some(path)
}

async fn send_file(path: &Path, half: bool) -> Result<Response, Refusal> {
    let file = match tokio::fs::File::open(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refusal::Absent),
        other => other?,
    };
    let meta = file.metadata().await?;
    if !meta.is_file() {
        return Err(Refusal::Absent);
    }
    let len = meta.len();
    let chunks = futures::stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; 64 * 1024];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, io::Error>((read > 0).then_some((chunk, file)))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(len)),
    ];
    let budget = if half { len / 2 } else { u64::MAX };
    Ok((headers, Body::from_stream(break_after(chunks, budget))).into_response())
}

/// Passes chunks on until so many bytes have gone, then breaks the connection.
fn break_after<B: AsRef<[u8]> + Send + 'static>(
    chunks: impl futures::Stream<Item = io::Result<B>> + Send + 'static,
    budget: u64,
) -> impl futures::Stream<Item = io::Result<Vec<u8>>> + Send + 'static {
    chunks.scan((budget, false), |(left, broken), chunk| {
        let next = match chunk {
            _ if *broken => None,
            Err(error) => Some(Err(error)),
            Ok(chunk) if (chunk.as_ref().len() as u64) <= *left => {
                *left -= chunk.as_ref().len() as u64;
                Some(Ok(chunk.as_ref().to_vec()))
            }
            Ok(chunk) if *left > 0 => {
                // What remains of the budget goes out first; the next call breaks.
                let part = chunk.as_ref()[..*left as usize].to_vec();
                *left = 0;
                Some(Ok(part))
            }
            Ok(_) => {
                *broken = true;
                Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "broken on purpose")))
            }
        };
        std::future::ready(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_pass() {
        for good in
            ["/debian/dists/bookworm/InRelease", "/debian/pool/main/g/g++_1~a_all.deb", "/lab/lab%2b1.deb"]
        {
            assert!(safe(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "/",
            "/debian/../secret.key",
            "/lab/%2e%2e/x",
            "/lab//x",
            "/lab/./x",
            "/lab/a%2fb",
            "/lab/a\\b",
        ] {
            assert!(safe(bad).is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn half_a_file_is_half_and_then_an_error() {
        let whole = || futures::stream::iter([Ok(vec![1_u8; 10]), Ok(vec![2_u8; 10])]);
        let sent: Vec<_> = break_after(whole(), u64::MAX).collect().await;
        assert!(sent.iter().all(Result::is_ok));
        let sent: Vec<_> = break_after(whole(), 10).collect().await;
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].as_ref().unwrap().len(), 10);
        assert!(sent[1].is_err());
    }
}
