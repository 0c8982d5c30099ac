//! Tests of the lab on real hosts. They need root and minutes, so they run only
//! with `HOLDFAST_LAB=1` and say so when they are skipped.
//!
//! `HOLDFAST_LAB_CACHE` names a folder that keeps images and packages between
//! runs (default `/var/cache/holdfast-lab`).

mod life;
mod updates;

use std::{future::Future, path::PathBuf, process::Command, time::Duration};

use base::{HostName, Release};
use providers::{
    Host, HostSpec, VpsProvider,
    lab::{self, Lab, LabConfig, Severity},
};

/// A lab of one test, cleaned away when the test ends, however it ends.
struct TestLab {
    state_dir: PathBuf,
}

impl TestLab {
    /// `None`, with the reason printed, where labs cannot or shall not run.
    fn new(test: &str) -> Option<Self> {
        if std::env::var_os("HOLDFAST_LAB").is_none_or(|value| value != "1") {
            eprintln!("skipped: set HOLDFAST_LAB=1 to start real hosts (needs root, takes minutes)");
            return None;
        }
        let state_dir = std::env::temp_dir().join(format!("lab-test-{test}-{}", std::process::id()));
        let blocking: Vec<_> = lab::doctor(&state_dir)
            .into_iter()
            .filter(|finding| finding.severity == Severity::Blocks)
            .collect();
        for finding in &blocking {
            eprintln!("skipped: {}. Hint: {}", finding.what, finding.hint);
        }
        blocking.is_empty().then_some(Self { state_dir })
    }

    async fn open(&self) -> Lab {
        // The test binary serves as the lab's helper too: the words the lab appends go into a
        // variable, since the test harness would take them for its own.
        let exe = std::env::current_exe().unwrap();
        let script = "LAB_TEST_HELPER=\"$*\" exec \"$0\" --exact helper --nocapture";
        let helper = vec!["sh".into(), "-c".into(), script.into(), exe.into()];
        let mut config = LabConfig::new(&self.state_dir, helper);
        config.cache_dir = std::env::var_os("HOLDFAST_LAB_CACHE")
            .map_or_else(|| "/var/cache/holdfast-lab".into(), PathBuf::from);
        config.disk_bytes = 16 << 30;
        Lab::open(config).await.unwrap()
    }
}

impl Drop for TestLab {
    fn drop(&mut self) {
        let state_dir = self.state_dir.clone();
        let cleaned = std::thread::spawn(move || runtime().block_on(lab::clean(&state_dir))).join();
        assert!(std::thread::panicking() || matches!(cleaned, Ok(Ok(()))), "{cleaned:?}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Not a test: what the lab's background processes run as. Passes at once when run as a test.
#[test]
fn helper() {
    let Ok(words) = std::env::var("LAB_TEST_HELPER") else { return };
    let words: Vec<_> = words.split(' ').collect();
    runtime().block_on(async {
        match words[..] {
            ["mirror", "--state", dir] => lab::serve_mirror(dir.as_ref()).await.unwrap(),
            ["supervise", "--state", dir, name] => {
                lab::supervise(dir.as_ref(), &name.parse().unwrap()).await.unwrap();
            }
            _ => panic!("the lab called its helper with {words:?}"),
        }
    });
}

/// Creates a host with this user-data and waits until cloud-init is done with it.
async fn booted(lab: &Lab, name: &str, release: Release, user_data: &str) -> Host {
    let spec = HostSpec { name: name.parse().unwrap(), release, user_data: user_data.into() };
    let host = lab.create(&spec).await.unwrap();
    assert_eq!(lab.create(&spec).await.unwrap(), host, "a repeated request finds the same host");
    let status = lab.exec(&host.name, ["cloud-init", "status", "--wait"]).await.unwrap();
    assert!(status.stdout.contains("status: done"), "{status:?}");
    host
}

/// What a program in a host prints, which must succeed.
async fn read(lab: &Lab, host: &HostName, argv: &[&str]) -> String {
    let output = lab.exec(host, argv).await.unwrap();
    assert_eq!(output.code, Some(0), "{argv:?}: {output:?}");
    output.stdout.trim().to_owned()
}

async fn boot_id(lab: &Lab, host: &HostName) -> String {
    read(lab, host, &["cat", "/proc/sys/kernel/random/boot_id"]).await
}

/// Waits, for two minutes at most, until something outside our control has come about.
async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    for _ in 0..600 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("in two minutes it never came to this: {what}");
}

/// Whether a host's sshd says its first words to the control plane.
async fn ssh_answers(host: &Host) -> bool {
    let talk = async {
        let stream = tokio::net::TcpStream::connect((host.ipv4, 22)).await.ok()?;
        let mut word = [0; 4];
        while stream.try_read(&mut word).is_err() {
            stream.readable().await.ok()?;
        }
        Some(&word == b"SSH-")
    };
    tokio::time::timeout(Duration::from_secs(2), talk).await.ok().flatten().unwrap_or(false)
}

/// Everything on this machine that carries a lab's id.
fn traces(id: &str) -> Vec<String> {
    let list = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    [
        list("ip", &["link"]),
        list("ip", &["netns"]),
        list("losetup", &["-a"]),
        list("find", &["/sys/fs/cgroup", "/run/holdfast-lab", "-name", id]),
        list("cat", &["/proc/self/mounts"]),
        list("ps", &["-eo", "args"]),
    ]
    .iter()
    .flat_map(|text| text.lines())
    .filter(|line| line.contains(id))
    .map(str::to_owned)
    .collect()
}
