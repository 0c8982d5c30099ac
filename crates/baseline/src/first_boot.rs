//! The script of the first boot: firewall, SSH, updaters, then the agent.
//!
//! It is POSIX sh, may run twice, and ends with a non-zero status and a sentence when
//! anything is not as it must be, so that cloud-init reports the boot as failed. An
//! agent whose digest is wrong is deleted and never run.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{Baseline, UPDATER_UNITS, UserDataError};

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
        --no-install-recommends install "$1" </dev/null
}

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

const AFTER_FIREWALL: &str = r#"
say "narrowing SSH"
if command -v sshd >/dev/null; then
    mkdir -p /run/sshd
    sshd -t || fail "sshd refuses its configuration; it keeps running with the former one"
    systemctl try-reload-or-restart ssh.service || fail "sshd could not be reloaded"
fi

# Without needrestart a host is as safe; it only says less about stale services.
command -v needrestart >/dev/null || install_package needrestart || say "needrestart is missing and could not be installed"

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
         zone='{}'\n",
        UPDATER_UNITS.join(" "),
        baseline.description().time_zone,
    );
    text.push_str(BEFORE_FIREWALL);
    for command in baseline.firewall_setup() {
        text.push_str(&format!("ufw {command}\n"));
    }
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
