//! Updates from the lab's mirror and repository, good ones and broken ones, each
//! followed by a restore.

use base::{HostName, Release};
use providers::{
    Host, SnapshotName, VpsProvider,
    lab::{Canary, Fault, FaultKind, Lab},
};

use super::{TestLab, booted, read, runtime, ssh_answers, until};

const APT: &str = "apt-get -qq -y -o Dpkg::Options::=--force-confold";

#[test]
fn updates_break_as_ordered_and_a_restore_heals_them() {
    let Some(test_lab) = TestLab::new("updates") else { return };
    runtime().block_on(async {
        let lab = test_lab.open().await;
        let host = booted(&lab, "web-1", Release::Debian12, "#cloud-config\n{}\n").await;
        seen_from_outside(&lab, &host).await;
        pending_security_updates(&lab, &host.name).await;
        faulty_mirror(&lab, &host.name).await;
        broken_updates(&lab, &host).await;
    });
}

/// The exit code of a shell command in the host.
async fn code(lab: &Lab, host: &HostName, script: &str) -> Option<i32> {
    lab.exec(host, ["sh", "-c", script]).await.unwrap().code
}

async fn seen_from_outside(lab: &Lab, host: &Host) {
    let probe = lab.probe(200).await.unwrap();
    for address in [host.ipv4.to_string(), host.ipv6.to_string()] {
        let script = format!("exec 3<>/dev/tcp/{address}/22 && head -c 4 <&3");
        assert_eq!(probe.run(["bash", "-c", &script]).await.unwrap().stdout, "SSH-");
    }
    // The host sees the probe's own address, not the control plane's.
    let [v4, _] = probe.addresses();
    let seen = read(lab, &host.name, &["sh", "-c", "ip neigh show dev host0"]).await;
    assert!(seen.contains(&v4.to_string()), "{seen}");
}

async fn pending_security_updates(lab: &Lab, host: &HostName) {
    read(lab, host, &["apt-get", "-qq", "update"]).await;
    let plan = read(lab, host, &["apt-get", "-s", "dist-upgrade"]).await;
    let pending =
        plan.lines().filter(|line| line.starts_with("Inst ") && line.contains("Debian-Security")).count();
    assert!(pending >= 1, "{plan}");
}

async fn faulty_mirror(lab: &Lab, host: &HostName) {
    lab.repo().publish(&[Canary::Good.package("1.0")]).await.unwrap();
    let update = "apt-get -qq update";
    assert_eq!(code(lab, host, update).await, Some(0));
    let install = format!("apt-get clean; {APT} install lab-canary");
    for kind in [FaultKind::Half, FaultKind::NotFound, FaultKind::Unavailable] {
        lab.set_faults(&[Fault { path_contains: "/lab/pool/".into(), kind }]).unwrap();
        assert_eq!(code(lab, host, &install).await, Some(100), "{kind:?}");
    }
    lab.set_faults(&[]).unwrap();
    lab.stop_mirror().await.unwrap();
    assert_eq!(code(lab, host, &install).await, Some(100));
    lab.start_mirror().await.unwrap();
    assert_eq!(code(lab, host, &install).await, Some(0));
    assert_eq!(page(lab, host).await, "lab-canary 1.0");
}

async fn page(lab: &Lab, host: &HostName) -> String {
    let url = format!("http://127.0.0.1:{}/", Canary::PORT);
    // The service was started a moment ago.
    read(lab, host, &["curl", "-sS", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", &url])
        .await
}

async fn broken_updates(lab: &Lab, host: &Host) {
    let (name, before): (_, SnapshotName) = (&host.name, "before".parse().unwrap());
    lab.take_snapshot(name, &before).await.unwrap();
    let upgrade = format!("apt-get -qq update && {APT} dist-upgrade -o Acquire::Retries=3 lab-canary");
    // What dpkg was about to write when the power went stands in its journal, which `--audit` leaves out.
    let half_done = "test -n \"$(dpkg --audit; ls /var/lib/dpkg/updates)\"";
    for flavour in [
        Canary::Good,
        Canary::PostinstFails,
        Canary::PreinstFails,
        Canary::NeedsReboot,
        Canary::ServiceFails,
        Canary::BreaksAtReboot,
        Canary::FillsDisk,
        Canary::SlowPostinst { seconds: 600 },
    ] {
        lab.repo().publish(&[flavour.package("1.1")]).await.unwrap();
        let only_canary = format!("apt-get -qq update && {APT} install --only-upgrade lab-canary");
        match flavour {
            Canary::Good => {
                assert_eq!(code(lab, name, &upgrade).await, Some(0));
                assert_eq!(page(lab, name).await, "lab-canary 1.1");
            }
            Canary::PostinstFails => {
                assert_eq!(code(lab, name, &only_canary).await, Some(100));
                assert_eq!(code(lab, name, half_done).await, Some(0));
            }
            Canary::NeedsReboot => {
                assert_eq!(code(lab, name, &only_canary).await, Some(0));
                assert_eq!(code(lab, name, "test -e /run/reboot-required").await, Some(0));
            }
            Canary::PreinstFails => assert_eq!(code(lab, name, &only_canary).await, Some(100)),
            Canary::ServiceFails => {
                assert_eq!(code(lab, name, &only_canary).await, Some(0));
                until("the service has failed", || async {
                    code(lab, name, "systemctl is-failed lab-canary").await == Some(0)
                })
                .await;
            }
            Canary::BreaksAtReboot => {
                assert_eq!(code(lab, name, &only_canary).await, Some(0));
                assert!(ssh_answers(host).await);
                lab.reboot(name).await.unwrap();
                until("the host has started without its network", || async {
                    code(lab, name, "systemctl is-active multi-user.target").await == Some(0)
                })
                .await;
                assert!(!ssh_answers(host).await);
            }
            Canary::FillsDisk => {
                assert_eq!(code(lab, name, &only_canary).await, Some(100));
                assert_ne!(code(lab, name, "head -c 5000000 /dev/urandom > /root/more").await, Some(0));
                // The disk is the lab's: others need it too.
                assert_eq!(code(lab, name, &format!("rm {}", Canary::FILLER)).await, Some(0));
            }
            Canary::SlowPostinst { .. } => {
                let dying = lab.exec(name, ["sh", "-c", &only_canary]);
                let cut = async {
                    // The brackets keep the pattern from fitting the shell that holds it.
                    until("the update is under way", || async {
                        code(lab, name, "pgrep -f [l]ab-canary.postinst").await == Some(0)
                    })
                    .await;
                    read(lab, name, &["sync"]).await;
                    lab.power_cut(name).await.unwrap();
                };
                let (died, ()) = tokio::join!(dying, cut);
                assert_ne!(died.unwrap().code, Some(0));
                lab.start(name).await.unwrap();
                assert_eq!(code(lab, name, half_done).await, Some(0));
            }
        }
        lab.restore(name, &before).await.unwrap();
        until("ssh answers after the restore", || ssh_answers(host)).await;
        assert_eq!(page(lab, name).await, "lab-canary 1.0", "{flavour:?}");
        assert_eq!(code(lab, name, half_done).await, Some(1), "{flavour:?}");
    }
}
