//! The firewall in front of hosts: nftables where the bridge hands packets to a host.
//!
//! Judges how a TCP connection begins and nothing else: a bridge keeps no track of
//! connections on every kernel. What is not TCP passes, unlike at most clouds.

use std::fmt::Write as _;

use base::HostName;

use super::{
    Lab,
    command::Program,
    layout::{self, LabId, Layout},
    record::HostRecord,
};
use crate::{Opening, ProviderError};

impl Lab {
    /// The openings of a host; none while everything passes.
    pub(super) fn openings(&self, host: &HostName) -> Result<Option<Vec<Opening>>, ProviderError> {
        Ok(HostRecord::read(&self.layout, host)?.openings)
    }

    /// Lets these in and no others.
    pub(super) async fn set_openings(
        &self,
        host: &HostName,
        openings: &[Opening],
    ) -> Result<(), ProviderError> {
        let _host = layout::lock(self.layout.host_lock(host)).await?;
        let mut record = HostRecord::read(&self.layout, host)?;
        record.openings = Some(openings.to_vec());
        record.write(&self.layout)?;
        raise(&self.layout, &self.settings.id).await
    }
}

/// The name of a lab's table.
fn table(id: &LabId) -> String {
    format!("holdfast-{}", id.as_str())
}

/// Makes the lab's table as its records say, in one step.
pub(super) async fn raise(layout: &Layout, id: &LabId) -> Result<(), ProviderError> {
    // Whoever is last reads all that was written.
    let _lock = layout::lock(layout.firewall_lock()).await?;
    let records = HostRecord::all(layout)?;
    if records.iter().all(|record| record.openings.is_none()) {
        return remove(id).await;
    }
    let path = layout.firewall();
    layout::write_atomically(&path, script(id, &records).as_bytes())?;
    Program::new("nft", "set the lab's firewall").arg("-f").arg(&path).run().await.map(drop)
}

/// Removes the lab's table, if there is one.
pub(super) async fn remove(id: &LabId) -> Result<(), ProviderError> {
    let list =
        Program::new("nft", "list the firewalls of bridges").args(["list", "tables", "bridge"]).run().await;
    let name = table(id);
    match list {
        Ok(list) if list.lines().any(|line| line.trim() == format!("table bridge {name}")) => {
            let delete = Program::new("nft", "remove the lab's firewall");
            delete.args(["delete", "table", "bridge", &name]).run().await.map(drop)
        }
        // Without the program nobody has made a table.
        Ok(_) | Err(ProviderError::Missing { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Replaces the table as a whole: `nft` takes a file all or nothing.
fn script(id: &LabId, records: &[HostRecord]) -> String {
    let name = table(id);
    let mut script = format!("table bridge {name}\ndelete table bridge {name}\ntable bridge {name} {{\n");
    let mut jumps = String::new();
    for (record, openings) in records.iter().filter_map(|record| Some((record, record.openings.as_ref()?))) {
        let number = record.number;
        // Answers and running connections pass; the first packet of a new one is judged.
        let _ = writeln!(script, "chain to-{number} {{\ntcp flags & (fin|syn|rst|ack) != syn accept");
        for Opening { port, source } in openings {
            let family = if source.addr().is_ipv4() { "ip" } else { "ip6" };
            let _ = writeln!(script, "{family} saddr {source} tcp dport {port} accept");
        }
        script.push_str("drop\n}\n");
        let _ = writeln!(jumps, "oifname \"{}\" meta l4proto tcp jump to-{number}", id.cable(number));
    }
    // What hosts send each other, and what this machine itself sends them.
    for hook in ["forward", "output"] {
        let _ = writeln!(
            script,
            "chain {hook} {{\ntype filter hook {hook} priority 0; policy accept;\n{jumps}}}"
        );
    }
    script.push_str("}\n");
    script
}
