//! The script of the first boot: updaters, firewall, the deeper settings, SSH, then the
//! agent.
//!
//! It is POSIX sh, may run twice, and ends with a non-zero status and a sentence when
//! anything is not as it must be, so that cloud-init reports the boot as failed. An
//! agent whose digest is wrong is deleted and never run.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    Baseline, INTEGRITY_TIMER, LOGIN_DEFAULTS, METADATA_UNIT, NEEDED_PACKAGES, PERMISSIONS, SSHD_ALGORITHMS,
    UPDATER_UNITS, UserDataError, mounts, sshd, sudo, sysctl,
};

/// Where the script is written.
pub const SCRIPT_FILE: &str = "/usr/local/sbin/holdfast-first-boot";
/// Where the region's CA is written, for curl.
pub const CA_FILE: &str = "/etc/holdfast-agent/ca.pem";
/// Where the agent is installed.
pub const AGENT_BINARY: &str = "/usr/local/sbin/holdfast-agent";
/// Where a control plane serves the agent, below its base address.
pub const AGENT_BINARY_PATH: &str = "/agent/v1/binary";

const BEFORE_FIREWALL: &str = r#"
say() { echo "holdfast: $*"; }
fail() { echo "holdfast: $*" >&2; exit 1; }

# Only for a program that is missing: a first boot needs no mirror unless it must.
install_package() {
    [ -n "${lists_fresh-}" ] || timeout 300 apt-get -q update </dev/null || return 1
    lists_fresh=yes
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l timeout 600 apt-get -q -y -o DPkg::Lock::Timeout=300 \
        -o DPkg::Options::=--force-confold --no-install-recommends install "$@" </dev/null
}
has() { for file in "$@"; do [ ! -e "$file" ] || return 0; done; return 1; }

say "switching the distribution's own updaters off"
# Stopped first: a unit that is masked while it runs counts as failed. One that is not
# installed cannot be stopped, and is masked all the same.
systemctl stop $updaters 2>/dev/null || true
systemctl mask $updaters || fail "could not mask the updaters"
systemctl reset-failed $updaters 2>/dev/null || true
# Snaps would refresh themselves.
if command -v snap >/dev/null; then snap refresh --hold || fail "could not hold the snaps"; fi

# Small images come without the zones; cloud-init would call the whole boot failed.
if [ -e "/usr/share/zoneinfo/$zone" ]; then
    ln -sfn "/usr/share/zoneinfo/$zone" /etc/localtime
    [ ! -e /etc/timezone ] || echo "$zone" >/etc/timezone
else
    say "the clock stays on UTC: there is no time zone $zone on this host"
fi

say "raising the firewall"
command -v ufw >/dev/null || install_package ufw || fail "ufw is missing and could not be installed"
sed -i 's/^IPV6=.*/IPV6=yes/' /etc/default/ufw
grep -qx 'IPV6=yes' /etc/default/ufw || echo 'IPV6=yes' >>/etc/default/ufw
"#;

/// The deeper settings, between the firewall and SSH. A file that is edited in place is
/// one that its programs read from this one place only.
const DEEPER: &str = r#"
# A host without them is missing guards, not open; the comparison shows it.
if [ -n "$missing" ]; then install_package $missing || say "could not be installed:$missing"; fi

say "setting kernel, accounts and permissions"
set_login() {
    sed -i "/^[[:space:]]*$1[[:space:]]/d" /etc/login.defs
    printf '%s\t%s\n' "$1" "$2" >>/etc/login.defs
}
# dpkg keeps what it is told this way when it brings the file again.
narrow() {
    [ -e "$2" ] || return 0
    dpkg-statoverride --quiet --list "$2" >/dev/null || dpkg-statoverride --add root root "$1" "$2"
    chmod "$1" "$2"
}
if command -v visudo >/dev/null && ! visudo -q -c -f "$sudo"; then
    rm -f "$sudo"
    fail "sudo refused its settings; they were taken away again"
fi
# A container's mounts are made by the machine it runs on.
if ! systemd-detect-virt --quiet --container; then
    grep -qs '[[:space:]]/dev/shm[[:space:]]' /etc/fstab || echo "$shm" >>/etc/fstab
    mount -o remount,nosuid,nodev,noexec /dev/shm || say "/dev/shm is narrowed at the next boot"
fi
# UFW would set a few settings of the kernel its own way, later.
sed -i "s|^IPT_SYSCTL=.*|IPT_SYSCTL=$sysctl|" /etc/default/ufw
systemctl daemon-reload
systemctl restart systemd-sysctl.service || say "not every setting of the kernel could be set"
systemctl try-restart systemd-journald.service || say "the journal's limits hold from the next boot on"
if [ -x /usr/sbin/augenrules ]; then
    augenrules --load >/dev/null 2>&1 || say "the audit rules are loaded at the next boot"
fi
systemctl enable --now "$metadata" || say "the metadata address could not be shut"
systemctl enable --now "$integrity" || say "changes of settings are not noted"
systemctl start --no-block "${integrity%.timer}.service" || true
"#;

const AFTER_FIREWALL: &str = r#"
say "narrowing SSH"
if command -v sshd >/dev/null; then
    mkdir -p /run/sshd
    if ! ssh-keygen -l -f "$rsa" 2>/dev/null | grep -q '^4096 '; then
        rm -f "$rsa" "$rsa.pub"
        ssh-keygen -q -t rsa -b 4096 -N '' -f "$rsa"
    fi
    # sshd refuses a list with an algorithm that it does not know.
    known() {
        list=
        for name in $3; do
            if ssh -Q "$2" | grep -qFx "$name"; then list="$list${list:+,}$name"; fi
        done
        echo "$1 $list"
    }
    algorithms >"$algorithms"
    sshd -t || fail "sshd refuses its configuration; it keeps running with the former one"
    systemctl try-reload-or-restart ssh.service || fail "sshd could not be reloaded"
fi

say "fetching the agent from $url"
command -v curl >/dev/null || install_package curl || fail "curl is missing and could not be installed"
umask 077
work=$(mktemp -d /var/tmp/holdfast.XXXXXX)
trap 'rm -rf "$work"' EXIT
status=0
curl --fail --silent --show-error --noproxy '*' --proto '=https' --tlsv1.3 --cacert "$ca" \
    --pinnedpubkey "$pin" --connect-timeout 10 --max-time 300 --max-filesize 134217728 \
    --retry 8 --retry-connrefused --output "$work/agent" "$url" || status=$?
[ "$status" -eq 0 ] || fail "could not fetch the agent: curl ended with status $status; 90 means that another key answered"
if ! echo "$sha256  $work/agent" | sha256sum --check --status -; then
    found=$(sha256sum <"$work/agent")
    fail "refused the agent: SHA-256 is ${found%% *}, expected $sha256; it was deleted and not run"
fi
install -o root -g root -m 0755 "$work/agent" "$agent"
"$agent" install || fail "the agent could not install itself"
say "done"
"#;

/// The script for this host.
pub(crate) fn script(
    baseline: &Baseline,
    bootstrap: &wire::Bootstrap,
    agent_sha256: base::Sha256,
) -> Result<String, UserDataError> {
    let url = base_address(&bootstrap.control_plane_url)?;
    let pin = STANDARD.encode(bootstrap.public_key_sha256.as_bytes());
    let mut text = format!(
        "#!/bin/sh\n\
         # Written by Holdfast: hardens this host and brings its agent. May run again.\n\
         set -eu\n\
         url='{url}{AGENT_BINARY_PATH}'\n\
         pin='sha256//{pin}'\n\
         sha256='{agent_sha256}'\n\
         ca='{CA_FILE}'\n\
         agent='{AGENT_BINARY}'\n\
         updaters='{}'\n\
         zone='{}'\n\
         sudo='{}'\n\
         shm='{}'\n\
         sysctl='{}'\n\
         metadata='{METADATA_UNIT}'\n\
         integrity='{INTEGRITY_TIMER}'\n\
         rsa=/etc/ssh/ssh_host_rsa_key\n\
         algorithms='{}'\n",
        UPDATER_UNITS.join(" "),
        baseline.description().time_zone,
        sudo::SUDO_FILE,
        mounts::FSTAB_LINE,
        sysctl::SYSCTL_FILE,
        sshd::ALGORITHMS_FILE,
    );
    text.push_str(BEFORE_FIREWALL);
    for command in baseline.firewall_setup() {
        text.push_str(&format!("ufw {command}\n"));
    }
    // Without needrestart a host is as safe; it only says less about stale services.
    text.push_str("missing=\nhas /usr/sbin/needrestart || missing=\"$missing needrestart\"\n");
    for package in NEEDED_PACKAGES {
        let (name, instead) = (package.name, package.instead.join(" "));
        text.push_str(&format!("has {instead} || missing=\"$missing {name}\"\n"));
    }
    text.push_str(DEEPER);
    for setting in LOGIN_DEFAULTS {
        text.push_str(&format!("set_login {} {}\n", setting.key, setting.value));
    }
    for permission in PERMISSIONS {
        text.push_str(&format!("narrow {:o} {}\n", permission.mode, permission.path));
    }
    text.push_str("algorithms() {\n");
    for (option, query, names) in SSHD_ALGORITHMS {
        text.push_str(&format!("    known {option} {query} '{}'\n", names.replace(',', " ")));
    }
    text.push_str("}\n");
    text.push_str(AFTER_FIREWALL);
    Ok(text)
}

/// Takes `https://host[:port]` only: no user, path or query, and no character that
/// could end a quoted word of the script.
fn base_address(url: &str) -> Result<&str, UserDataError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'[' | b']');
    let authority = url.strip_prefix("https://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    match authority {
        Some(authority) if !authority.is_empty() && authority.bytes().all(plain) => {
            Ok(url.strip_suffix('/').unwrap_or(url))
        }
        _ => Err(UserDataError::ControlPlaneUrl { found: url.chars().take(128).collect() }),
    }
}
