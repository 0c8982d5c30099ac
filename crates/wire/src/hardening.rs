//! What lies deeper than firewall and sshd: kernel, mounts, permissions, accounts, units.
//! Which ones is fixed at both ends; nothing here is asked for by name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The settings as they are in effect. What is not there is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardeningReport {
    /// True in a container: most settings of the kernel are then the machine's, and none
    /// of the host's business.
    pub shares_kernel: bool,
    /// Setting of the kernel, with dots → value as the kernel prints it.
    pub sysctls: BTreeMap<String, String>,
    /// Those of the unwanted kernel modules that are loaded, as the kernel names them.
    pub modules: BTreeSet<String>,
    /// Mount point → options of the mount, as in `/proc/self/mounts`.
    pub mounts: BTreeMap<String, String>,
    /// File or folder → permission bits.
    pub modes: BTreeMap<String, u32>,
    /// Setting of `/etc/login.defs` → value.
    pub login_defaults: BTreeMap<String, String>,
    /// Unit → `UnitFileState`.
    pub units: BTreeMap<String, String>,
}
