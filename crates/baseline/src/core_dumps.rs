//! No core dumps: they hold the secrets of the program that died, in a file that stays.

/// Path of the drop-in for systemd's own collector (coredump.conf(5)).
pub(crate) const COLLECTOR_FILE: &str = "/etc/systemd/coredump.conf.d/50-holdfast.conf";
/// It keeps nothing.
pub(crate) const COLLECTOR: &str = "# Written by Holdfast.\n[Coredump]\nStorage=none\nProcessSizeMax=0\n";

/// Path of the drop-in for services (systemd-system.conf(5)), which limits of sessions do
/// not reach.
pub(crate) const SERVICES_FILE: &str = "/etc/systemd/system.conf.d/50-holdfast.conf";
/// A service that asks for core dumps in its own unit still has them.
pub(crate) const SERVICES: &str = "# Written by Holdfast.\n[Manager]\nDefaultLimitCORE=0\n";
