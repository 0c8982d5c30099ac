//! The whole life of a host, for each release the lab has.

use std::{path::Path, process::Command};

use base::{HostName, Release};
use providers::{HostState, ProviderError, SnapshotName, VpsProvider, lab::Lab};

use super::{TestLab, boot_id, booted, read, runtime, ssh_answers, traces, until};

const USER_DATA: &str = "#cloud-config\nwrite_files:\n  - {path: /etc/from-user-data, content: given}\n";

#[test]
fn a_debian_12_host_lives_and_dies() {
    life("life12", Release::Debian12);
}

#[test]
fn a_debian_13_host_lives_and_dies() {
    life("life13", Release::Debian13);
}

async fn marked(lab: &Lab, host: &HostName) -> bool {
    lab.exec(host, ["test", "-e", "/var/lib/mark"]).await.unwrap().code == Some(0)
}

async fn state(lab: &Lab, host: &HostName) -> HostState {
    lab.find(host).await.unwrap().unwrap().state
}

fn life(test: &str, release: Release) {
    let Some(test_lab) = TestLab::new(test) else { return };
    let id = runtime().block_on(async {
        let lab = test_lab.open().await;
        let host = booted(&lab, "web-1", release, USER_DATA).await;
        let name = &host.name;
        assert_eq!(host.state, HostState::Running);
        assert_eq!(read(&lab, name, &["cat", "/etc/from-user-data"]).await, "given");
        assert_eq!(read(&lab, name, &["hostname"]).await, "web-1");
        let addresses = read(&lab, name, &["ip", "-br", "addr", "show", "host0"]).await;
        assert!(
            addresses.contains(&host.ipv4.to_string()) && addresses.contains(&host.ipv6.to_string()),
            "{addresses}"
        );
        until("systemd has started everything", || async {
            read(&lab, name, &["sh", "-c", "systemctl is-system-running || true"]).await == "running"
        })
        .await;
        assert!(ssh_answers(&host).await);

        let (machine_id, first_boot) =
            (read(&lab, name, &["cat", "/etc/machine-id"]).await, boot_id(&lab, name).await);
        let before: SnapshotName = "before".parse().unwrap();
        let snapshot = lab.take_snapshot(name, &before).await.unwrap();
        assert_eq!(lab.take_snapshot(name, &before).await.unwrap(), snapshot);
        assert_eq!(lab.snapshots(name).await.unwrap(), [snapshot]);

        read(&lab, name, &["touch", "/var/lib/mark"]).await;
        let restored = lab.restore(name, &before).await.unwrap();
        assert_eq!(restored, host);
        assert!(!marked(&lab, name).await);
        assert_eq!(read(&lab, name, &["cat", "/etc/machine-id"]).await, machine_id);
        let second_boot = boot_id(&lab, name).await;
        assert_ne!(second_boot, first_boot);
        until("ssh answers after the restore", || ssh_answers(&host)).await;
        let unknown = lab.restore(name, &"never-taken".parse().unwrap()).await;
        assert!(matches!(unknown, Err(ProviderError::NotFound { kind: "snapshot", .. })));

        reboots_itself(&lab, name, &second_boot).await;
        let third_boot = boot_id(&lab, name).await;
        lab.reboot(name).await.unwrap();
        assert_ne!(boot_id(&lab, name).await, third_boot);

        lab.power_cut(name).await.unwrap();
        assert_eq!(state(&lab, name).await, HostState::Stopped);
        assert!(lab.exec(name, ["true"]).await.unwrap_err().retryable());
        lab.start(name).await.unwrap();
        lab.start(name).await.unwrap();
        until("ssh answers after the power cut", || ssh_answers(&host)).await;
        lab.stop(name).await.unwrap();
        assert_eq!(state(&lab, name).await, HostState::Stopped);

        interrupted_restores(&test_lab, lab, name).await;
        let lab = test_lab.open().await;
        assert_eq!(lab.list().await.unwrap(), std::slice::from_ref(&host));
        lab.delete_snapshot(name, &before).await.unwrap();
        lab.delete_snapshot(name, &before).await.unwrap();
        assert_eq!(lab.snapshots(name).await.unwrap(), []);
        lab.destroy(name).await.unwrap();
        lab.destroy(name).await.unwrap();
        assert_eq!(lab.find(name).await.unwrap(), None);
        let id = lab.id().as_str().to_owned();
        assert!(!traces(&id).is_empty());
        lab.clean().await.unwrap();
        id
    });
    assert_eq!(traces(&id), Vec::<String>::new());
    assert!(!test_lab.state_dir.exists());
}

/// A host that reboots itself comes back, because its supervisor starts it again.
async fn reboots_itself(lab: &Lab, name: &HostName, former_boot: &str) {
    until("systemd takes orders", || async {
        lab.exec(name, ["systemctl", "reboot"]).await.is_ok_and(|output| output.code == Some(0))
    })
    .await;
    until("the host has rebooted", || async {
        let now = lab.exec(name, ["cat", "/proc/sys/kernel/random/boot_id"]).await;
        now.is_ok_and(|output| output.code == Some(0) && output.stdout.trim() != former_boot)
    })
    .await;
}

/// However far a restore had come when the control plane died, opening the lab finishes it.
async fn interrupted_restores(test_lab: &TestLab, lab: Lab, name: &HostName) {
    let dir = &test_lab.state_dir;
    let (hosts, snapshot) = (dir.join("pool/hosts"), dir.join(format!("pool/snapshots/{name}/before")));
    let disk = |suffix: &str| hosts.join(format!("{name}{suffix}"));
    let copy = |to: &Path| {
        let status =
            Command::new("btrfs").args(["-q", "subvolume", "snapshot"]).arg(&snapshot).arg(to).status();
        assert!(status.unwrap().success());
    };
    let mut lab = lab;
    for stage in
        ["the intent is written", "the copy is made", "the root is moved away", "the copy is the root"]
    {
        lab.stop(name).await.unwrap();
        std::fs::write(disk("").join("var/lib/mark"), "").unwrap();
        drop(lab);
        std::fs::write(dir.join(format!("hosts/{name}.intent")), r#"{"snapshot": "before"}"#).unwrap();
        if stage != "the intent is written" {
            copy(&disk(".next"));
        }
        if stage == "the root is moved away" || stage == "the copy is the root" {
            std::fs::rename(disk(""), disk(".former")).unwrap();
        }
        if stage == "the copy is the root" {
            std::fs::rename(disk(".next"), disk("")).unwrap();
        }
        lab = test_lab.open().await;
        assert_eq!(state(&lab, name).await, HostState::Running, "{stage}");
        assert!(!marked(&lab, name).await, "{stage}");
        assert!(!disk(".former").exists() && !disk(".next").exists(), "{stage}");
    }
}
