//! The SSH server: keys only, root by key only, and no algorithm that an audit would
//! complain of.
//!
//! The drop-in is named to be read first, because sshd keeps the first value it finds
//! for an option (sshd_config(5)) and images bring a drop-in of their own.

/// Path of the drop-in.
pub(crate) const SSHD_FILE: &str = "/etc/ssh/sshd_config.d/00-holdfast.conf";

/// Path of the algorithms, which the host writes itself: see [`SSHD_ALGORITHMS`].
pub(crate) const ALGORITHMS_FILE: &str = "/etc/ssh/sshd_config.d/00-holdfast-algorithms.conf";

/// Option and value, as written. Every option is known to OpenSSH 8.9 (Ubuntu 22.04),
/// 9.2 (Debian 12) and later. The comparison looks them up in `sshd -T` in lower case.
pub const SSHD_OPTIONS: [(&str, &str); 29] = [
    ("PermitRootLogin", "prohibit-password"),
    // Whoever may become root anyway; no account of a service, whatever its shell.
    ("AllowGroups", "root sudo"),
    ("PubkeyAuthentication", "yes"),
    ("PasswordAuthentication", "no"),
    ("KbdInteractiveAuthentication", "no"),
    ("PermitEmptyPasswords", "no"),
    ("HostbasedAuthentication", "no"),
    ("IgnoreRhosts", "yes"),
    ("StrictModes", "yes"),
    ("MaxAuthTries", "3"),
    ("MaxSessions", "2"),
    ("MaxStartups", "10:30:60"),
    ("LoginGraceTime", "30"),
    ("ClientAliveInterval", "300"),
    ("ClientAliveCountMax", "2"),
    // A keep-alive inside the connection cannot be forged; the one of TCP can.
    ("TCPKeepAlive", "no"),
    ("Compression", "no"),
    ("UseDNS", "no"),
    // With the key's fingerprint at every sign-in.
    ("LogLevel", "VERBOSE"),
    ("Banner", "/etc/issue.net"),
    ("X11Forwarding", "no"),
    ("AllowAgentForwarding", "no"),
    ("AllowTcpForwarding", "no"),
    ("AllowStreamLocalForwarding", "no"),
    ("GatewayPorts", "no"),
    ("PermitTunnel", "no"),
    ("PermitUserEnvironment", "no"),
    ("HostKey", "/etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_rsa_key"),
    ("HostKeyAlgorithms", "ssh-ed25519,rsa-sha2-512,rsa-sha2-256"),
];

/// Option, how `ssh -Q` asks for what is known, and the algorithms a host may offer, best
/// first. Which of them a host knows depends on its OpenSSH, and sshd refuses a list with
/// an unknown one; so the host keeps those that it knows, in this order.
///
/// Ciphers and MACs are those of ssh-audit's guide for Debian 12, whole and in its order.
/// Of its key exchanges only the hybrids stay, which what is recorded today keeps closed
/// to a quantum computer of tomorrow; every client since OpenSSH 8.5 speaks one.
pub const SSHD_ALGORITHMS: [(&str, &str, &str); 3] = [
    (
        "KexAlgorithms",
        "kex",
        "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com",
    ),
    (
        "Ciphers",
        "cipher",
        "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes256-ctr,aes192-ctr,\
         aes128-gcm@openssh.com,aes128-ctr",
    ),
    ("MACs", "mac", "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,umac-128-etm@openssh.com"),
];

/// Contents of the drop-in.
pub(crate) fn contents() -> String {
    let mut text = String::from("# Written by Holdfast. Changes are shown as drift.\n");
    for (option, value) in SSHD_OPTIONS {
        // Several values have a line each.
        for value in value.split(' ') {
            text.push_str(&format!("{option} {value}\n"));
        }
    }
    text
}

/// Whether `sshd -T` printing `found` means what `expected` says. It prints the older
/// of two words for the same thing.
pub(crate) fn same_value(expected: &str, found: &str) -> bool {
    expected.eq_ignore_ascii_case(found)
        || (expected == "prohibit-password" && found.eq_ignore_ascii_case("without-password"))
}

/// Whether a host that offers `found` offers nothing but algorithms of `allowed`, in their
/// order.
pub(crate) fn offers_only(allowed: &str, found: &str) -> bool {
    let mut rest = allowed.split(',');
    !found.is_empty() && found.split(',').all(|name| rest.any(|known| known == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_know_fewer_algorithms_but_no_other() {
        assert!(offers_only("a,b,c", "a,b,c") && offers_only("a,b,c", "a,c") && offers_only("a,b,c", "b"));
        assert!(!offers_only("a,b,c", "c,a") && !offers_only("a,b,c", "a,d") && !offers_only("a,b,c", ""));
        assert!(!offers_only("a,b,c", "a,b,c,c"));
    }
}
