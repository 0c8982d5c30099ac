//! Kernel modules that no host of ours needs: what is never loaded has no holes.

/// Path of the drop-in.
pub(crate) const MODULES_FILE: &str = "/etc/modprobe.d/holdfast.conf";

/// A module that stays out, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockedModule {
    /// Its name, with hyphens where its file has them.
    pub name: &'static str,
    /// Why.
    pub why: &'static str,
}

const PROTOCOL: &str = "a protocol nobody here speaks, loaded by any program that asks for a socket";
const FILE_SYSTEM: &str = "a file system nobody here uses, parsed in the kernel";
const DEVICE: &str = "a server in a rack of somebody else's takes no plugged-in devices";

const fn no(name: &'static str, why: &'static str) -> BlockedModule {
    BlockedModule { name, why }
}

/// Every module that is blocked. File systems that cloud-init reads its data from
/// (iso9660, vfat) and that snaps need (squashfs) are not among them.
pub const BLOCKED_MODULES: [BlockedModule; 24] = [
    no("dccp", PROTOCOL),
    no("sctp", PROTOCOL),
    no("rds", PROTOCOL),
    no("tipc", PROTOCOL),
    no("ax25", PROTOCOL),
    no("netrom", PROTOCOL),
    no("rose", PROTOCOL),
    no("x25", PROTOCOL),
    no("appletalk", PROTOCOL),
    no("can", PROTOCOL),
    no("atm", PROTOCOL),
    no("n-hdlc", PROTOCOL),
    no("cramfs", FILE_SYSTEM),
    no("freevxfs", FILE_SYSTEM),
    no("jffs2", FILE_SYSTEM),
    no("hfs", FILE_SYSTEM),
    no("hfsplus", FILE_SYSTEM),
    no("usb-storage", DEVICE),
    no("uas", DEVICE),
    no("firewire-core", DEVICE),
    no("firewire-ohci", DEVICE),
    no("firewire-sbp2", DEVICE),
    no("thunderbolt", DEVICE),
    no("bluetooth", DEVICE),
];

/// Contents of the drop-in. `blacklist` alone stops aliases only; `install` stops
/// whoever asks by name (modprobe.d(5)).
pub(crate) fn contents() -> String {
    let mut text = String::from("# Written by Holdfast. Changes are shown as drift.\n");
    for module in BLOCKED_MODULES {
        text.push_str(&format!("install {0} /bin/false\nblacklist {0}\n", module.name));
    }
    text
}

/// The name as the kernel lists it.
pub fn listed_name(module: &str) -> String {
    module.replace('-', "_")
}
