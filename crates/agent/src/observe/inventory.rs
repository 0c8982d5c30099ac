//! Everything observed on a host at one moment.

use jiff::Timestamp;
use wire::Inventory;

use super::{
    StaleProcesses, boot, disks, in_use, kernel, os_release, packages, pending, reboot, services, text,
};
use crate::tool::ToolError;

/// Why a host cannot be observed. Only what findings are made from is required.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// dpkg does not answer.
    #[error("the list of packages cannot be had; is this a Debian or Ubuntu host?")]
    Packages {
        /// What dpkg said.
        #[source]
        source: ToolError,
    },
    /// dpkg printed a line that cannot be read.
    #[error("dpkg names a package that cannot be read: `{line}`")]
    UnknownPackage {
        /// The line, shortened.
        line: String,
    },
    /// More packages than a host of ours can have.
    #[error("there are more than {} packages on record", wire::limits::PACKAGES)]
    TooManyPackages,
}

/// Observes this host. Read-only; needs neither root nor systemd, nor anything of the
/// agent to be installed. What cannot be seen is empty.
///
/// # Errors
/// When dpkg's list of packages cannot be had.
pub async fn inventory() -> Result<Inventory, ObserveError> {
    let collected_at = Timestamp::now();
    let stale = tokio::task::spawn_blocking(StaleProcesses::find);
    let on_packages = async {
        let recorded = packages::recorded().await?;
        // Without apt there is nothing pending that we could know of.
        let pending = pending::pending(&recorded.packages).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tell what is pending");
            Vec::new()
        });
        Ok::<_, ObserveError>((recorded, pending))
    };
    let (on_packages, health, virtualization, failed_units, stale) = tokio::join!(
        on_packages,
        packages::health(),
        kernel::virtualization(),
        services::failed_units(),
        stale
    );
    let (recorded, pending) = on_packages?;
    let stale = stale.unwrap_or_default();
    let kernel = kernel::kernel();
    let in_use = {
        let (stale, packages) = (stale.clone(), recorded.packages.clone());
        tokio::task::spawn_blocking(move || in_use::former_versions(&stale, &packages))
    };
    let in_use = in_use.await.unwrap_or_default();
    Ok(Inventory {
        collected_at,
        agent_version: crate::VERSION.to_owned(),
        hostname: text::of("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned(),
        os: os_release::os_release(),
        architecture: recorded.architecture,
        reboot: reboot::reboot_state(&kernel, &virtualization, &stale),
        virtualization,
        kernel,
        boot: boot::boot(),
        packages: recorded.packages,
        pending,
        lists_updated_at: pending::lists_updated_at(),
        stale_services: stale.units.into_iter().collect(),
        in_use,
        failed_units,
        package_health: health?,
        disks: disks::disks(),
        services: Vec::new(),
    })
}
