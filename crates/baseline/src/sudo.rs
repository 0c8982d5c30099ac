//! What sudo does for whoever is allowed to use it. Who is allowed is not said here.
//!
//! Not among its settings, because they break administration: `requiretty` (jobs without
//! a terminal), `noexec` (apt runs programs), and a mask of 0077 (what a package makes
//! for a service could not be read by it).

/// Path of the drop-in. sudo reads no name with a dot.
pub(crate) const SUDO_FILE: &str = "/etc/sudoers.d/holdfast";

/// `use_pty` keeps a command from writing into the terminal of its caller after it has
/// ended; `ignore_dot` from running a program that lies in wait in the present folder;
/// the mask stays the one that packages expect, whatever the session has.
pub(crate) const SUDO: &str = "\
# Written by Holdfast. Changes are shown as drift.
Defaults use_pty
Defaults ignore_dot
Defaults !visiblepw
Defaults umask_override,umask=0022
Defaults passwd_tries=3,timestamp_timeout=5
";
