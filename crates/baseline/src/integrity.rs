//! A daily note in the journal of what has changed among the files that decide who gets
//! in and what runs: an intruder's traces, and an administrator's.
//!
//! Each note compares with the day before and becomes the ground of the next, so that it
//! never fills with changes long known. Programs of packages are not watched here: dpkg
//! knows them, and updates change them daily.

/// Path of AIDE's configuration, where auditors look for it.
pub(crate) const RULES_FILE: &str = "/etc/aide/aide.conf";

/// aide.conf(5). Contents by SHA-256, owner, permissions, type and links.
pub(crate) const RULES: &str = "\
# Written by Holdfast.
@@define DBDIR /var/lib/aide
database_in=file:@@{DBDIR}/aide.db
database_out=file:@@{DBDIR}/aide.db.new
gzip_dbout=no
report_url=stdout
WATCHED = p+ftype+l+n+u+g+s+sha256
/boot WATCHED
/etc WATCHED
/root WATCHED
/usr/local WATCHED
!/etc/aide
!/etc/resolv\\.conf$
!/root/\\.cache
";

/// The unit that compares.
pub(crate) const SERVICE_FILE: &str = "/etc/systemd/system/holdfast-integrity.service";
/// AIDE ends with the sum of 1 (new files), 2 (missing) and 4 (changed); all are answers.
pub(crate) const SERVICE: &str = "\
# Written by Holdfast.
[Unit]
Description=Holdfast: what has changed in the system's settings
ConditionPathExists=/usr/bin/aide

[Service]
Type=oneshot
Nice=19
IOSchedulingClass=idle
StateDirectory=aide
StateDirectoryMode=0700
ProtectSystem=strict
ProtectHome=read-only
PrivateNetwork=yes
NoNewPrivileges=yes
ExecStart=/usr/bin/sh -c 'test -e /var/lib/aide/aide.db && m=--update || m=--init; exec aide --config=/etc/aide/aide.conf $m'
SuccessExitStatus=1 2 3 4 5 6 7
ExecStartPost=/usr/bin/mv /var/lib/aide/aide.db.new /var/lib/aide/aide.db
";

/// What starts it.
pub const INTEGRITY_TIMER: &str = "holdfast-integrity.timer";
/// Path of the timer.
pub(crate) const TIMER_FILE: &str = "/etc/systemd/system/holdfast-integrity.timer";
/// Hosts of one provider must not all read their disks in the same minute.
pub(crate) const TIMER: &str = "\
# Written by Holdfast.
[Unit]
Description=Holdfast: what has changed in the system's settings, every day

[Timer]
OnCalendar=daily
RandomizedDelaySec=6h
Persistent=yes

[Install]
WantedBy=timers.target
";
