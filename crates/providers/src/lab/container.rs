//! Finds the two processes that matter of a running container.
//!
//! They are known by their control group and PID namespace, never by a PID that
//! was written down, which may mean another process by now.

use std::fs;

use super::cgroup::Group;

/// The processes of a running container, as this machine numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Container {
    /// `systemd-nspawn`. Ending it in order halts the host in order.
    pub(crate) nspawn: i32,
    /// The first process of the host. Killing it is a power cut.
    pub(crate) leader: i32,
}

impl Container {
    pub(crate) fn find(group: &Group) -> Option<Self> {
        let own_depth = namespace_pids(&fs::read_to_string("/proc/self/status").ok()?)?.len();
        group.processes().into_iter().find_map(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let pids = namespace_pids(&status)?;
            let leads = pids.len() == own_depth + 1 && pids.last() == Some(&1);
            leads.then_some(Self { leader: pid, nspawn: field(&status, "PPid:")?.parse().ok()? })
        })
    }

    /// Whether the host's first process is systemd, and listens to the signal that
    /// halts it in order. Before that, in the first tenths of a second, the signal
    /// is lost, and programs run in the host do not find its disk.
    pub(crate) fn listens(self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.leader)).unwrap_or_default();
        takes_halt_signal(&status)
    }
}

/// nspawn asks for a halt with SIGRTMIN+3 (systemd(1)), which is 37; systemd blocks
/// it to read it from a file descriptor. Signal sets are hexadecimal, signal 1 lowest.
fn takes_halt_signal(status: &str) -> bool {
    const HALT: u32 = 37;
    ["SigBlk:", "SigCgt:"].iter().any(|name| {
        let set = field(status, name).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        set.is_some_and(|set| set >> (HALT - 1) & 1 == 1)
    })
}

/// A process's number in each PID namespace it is in, outermost first (proc_pid_status(5), `NSpid`).
fn namespace_pids(status: &str) -> Option<Vec<i32>> {
    field(status, "NSpid:")?.split_whitespace().map(|pid| pid.parse().ok()).collect()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_process_status() {
        let status = "Name:\tsystemd\nPPid:\t41\nNSpid:\t42\t1\n";
        assert_eq!(namespace_pids(status), Some(vec![42, 1]));
        assert_eq!(field(status, "PPid:"), Some("41"));
        assert_eq!(namespace_pids("Name:\tx\n"), None);
        assert!(takes_halt_signal("SigBlk:\t0000001000000000\nSigCgt:\t0000000000000000\n"));
        assert!(!takes_halt_signal("SigBlk:\t0000000800000000\nSigCgt:\t0000000000000000\n"));
    }
}
