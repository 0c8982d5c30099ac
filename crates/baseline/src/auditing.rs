//! The kernel's audit trail: who became root, who changed what lets people in, which
//! modules were loaded. It answers "what happened" after a break-in.
//!
//! Few rules: each costs at every system call it looks at, and a trail that nobody can
//! read is none. Nothing is recorded of what services read or write.

/// Path of the rules. Read in the order of their names by augenrules(8).
pub(crate) const RULES_FILE: &str = "/etc/audit/rules.d/50-holdfast.rules";

/// A watched path or call, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditRule {
    /// In auditctl(8)'s words.
    pub rule: &'static str,
    /// Why.
    pub why: &'static str,
}

const ENTRY: &str = "it decides who gets in";
const ROOT: &str = "it decides who becomes root";
const HIDDEN: &str = "it would hide or outlive an intrusion";

const fn watch(rule: &'static str, why: &'static str) -> AuditRule {
    AuditRule { rule, why }
}

/// Every rule.
pub const AUDIT_RULES: [AuditRule; 16] = [
    watch("-w /etc/passwd -p wa -k identity", ENTRY),
    watch("-w /etc/shadow -p wa -k identity", ENTRY),
    watch("-w /etc/group -p wa -k identity", ENTRY),
    watch("-w /etc/ssh -p wa -k sshd", ENTRY),
    watch("-w /root/.ssh -p wa -k keys", ENTRY),
    watch("-w /etc/pam.d -p wa -k pam", ENTRY),
    watch("-w /etc/sudoers -p wa -k sudo", ROOT),
    watch("-w /etc/sudoers.d -p wa -k sudo", ROOT),
    watch("-a always,exit -F path=/usr/bin/sudo -F perm=x -F auid>=1000 -F auid!=unset -k privileged", ROOT),
    watch("-w /etc/ufw -p wa -k firewall", ENTRY),
    watch("-w /etc/holdfast-agent -p wa -k agent", ENTRY),
    watch("-w /etc/cron.d -p wa -k schedule", HIDDEN),
    watch("-w /etc/systemd/system -p wa -k units", HIDDEN),
    watch("-w /etc/ld.so.preload -p wa -k preload", HIDDEN),
    watch("-a always,exit -F arch=b64 -S init_module,finit_module,delete_module -k modules", HIDDEN),
    watch("-a always,exit -F arch=b64 -S execve -F euid=0 -F auid>=1000 -F auid!=unset -k rootcmd", ROOT),
];

/// Contents of the rules. `-i` goes on after a rule for a path that is not there.
pub(crate) fn contents() -> String {
    let mut text = String::from("# Written by Holdfast. Changes are shown as drift.\n-i\n");
    for rule in AUDIT_RULES {
        text.push_str(rule.rule);
        text.push('\n');
    }
    text
}

/// Path of the unit's drop-in.
pub(crate) const UNIT_FILE: &str = "/etc/systemd/system/auditd.service.d/holdfast.conf";

/// A container's calls are in the trail of the machine whose kernel it uses; a daemon of
/// its own could only fail.
pub(crate) const UNIT: &str = "# Written by Holdfast.\n[Unit]\nConditionVirtualization=!container\n";
