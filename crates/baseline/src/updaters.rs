//! The distribution's own updaters, switched off: nothing changes a package, restarts
//! a service or reboots outside a run.

/// Units that would update packages by themselves. All are masked, also those that are
/// not installed yet, so that installing a package does not bring them to life.
pub const UPDATER_UNITS: [&str; 5] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "apt-daily.service",
    "apt-daily-upgrade.service",
    "unattended-upgrades.service",
];

/// apt's own periodic jobs, a second lock should someone unmask the timers
/// (`/usr/lib/apt/apt.systemd.daily` describes each).
pub const APT_PERIODIC: [(&str, &str); 5] = [
    ("APT::Periodic::Enable", "0"),
    ("APT::Periodic::Update-Package-Lists", "0"),
    ("APT::Periodic::Download-Upgradeable-Packages", "0"),
    ("APT::Periodic::Unattended-Upgrade", "0"),
    ("APT::Periodic::AutocleanInterval", "0"),
];

/// No package without a signature, and no archive that stops signing (apt-secure(8)).
const APT_TRUST: [(&str, &str); 4] = [
    ("APT::Get::AllowUnauthenticated", "false"),
    ("Acquire::AllowInsecureRepositories", "false"),
    ("Acquire::AllowWeakRepositories", "false"),
    ("Acquire::AllowDowngradeToInsecureRepositories", "false"),
];

/// Read after the files that `unattended-upgrades` brings (`20…`, `50…`): apt keeps the
/// last value.
pub(crate) const APT_FILE: &str = "/etc/apt/apt.conf.d/99-holdfast";

/// Read after needrestart's own settings: it keeps the last value.
pub(crate) const NEEDRESTART_FILE: &str = "/etc/needrestart/conf.d/99-holdfast.conf";

pub(crate) fn apt_contents() -> String {
    let mut text = String::from("// Written by Holdfast. Packages change in runs only.\n");
    for (option, value) in APT_PERIODIC {
        text.push_str(&format!("{option} \"{value}\";\n"));
    }
    text.push_str("Unattended-Upgrade::Automatic-Reboot \"false\";\n");
    for (option, value) in APT_TRUST {
        text.push_str(&format!("{option} \"{value}\";\n"));
    }
    text
}

pub(crate) fn needrestart_contents() -> String {
    "# Written by Holdfast. List what needs a restart; a run restarts it.\n$nrconf{restart} = 'l';\n"
        .to_owned()
}

/// Whether a unit in this `UnitFileState` stays quiet. A unit that is not there has an
/// empty state.
pub(crate) fn is_quiet(state: &str) -> bool {
    matches!(state, "masked" | "disabled" | "not-found" | "")
}
