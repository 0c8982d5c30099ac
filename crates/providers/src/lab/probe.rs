//! A neighbour on the lab's bridge that is neither host nor control plane, for
//! seeing a host from outside: a network namespace with addresses of its own.

use std::{ffi::OsStr, fs, net::IpAddr, time::Duration};

use super::{Lab, command::Program, exec::Output, layout, network};
use crate::ProviderError;

/// A scan of all 65,535 ports of a host that drops packets took 66 s.
const LIMIT: Duration = Duration::from_secs(600);

/// A network namespace on the bridge. Removed on drop, and by cleaning the lab.
#[derive(Debug)]
pub struct Probe {
    name: String,
    addresses: [IpAddr; 2],
}

impl Lab {
    /// Makes a probe. `number` is the last part of both its addresses, 200 to 249;
    /// a probe that has the number already is replaced.
    ///
    /// # Errors
    /// `Refused` for a number out of range; `Program` if the kernel refuses.
    pub async fn probe(&self, number: u8) -> Result<Probe, ProviderError> {
        if !network::PROBE_NUMBERS.contains(&number) {
            return Err(ProviderError::Refused {
                action: format!("make a probe with number {number}"),
                reason: "probes have the numbers 200 to 249".into(),
            });
        }
        let _lock = layout::lock(self.layout.lock()).await?;
        let subnet = self.settings.subnet;
        let name = format!("{}{number}", self.settings.id.probe_prefix());
        let probe = Probe { addresses: [subnet.v4(number).into(), subnet.v6(number).into()], name };
        let (name, bridge) = (&probe.name, self.settings.id.bridge());
        if names_of(&self.settings.id.probe_prefix()).contains(name) {
            remove(name).await?;
        }
        for line in [
            format!("netns add {name}"),
            format!("link add {name} type veth peer name eth0 netns {name}"),
            format!("link set {name} master {bridge} up"),
            format!("-n {name} link set lo up"),
            format!("-n {name} addr add {}/24 dev eth0", subnet.v4(number)),
            format!("-n {name} addr add {}/64 dev eth0 nodad", subnet.v6(number)),
            format!("-n {name} link set eth0 up"),
        ] {
            Program::new("ip", "make a probe").args(line.split(' ')).run().await?;
        }
        Ok(probe)
    }
}

impl Probe {
    /// The IPv4 and the IPv6 address it is seen with.
    pub fn addresses(&self) -> [IpAddr; 2] {
        self.addresses
    }

    /// Runs a program of this machine with the probe's network. Ends it after 10 minutes.
    ///
    /// # Errors
    /// `Unavailable` if it did not end in time.
    pub async fn run<I, S>(&self, argv: I) -> Result<Output, ProviderError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let program = Program::new("ip", "run a program in a probe").args(["netns", "exec", &self.name]);
        let output = program.args(argv).limit(LIMIT).output().await?;
        Ok(Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Blocks for some milliseconds. What fails here is found when the lab is cleaned.
        let _ = std::process::Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// The network namespaces whose name begins so.
pub(crate) fn names_of(prefix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/run/netns") else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(prefix)).collect()
}

pub(crate) async fn remove(name: &str) -> Result<(), ProviderError> {
    // Its end of the cable goes first: the kernel takes a namespace apart at a time of its own.
    network::delete_link(name).await?;
    Program::new("ip", "remove a probe").args(["netns", "del", name]).run().await.map(drop)
}
