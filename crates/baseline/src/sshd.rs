//! The SSH server: keys only, root by key only, and no algorithm that an audit would
//! complain of.
//!
//! The drop-in is named to be read first, because sshd keeps the first value it finds
//! for an option (sshd_config(5)) and images bring a drop-in of their own.

/// Path of the drop-in.
pub(crate) const SSHD_FILE: &str = "/etc/ssh/sshd_config.d/00-holdfast.conf";

/// Option and value, as written. Every option is known to OpenSSH 8.9 (Ubuntu 22.04),
/// 9.2 (Debian 12) and later. The comparison looks them up in `sshd -T` in lower case.
pub const SSHD_OPTIONS: [(&str, &str); 16] = [
    ("PermitRootLogin", "prohibit-password"),
    ("PubkeyAuthentication", "yes"),
    ("PasswordAuthentication", "no"),
    ("KbdInteractiveAuthentication", "no"),
    ("PermitEmptyPasswords", "no"),
    ("HostbasedAuthentication", "no"),
    ("MaxAuthTries", "3"),
    ("LoginGraceTime", "30"),
    ("X11Forwarding", "no"),
    ("AllowAgentForwarding", "no"),
    ("AllowTcpForwarding", "no"),
    ("PermitTunnel", "no"),
    ("PermitUserEnvironment", "no"),
    ("KexAlgorithms", "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org"),
    ("Ciphers", "aes256-gcm@openssh.com,aes128-gcm@openssh.com"),
    ("MACs", "hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com"),
];

/// Contents of the drop-in.
pub(crate) fn contents() -> String {
    let mut text = String::from("# Written by Holdfast. Changes are shown as drift.\n");
    for (option, value) in SSHD_OPTIONS {
        text.push_str(&format!("{option} {value}\n"));
    }
    text
}

/// Whether `sshd -T` printing `found` means what `expected` says. It prints the older
/// of two words for the same thing.
pub(crate) fn same_value(expected: &str, found: &str) -> bool {
    expected.eq_ignore_ascii_case(found)
        || (expected == "prohibit-password" && found.eq_ignore_ascii_case("without-password"))
}
