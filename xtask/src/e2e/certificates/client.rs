//! A client that keeps asking while a certificate changes: one new connection after the other,
//! and one download that lasts.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Context, Result, bail, ensure};

use super::{HOST, ZONE, programs::path};

/// Size of the file that is downloaded, in bytes.
const LARGE: u64 = 4_194_304;

/// Requests under way.
pub struct Requests {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Result<usize>>,
    download: Child,
}

fn curl(address: &str, root: &str) -> Vec<String> {
    let resolve = format!("{HOST}.{ZONE}:443:{address}");
    ["-sS", "--fail", "--noproxy", "*", "--max-time", "120", "--cacert", root, "--resolve", &resolve]
        .map(str::to_owned)
        .into()
}

impl Requests {
    /// Begins to ask.
    pub fn begin(address: &str, root: &Path) -> Result<Self> {
        let arguments = curl(address, &path(root)?);
        let stop = Arc::new(AtomicBool::new(false));
        // About half a minute: longer than the order and the reload.
        let download = Command::new("curl")
            .args(&arguments)
            .args(["--limit-rate", "128k", "-o", "/dev/null", "-w", "%{size_download}"])
            .arg(format!("https://{HOST}.{ZONE}/large"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let ended = stop.clone();
        let asking = std::thread::spawn(move || {
            let mut answered = 0;
            while !ended.load(Ordering::Relaxed) {
                let output =
                    Command::new("curl").args(&arguments).arg(format!("https://{HOST}.{ZONE}/")).output()?;
                if !output.status.success() || output.stdout != b"hello\n" {
                    bail!(
                        "request {} failed: {}",
                        answered + 1,
                        String::from_utf8_lossy(&output.stderr).trim()
                    );
                }
                answered += 1;
            }
            Ok(answered)
        });
        Ok(Self { stop, asking, download })
    }

    /// Stops asking. Gives the number of requests that were answered and the bytes that were
    /// downloaded; one that failed is an error.
    pub fn end(mut self) -> Result<(usize, u64)> {
        let early = self.download.try_wait()?.is_some();
        ensure!(!early, "the download was over before the certificate changed, so it proves nothing");
        let download = self.download.wait_with_output()?;
        self.stop.store(true, Ordering::Relaxed);
        let answered = self.asking.join().ok().context("the client panicked")??;
        ensure!(
            download.status.success(),
            "the download broke off: {}",
            String::from_utf8_lossy(&download.stderr).trim()
        );
        let bytes: u64 = String::from_utf8_lossy(&download.stdout).trim().parse()?;
        ensure!(bytes == LARGE, "{bytes} of {LARGE} bytes were downloaded");
        ensure!(answered > 0, "nothing was asked meanwhile");
        Ok((answered, bytes))
    }
}
