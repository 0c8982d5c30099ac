//! Why a hardened host does not pass what it does not pass. The same list is in
//! `docs/SECURITY.md`.

/// How a judge's name begins, and why a host of ours fails there.
pub const REASONS: [(&str, &str); 52] = [
    ("partition_for_", ONE_DISK),
    ("mount_option_nodev_nonroot", ONE_DISK),
    ("FILE-6310", ONE_DISK),
    ("mount_option_tmp_noexec", "apt and debconf run what packages put into /tmp"),
    ("FILE-6344", "systemd's own parts look at each other in /proc"),
    ("FILE-6374", "the lab mounts these; on a VPS /dev/shm has every option"),
    ("sysctl_kernel_panic_on_oops", "nothing reboots outside a run"),
    ("sysctl_kernel_perf_cpu_time_max_percent", "only root may profile at all"),
    ("sysctl_kernel_perf_event_max_sample_rate", "only root may profile at all"),
    ("sysctl_kernel_perf_event_paranoid", "3 is set, which is stricter than the 2 that is asked for"),
    ("sysctl_kernel_pid_max", "65536 would be fewer than the kernel's own choice, and easier to guess"),
    ("sysctl_kernel_", MACHINE),
    ("sysctl_fs_", MACHINE),
    ("sysctl_vm_", MACHINE),
    ("sysctl_net_core_", MACHINE),
    ("KRNL-6000", MACHINE),
    ("KRNL-5830", "the host runs on the machine's kernel, never on the one on its disk"),
    ("sysctl_net_ipv4_conf_all_arp_", "a host with a /32 and a gateway outside it would lose its network"),
    (
        "sysctl_net_ipv4_conf_all_drop_gratuitous_arp",
        "addresses that providers move would stay dead for minutes",
    ),
    ("sysctl_net_ipv6_", "Linode and Vultr hand out IPv6 by router advertisements"),
    ("service_auditd_enabled", "auditd is on, and cannot run in a container: the trail is the machine's"),
    ("ACCT-9628", "auditd is on, and cannot run in a container: the trail is the machine's"),
    ("ACCT-", "the audit trail says more; every process of every service would fill the disk"),
    ("sshd_disable_root_login", "root by key is how operators sign in, and every sign-in names the key"),
    ("no_direct_root_logins", "root has no password, so no console lets it in"),
    (
        "accounts_password_set_max_life_root",
        "an expired password, even a locked one, refuses root's key and jobs too",
    ),
    ("accounts_password_pam_unix_rounds", "with yescrypt 11 rounds take 1 GiB of memory for every try"),
    ("accounts_password_pam_unix_remember", NO_PASSWORDS),
    ("accounts_passwords_pam_faillock", NO_PASSWORDS),
    (
        "aide_build_database",
        "the database is there; the rule wants a setting by a name that newer AIDE refuses",
    ),
    ("MACF-6208", "AppArmor is the machine's in a container; a VPS has it on by default"),
    ("TOOL-5002", "the agent is the tool, and the judge does not know it"),
    ("LYNIS", "the version is that of the host's release"),
    ("sudo_add_noexec", "apt could not run what packages bring, through sudo"),
    ("sudo_add_requiretty", "jobs without a terminal could not use sudo"),
    ("sudo_add_umask", "with 0077 a service could not read what its package makes for it; 0022 is set"),
    ("sudoers_", "the distribution's own rule for administrators, who must be able to do everything"),
    (
        "postfix_client_configure_mail_alias",
        "no mail is sent from a host; the rule asks for change_me@localhost",
    ),
    ("dir_perms_world_writable_root_owned", "folders that the lab mounts belong to the machine's users"),
    ("SSH-7408", "another port hides nothing from a scan; 22 is open to operators only"),
    ("DEB-0280", "a folder for each session breaks apt's own, unprivileged downloads"),
    ("DEB-08", "updates are planned, tried and undone by runs; 22 is open to operators only"),
    ("PKGS-7370", "dpkg --verify says the same, and the agent asks it"),
    ("PKGS-73", "the agent tells the control plane every package and its updates"),
    ("PKGS-7420", "nothing changes a package outside a run"),
    ("LOGG-2154", "there is no log host in this product; the journal is kept"),
    ("NAME-", "the name is what the operator gave; a domain is not needed"),
    ("NETW-3200", "the module is blocked; the judge looks for another word"),
    ("FIRE-4513", "rules that nobody has used yet are still wanted"),
    (
        "HRDN-72",
        "no compiler is there but the assembler needrestart brings, for root alone; no scanner reads all files",
    ),
    ("FILE-7524", "folders are narrowed where only root has business; the judge would narrow more"),
    ("BOOT-5264", "the agent's units are sandboxed; the distribution's are as it ships them"),
];

const ONE_DISK: &str = "a VPS has one disk with one partition";
const MACHINE: &str = "set, and in effect on a VPS; in the lab the machine's kernel decides";
const NO_PASSWORDS: &str = "no account has a password";

/// The reason for one finding of a judge.
pub fn of(what: &str) -> &'static str {
    let known = REASONS.iter().find(|(begins, _)| what.starts_with(begins));
    known.map_or("no reason is known: look at it", |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fits_is_the_reason() {
        assert_eq!(of("sysctl_kernel_pid_max"), REASONS[10].1);
        assert_eq!(of("sysctl_kernel_kptr_restrict"), MACHINE);
        assert_eq!(of("partition_for_var_log"), ONE_DISK);
        assert!(of("something_new").starts_with("no reason is known"));
    }

    #[test]
    fn the_document_has_every_reason() {
        let document =
            std::fs::read_to_string(crate::command::root().join("docs/SECURITY.md")).expect("readable");
        for (begins, reason) in REASONS {
            let line = format!("| `{begins}` | {reason} |");
            assert!(document.contains(&line), "docs/SECURITY.md lacks: {line}");
        }
    }
}
