//! What apt would install now, also what a hold keeps it from.

use std::time::SystemTime;

use jiff::Timestamp;
use wire::{Package, PendingUpdate};

use crate::{
    apt::{
        self,
        simulation::{self, Simulation},
    },
    tool::ToolError,
};

/// The simulation of a full upgrade, and of one without regard to holds where there
/// are any.
pub(super) async fn pending(packages: &[Package]) -> Result<Vec<PendingUpdate>, ToolError> {
    let open = apt::simulation().arg("dist-upgrade").text();
    if !packages.iter().any(|package| package.held) {
        return Ok(updates(&read(&open.await?), packages, None));
    }
    let held = apt::simulation().args(["--ignore-hold", "dist-upgrade"]).text();
    let (open, held) = tokio::join!(open, held);
    Ok(updates(&read(&open?), packages, held.ok().as_deref().map(read).as_ref()))
}

fn read(text: &str) -> Simulation {
    simulation::parse(text).unwrap_or_else(|error| {
        tracing::warn!(%error, "apt prints something new");
        Simulation::default()
    })
}

fn updates(
    open: &Simulation,
    packages: &[Package],
    without_holds: Option<&Simulation>,
) -> Vec<PendingUpdate> {
    let is_held =
        |name: &wire::PackageName| packages.iter().any(|package| package.held && package.name == *name);
    let kept_back =
        without_holds.into_iter().flat_map(|all| &all.installs).filter(|install| is_held(&install.name));
    open.installs
        .iter()
        .map(|install| (install, false))
        .chain(kept_back.map(|install| (install, true)))
        .map(|(install, held)| PendingUpdate {
            name: install.name.clone(),
            architecture: install.architecture.clone(),
            installed: install.from.clone(),
            candidate: install.to.clone(),
            origins: install.origins.clone(),
            security: install.is_security(),
            held,
        })
        .collect()
}

/// When the lists were last brought up to date: apt touches this folder at every
/// `update` that had anything to say, and the stamp where the package that writes it
/// is installed.
pub(super) fn lists_updated_at() -> Option<Timestamp> {
    // An image without lists has an empty folder.
    let filled = std::fs::read_dir("/var/lib/apt/lists").ok()?.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.ends_with("Release")
    });
    if !filled {
        return None;
    }
    ["/var/lib/apt/lists/partial", "/var/lib/apt/lists", "/var/lib/apt/periodic/update-success-stamp"]
        .iter()
        .filter_map(|path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
        .max()
        .and_then(|at: SystemTime| Timestamp::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_update_is_told_beside_those_that_will_come() {
        let bash: Package = serde_json::from_value(serde_json::json!({
            "name": "bash", "version": "1", "architecture": "amd64", "source": "bash",
            "source_version": "1", "status": "hi", "held": true, "automatic": false
        }))
        .unwrap();
        let open = read("Inst curl [1] (2 Debian:12/x [amd64])\n");
        let all =
            read("Inst curl [1] (2 Debian:12/x [amd64])\nInst bash [1] (2 Debian-Security:12/x [amd64])\n");
        let found = updates(&open, &[bash], Some(&all));
        assert_eq!(found.len(), 2);
        assert!(!found[0].held && found[1].held && found[1].security);
    }
}
