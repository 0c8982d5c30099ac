//! `run_probes`: asks the services that matter, once, whether they work. How long a
//! service may take to come up is the control plane's to say.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wire::{Failure, FailureKind, Outcome, Probe};

use super::{failure, impossible, some};
use crate::{jobs::Job, observe};

const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Probes in one request; a host of ours runs a handful of services.
const PROBES: usize = 64;

pub(super) async fn perform(job: &Job, probes: &[Probe]) -> Result<Outcome, Failure> {
    if probes.len() > PROBES || !probes.iter().all(is_plain) {
        return Err(impossible("a probe names no valid unit or path, or there are too many"));
    }
    let mut bad = Vec::new();
    for (number, probe) in probes.iter().enumerate() {
        job.progress(100.0 * number as f32 / probes.len() as f32, "Asking services");
        if let Err(reason) = ask(probe).await {
            job.log(&reason);
            bad.push(reason);
        }
    }
    if bad.is_empty() { Ok(Outcome::Healthy) } else { Err(failure(FailureKind::NotVerified, some(bad))) }
}

/// Characters of systemd.unit(5) for units; printable ones without spaces for paths, so
/// that a path cannot begin another line of the request.
fn is_plain(probe: &Probe) -> bool {
    match probe {
        Probe::UnitActive { unit } => {
            (1..=128).contains(&unit.len())
                && unit.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b))
                && !unit.starts_with('-')
        }
        Probe::HttpOk { path, .. } => {
            path.len() <= 1024 && path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic())
        }
    }
}

async fn ask(probe: &Probe) -> Result<(), String> {
    match probe {
        Probe::UnitActive { unit } => match observe::unit_is_active(unit).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("{unit} is not active")),
            Err(error) => Err(error.to_string()),
        },
        Probe::HttpOk { address, port, path } => {
            let asked = timeout(ANSWER_LIMIT, http_status(*address, *port, path)).await;
            match asked {
                Ok(Ok(200)) => Ok(()),
                Ok(Ok(status)) => {
                    Err(format!("{address} port {port} answers {status} for {path}, expected 200"))
                }
                Ok(Err(error)) => Err(format!("{address} port {port}: {error}")),
                Err(_) => Err(format!("{address} port {port} does not answer in time")),
            }
        }
    }
}

/// The status of a plain request. One line of the answer is all that is read.
async fn http_status(address: IpAddr, port: u16, path: &str) -> std::io::Result<u16> {
    let target = SocketAddr::new(address, port);
    let mut stream = TcpStream::connect(target).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    stream.take(64).read_to_end(&mut head).await?;
    // `HTTP/1.1 200 OK`, RFC 9112 section 4.
    let status = head.split(|b| *b == b' ').nth(1).and_then(|status| std::str::from_utf8(status).ok());
    status
        .filter(|_| head.starts_with(b"HTTP/1."))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_cannot_smuggle_a_header_or_an_option() {
        let http =
            |path: &str| Probe::HttpOk { address: IpAddr::from([127, 0, 0, 1]), port: 80, path: path.into() };
        let unit = |unit: &str| Probe::UnitActive { unit: unit.into() };
        assert!(is_plain(&http("/health?x=1")) && is_plain(&unit("postgresql@15-main.service")));
        for bad in [http("/ HTTP/1.1\r\nX: y"), http("x"), unit("--now"), unit("a b"), unit("")] {
            assert!(!is_plain(&bad), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn reads_the_status_of_a_real_answer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 256];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        assert_eq!(http_status(address.ip(), address.port(), "/h").await.unwrap(), 503);
        assert!(server.await.unwrap().starts_with("GET /h HTTP/1.1\r\n"));
    }
}
