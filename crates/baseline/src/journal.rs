//! The journal: kept over a reboot, so that an intrusion can be followed, and bounded, so
//! that it never fills the one disk a VPS has.

/// Path of the drop-in.
pub(crate) const JOURNAL_FILE: &str = "/etc/systemd/journald.conf.d/50-holdfast.conf";

/// journald.conf(5). A gigabyte holds some months of a quiet host.
pub(crate) const JOURNAL: &str = "\
# Written by Holdfast.
[Journal]
Storage=persistent
Compress=yes
SystemMaxUse=1G
SystemKeepFree=1G
RuntimeMaxUse=128M
RateLimitIntervalSec=30s
RateLimitBurst=10000
";
