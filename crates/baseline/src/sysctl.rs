//! Settings of the kernel. Each is written to a file and compared with what the kernel
//! really uses.
//!
//! Left at their defaults on purpose, because providers depend on them: router
//! advertisements and autoconfiguration (Linode and Vultr hand out IPv6 that way),
//! `arp_ignore`, `arp_filter` and gratuitous ARP (a host with a /32 and a gateway outside
//! it would lose its network), and `kernel.panic_on_oops` (nothing reboots outside a run).

/// Path of the drop-in. The last file that names a key wins (sysctl.d(5)).
pub(crate) const SYSCTL_FILE: &str = "/etc/sysctl.d/99-holdfast.conf";

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sysctl {
    /// Its name, with dots.
    pub key: &'static str,
    /// Its value as the kernel prints it.
    pub value: &'static str,
    /// Why.
    pub why: &'static str,
}

impl Sysctl {
    /// Whether a host has it for itself even where it shares its kernel with others, as a
    /// container does: the network's settings, all but the packet filter's compiler.
    pub fn is_per_network(&self) -> bool {
        self.key.starts_with("net.ipv")
    }
}

const ADDRESSES: &str = "addresses of kernel memory help an exploit";
const REDIRECT: &str = "a neighbour must not turn the host's traffic to itself";
const ROUTED: &str = "a sender must not choose the way packets take past the firewall";
const SPOOFED: &str = "a packet must come from where its sender could be reached";
const NO_ROUTER: &str = "the host is no router";
const SHARED_FOLDERS: &str = "a trap laid in a folder that all may write to must not catch a service";
const CORES: &str = "a core dump holds the secrets of the program that died";

const fn set(key: &'static str, value: &'static str, why: &'static str) -> Sysctl {
    Sysctl { key, value, why }
}

/// Every setting. Known to Linux 5.15 (Ubuntu 22.04) and later.
pub const SYSCTLS: [Sysctl; 46] = [
    set("dev.tty.ldisc_autoload", "0", "rarely used line disciplines have had holes, and load by themselves"),
    set("fs.protected_fifos", "2", SHARED_FOLDERS),
    set("fs.protected_hardlinks", "1", SHARED_FOLDERS),
    set("fs.protected_regular", "2", SHARED_FOLDERS),
    set("fs.protected_symlinks", "1", SHARED_FOLDERS),
    set("fs.suid_dumpable", "0", CORES),
    set("kernel.core_uses_pid", "1", "one core dump must not overwrite another, where somebody allows them"),
    set("kernel.ctrl-alt-del", "0", "a key pressed at the console must not reboot without a halt"),
    set("kernel.dmesg_restrict", "1", ADDRESSES),
    set("kernel.kexec_load_disabled", "1", "root must not start another kernel unseen"),
    set("kernel.kptr_restrict", "2", ADDRESSES),
    set("kernel.perf_event_paranoid", "3", "the profiler has had many holes and is for root"),
    set("kernel.randomize_va_space", "2", "an exploit must not know where things lie in memory"),
    set("kernel.sysrq", "0", "the console's keys must not reach into the kernel"),
    set("kernel.unprivileged_bpf_disabled", "1", "programs for the kernel are loaded by root only"),
    set("kernel.yama.ptrace_scope", "1", "a program must not read the memory of its neighbours"),
    set("net.core.bpf_jit_harden", "2", "compiled filters must not become a way into the kernel"),
    set("net.ipv4.conf.all.accept_local", "0", SPOOFED),
    set("net.ipv4.conf.all.accept_redirects", "0", REDIRECT),
    set("net.ipv4.conf.all.accept_source_route", "0", ROUTED),
    set("net.ipv4.conf.all.log_martians", "1", "impossible senders are worth a line in the log"),
    set("net.ipv4.conf.all.route_localnet", "0", "the loopback network stays inside"),
    set("net.ipv4.conf.all.rp_filter", "1", SPOOFED),
    set("net.ipv4.conf.all.secure_redirects", "0", REDIRECT),
    set("net.ipv4.conf.all.send_redirects", "0", NO_ROUTER),
    set("net.ipv4.conf.all.shared_media", "0", REDIRECT),
    set("net.ipv4.conf.default.accept_redirects", "0", REDIRECT),
    set("net.ipv4.conf.default.accept_source_route", "0", ROUTED),
    set("net.ipv4.conf.default.log_martians", "1", "impossible senders are worth a line in the log"),
    set("net.ipv4.conf.default.rp_filter", "1", SPOOFED),
    set("net.ipv4.conf.default.secure_redirects", "0", REDIRECT),
    set("net.ipv4.conf.default.send_redirects", "0", NO_ROUTER),
    set("net.ipv4.conf.default.shared_media", "0", REDIRECT),
    set("net.ipv4.icmp_echo_ignore_broadcasts", "1", "a ping to all must not be answered by all"),
    set("net.ipv4.icmp_ignore_bogus_error_responses", "1", "broken answers must not fill the log"),
    set("net.ipv4.ip_forward", "0", NO_ROUTER),
    set("net.ipv4.ip_local_port_range", "32768\t65535", "more ports to choose from are harder to guess"),
    set("net.ipv4.tcp_rfc1337", "1", "a stray reset must not end a connection that has just closed"),
    set("net.ipv4.tcp_syncookies", "1", "half-open connections must not keep others out"),
    set("net.ipv6.conf.all.accept_redirects", "0", REDIRECT),
    set("net.ipv6.conf.all.accept_source_route", "0", ROUTED),
    set("net.ipv6.conf.all.forwarding", "0", NO_ROUTER),
    set("net.ipv6.conf.default.accept_redirects", "0", REDIRECT),
    set("net.ipv6.conf.default.accept_source_route", "0", ROUTED),
    set("vm.mmap_min_addr", "65536", "a null pointer in the kernel must not lead into a program's memory"),
    set("vm.unprivileged_userfaultfd", "0", "it makes races in the kernel easy to win"),
];

/// Contents of the drop-in.
pub(crate) fn contents() -> String {
    let mut text = String::from("# Written by Holdfast. Changes are shown as drift.\n");
    for setting in SYSCTLS {
        text.push_str(&format!("{} = {}\n", setting.key, setting.value));
    }
    text
}
