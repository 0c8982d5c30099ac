//! The baseline beside what a host reports of itself.
//!
//! No deviation means that the host claims to be as described. The claim is the host's
//! own; a scan from outside is the proof.

use std::fmt;

use serde::{Deserialize, Serialize};
use wire::Posture;

use crate::{AddedRule, Baseline, Purpose, hardening, sshd, updaters};

/// How much a deviation matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Drift that opens nothing by itself.
    Amber,
    /// The host can be reached or entered in a way the baseline forbids.
    Red,
}

/// What deviates. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// UFW is missing or off.
    FirewallOff,
    /// UFW lets in what no rule names.
    FirewallDefault,
    /// UFW leaves IPv6 alone.
    FirewallIpv6,
    /// An opening of the baseline is missing.
    FirewallRuleMissing,
    /// A rule that the baseline does not know.
    FirewallRuleUnknown,
    /// Port 22 is open to everyone.
    SshOpen,
    /// An option of sshd.
    SshdOption,
    /// A unit that updates packages by itself.
    Updater,
    /// A periodic job of apt.
    AptPeriodic,
    /// A file of the baseline is missing or changed.
    File,
    /// A setting of the kernel.
    Sysctl,
    /// An unwanted module of the kernel is loaded.
    KernelModule,
    /// A mount lacks an option.
    Mount,
    /// A file or folder is open wider than it should be.
    Permission,
    /// A setting for new accounts and sessions.
    Account,
    /// Something that guards the host is off.
    Guard,
    /// The host says nothing of what lies deeper.
    Unseen,
}

impl fmt::Display for Item {
    /// The stable name, such as `ssh_open`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirewallOff => "firewall_off",
            Self::FirewallDefault => "firewall_default",
            Self::FirewallIpv6 => "firewall_ipv6",
            Self::FirewallRuleMissing => "firewall_rule_missing",
            Self::FirewallRuleUnknown => "firewall_rule_unknown",
            Self::SshOpen => "ssh_open",
            Self::SshdOption => "sshd_option",
            Self::Updater => "updater",
            Self::AptPeriodic => "apt_periodic",
            Self::File => "file",
            Self::Sysctl => "sysctl",
            Self::KernelModule => "kernel_module",
            Self::Mount => "mount",
            Self::Permission => "permission",
            Self::Account => "account",
            Self::Guard => "guard",
            Self::Unseen => "unseen",
        })
    }
}

/// One difference between the baseline and a host, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// What deviates.
    pub item: Item,
    /// How much it matters.
    pub severity: Severity,
    /// What the baseline says.
    pub expected: String,
    /// What the host reports.
    pub found: String,
    /// Why the baseline says so.
    pub why: String,
}

/// Options whose wrong value lets somebody in.
const ENTRY_OPTIONS: [&str; 5] = [
    "PermitRootLogin",
    "PasswordAuthentication",
    "KbdInteractiveAuthentication",
    "PermitEmptyPasswords",
    "HostbasedAuthentication",
];

impl Baseline {
    /// Every difference, in a fixed order. Empty when the host is as it should be.
    pub fn deviations(&self, posture: &Posture) -> Vec<Deviation> {
        let mut list = Deviations(Vec::new());
        self.compare_firewall(posture, &mut list);
        compare_sshd(posture, &mut list);
        compare_updaters(posture, &mut list);
        self.compare_files(posture, &mut list);
        hardening::compare(posture, &mut list);
        list.0
    }

    fn compare_firewall(&self, posture: &Posture, list: &mut Deviations) {
        let report = &posture.firewall;
        if !report.active {
            let found = if report.installed { "off" } else { "not installed" };
            list.red(Item::FirewallOff, "UFW is on", found, "without it every listening port is open");
        }
        if !matches!(report.default_incoming.as_str(), "deny" | "reject") {
            let why = "what no rule names must stay shut";
            list.red(Item::FirewallDefault, "incoming is denied by default", &report.default_incoming, why);
        }
        if !report.ipv6 {
            list.red(Item::FirewallIpv6, "IPV6=yes", "IPV6=no", "a port shut on IPv4 alone is open");
        }
        let parsed: Vec<_> = report.rules.iter().map(|line| (line, AddedRule::parse(line))).collect();
        self.compare_ssh_opening(&parsed, list);
        let wanted = self.firewall();
        for rule in &wanted {
            if !parsed.iter().any(|(_, added)| added.as_ref().is_some_and(|added| added.covers(rule))) {
                let why = "a missing opening shuts out whoever needs it";
                list.amber(Item::FirewallRuleMissing, &rule.to_string(), "no such rule", why);
            }
        }
        for (line, added) in &parsed {
            match added {
                Some(added) if wanted.iter().any(|rule| added.covers(rule)) => {}
                // Already said, as `ssh_open`.
                Some(added) if added.is_open_to_everyone() && added.port == Purpose::Ssh.port() => {}
                Some(added) if added.is_open_to_everyone() => {
                    let why = "the baseline opens nothing else to everyone";
                    list.red(Item::FirewallRuleUnknown, "no such rule", line, why);
                }
                Some(_) => {
                    let why = "a rule that nobody described";
                    list.amber(Item::FirewallRuleUnknown, "no such rule", line, why);
                }
                None => {
                    let why = "a rule of a form the baseline never writes: look what it opens";
                    list.amber(Item::FirewallRuleUnknown, "no such rule", line, why);
                }
            }
        }
    }

    fn compare_ssh_opening(&self, rules: &[(&String, Option<AddedRule>)], list: &mut Deviations) {
        const WHY: &str = "everyone may try keys and flaws of sshd: name the admin networks in Settings";
        let open = rules
            .iter()
            .filter(|(_, added)| {
                added.as_ref().is_some_and(|a| a.port == Purpose::Ssh.port() && a.is_open_to_everyone())
            })
            .map(|(line, _)| line.as_str())
            .collect::<Vec<_>>()
            .join("; ");
        let expected = "port 22 is open to the admin networks only";
        if !open.is_empty() {
            list.red(Item::SshOpen, expected, &open, WHY);
        } else if self.description().admin_networks.is_empty() {
            list.red(Item::SshOpen, expected, "no admin networks are named", WHY);
        }
    }

    fn compare_files(&self, posture: &Posture, list: &mut Deviations) {
        for file in self.files() {
            let found = match posture.files.get(file.path) {
                Some(digest) if *digest == file.sha256() => continue,
                Some(_) => format!("`{}` was changed", file.path),
                None => format!("`{}` is missing", file.path),
            };
            let expected = format!("`{}` as Holdfast wrote it", file.path);
            list.amber(Item::File, &expected, &found, file.why);
        }
    }
}

fn compare_sshd(posture: &Posture, list: &mut Deviations) {
    // Silence is not health: it may also be a configuration that sshd refuses.
    if posture.sshd.is_empty() {
        let why = "sshd is missing, or refuses its configuration and will not start again";
        list.amber(Item::SshdOption, "sshd reports its settings", "nothing", why);
        return;
    }
    for (option, expected) in sshd::SSHD_OPTIONS {
        let found = posture.sshd.get(&option.to_ascii_lowercase());
        if found.is_some_and(|found| sshd::same_value(expected, found)) {
            continue;
        }
        let found = format!("{option} {}", found.map_or("not reported", String::as_str));
        let expected = format!("{option} {expected}");
        if ENTRY_OPTIONS.contains(&option) {
            list.red(Item::SshdOption, &expected, &found, "SSH takes keys only, root's too");
        } else {
            list.amber(Item::SshdOption, &expected, &found, "sshd offers no more than operators need");
        }
    }
    for (option, _, allowed) in sshd::SSHD_ALGORITHMS {
        let found = posture.sshd.get(&option.to_ascii_lowercase()).map_or("", String::as_str);
        if !sshd::offers_only(allowed, found) {
            let expected = format!("{option} of {allowed}, in this order");
            let found = format!("{option} {found}");
            list.amber(Item::SshdOption, &expected, &found, "sshd offers sound algorithms only");
        }
    }
}

fn compare_updaters(posture: &Posture, list: &mut Deviations) {
    // apt itself brings two of the units, and a masked unit is reported too.
    if posture.updaters.is_empty() {
        let why = "what cannot be seen is not known to be off";
        list.amber(Item::Updater, "the host reports its updaters", "nothing", why);
    }
    for unit in updaters::UPDATER_UNITS {
        let state = posture.updaters.get(unit).map_or("", String::as_str);
        if !updaters::is_quiet(state) {
            let why = "it would change packages outside a run";
            list.amber(Item::Updater, &format!("{unit} masked"), &format!("{unit} {state}"), why);
        }
    }
    for (option, expected) in updaters::APT_PERIODIC {
        let found = posture.apt_periodic.get(option).map_or("not set", String::as_str);
        if found != expected {
            let why = "apt would change packages outside a run";
            list.amber(Item::AptPeriodic, &format!("{option} {expected}"), &format!("{option} {found}"), why);
        }
    }
}

pub(crate) struct Deviations(Vec<Deviation>);

impl Deviations {
    pub(crate) fn red(&mut self, item: Item, expected: &str, found: &str, why: &str) {
        self.push(item, Severity::Red, expected, found, why);
    }

    pub(crate) fn amber(&mut self, item: Item, expected: &str, found: &str, why: &str) {
        self.push(item, Severity::Amber, expected, found, why);
    }

    fn push(&mut self, item: Item, severity: Severity, expected: &str, found: &str, why: &str) {
        let [expected, found, why] = [expected, found, why].map(str::to_owned);
        self.0.push(Deviation { item, severity, expected, found, why });
    }
}

#[cfg(test)]
mod tests {
    use wire::FirewallReport;

    use super::*;
    use crate::{
        Service, Source,
        description::tests::{baseline, open_to_ssh},
        sshd::{SSHD_ALGORITHMS, SSHD_OPTIONS},
    };

    /// What a host under this baseline reports, in UFW's and sshd's own words.
    fn as_described(baseline: &Baseline) -> Posture {
        let mut rules = Vec::new();
        for rule in baseline.firewall() {
            let (port, tag) = (rule.purpose.port(), rule.purpose.tag());
            let action = rule.to_string().split(' ').next().map(str::to_owned).unwrap_or_default();
            let line = match rule.source {
                Source::Everyone(_) => format!("{action} {port}/tcp comment '{tag}'"),
                Source::Only(net) => {
                    format!("{action} from {net} to any port {port} proto tcp comment '{tag}'")
                }
            };
            if !rules.contains(&line) {
                rules.push(line);
            }
        }
        let lower = |(option, value): (&str, &str)| {
            let value = if value == "prohibit-password" { "without-password" } else { value };
            (option.to_ascii_lowercase(), value.to_owned())
        };
        Posture {
            firewall: FirewallReport {
                installed: true,
                active: true,
                default_incoming: "deny".to_owned(),
                ipv6: true,
                rules,
            },
            sshd: SSHD_OPTIONS
                .into_iter()
                .chain(SSHD_ALGORITHMS.map(|(option, _, known)| (option, known)))
                .map(lower)
                .collect(),
            updaters: updaters::UPDATER_UNITS.map(|unit| (unit.to_owned(), "masked".to_owned())).into(),
            apt_periodic: updaters::APT_PERIODIC.map(|(o, v)| (o.to_owned(), v.to_owned())).into(),
            files: baseline.files().iter().map(|file| (file.path.to_owned(), file.sha256())).collect(),
            hardening: Some(hardening::tests::as_described()),
        }
    }

    fn seen(baseline: &Baseline, change: impl FnOnce(&mut Posture)) -> Vec<(Item, Severity)> {
        let mut posture = as_described(baseline);
        change(&mut posture);
        baseline.deviations(&posture).into_iter().map(|d| (d.item, d.severity)).collect()
    }

    #[test]
    fn a_host_as_described_does_not_deviate() {
        for service in [Service::Bare, Service::Minio, Service::Postgres] {
            let baseline = baseline(service);
            assert_eq!(baseline.deviations(&as_described(&baseline)), [], "{service:?}");
        }
    }

    #[test]
    fn h4_an_open_ssh_port_is_red_also_when_it_is_as_described() {
        assert_eq!(seen(&open_to_ssh(Service::Bare), |_| {}), [(Item::SshOpen, Severity::Red)]);
        // Also with the rule gone, so that nobody mistakes it for narrowed.
        let gone = seen(&open_to_ssh(Service::Bare), |p| p.firewall.rules.retain(|r| !r.contains("22/tcp")));
        assert_eq!(gone[0], (Item::SshOpen, Severity::Red));
        let baseline = baseline(Service::Bare);
        for rule in ["allow 22/tcp", "allow 22", "allow OpenSSH"] {
            let opened = seen(&baseline, |p| p.firewall.rules.push(rule.to_owned()));
            assert_eq!(opened, [(Item::SshOpen, Severity::Red)], "{rule}");
        }
        assert_eq!(Item::SshOpen.to_string(), "ssh_open");
    }

    #[test]
    fn every_change_is_seen() {
        let baseline = baseline(Service::Postgres);
        type Change = fn(&mut Posture);
        let cases: [(Change, Item, Severity); 15] = [
            (|p| p.firewall.active = false, Item::FirewallOff, Severity::Red),
            (|p| p.firewall.default_incoming = "allow".into(), Item::FirewallDefault, Severity::Red),
            (|p| p.firewall.ipv6 = false, Item::FirewallIpv6, Severity::Red),
            (|p| drop(p.firewall.rules.remove(0)), Item::FirewallRuleMissing, Severity::Amber),
            (|p| p.firewall.rules.push("allow 5432/tcp".into()), Item::FirewallRuleUnknown, Severity::Red),
            (|p| p.firewall.rules.push("deny 25".into()), Item::FirewallRuleUnknown, Severity::Amber),
            (
                |p| p.firewall.rules.push("allow from 192.0.2.1 to any port 5432 proto tcp".into()),
                Item::FirewallRuleUnknown,
                Severity::Amber,
            ),
            (|p| set(&mut p.sshd, "passwordauthentication", "yes"), Item::SshdOption, Severity::Red),
            (|p| set(&mut p.sshd, "maxauthtries", "6"), Item::SshdOption, Severity::Amber),
            (|p| set(&mut p.sshd, "macs", "hmac-sha1"), Item::SshdOption, Severity::Amber),
            (|p| p.hardening = None, Item::Unseen, Severity::Amber),
            (|p| set(&mut p.updaters, "apt-daily-upgrade.timer", "enabled"), Item::Updater, Severity::Amber),
            (|p| set(&mut p.updaters, "apt-daily.service", "static"), Item::Updater, Severity::Amber),
            (|p| p.apt_periodic.clear(), Item::AptPeriodic, Severity::Amber),
            (|p| drop(p.files.pop_first()), Item::File, Severity::Amber),
        ];
        for (number, (change, item, severity)) in cases.into_iter().enumerate() {
            let found = seen(&baseline, change);
            assert!(
                !found.is_empty() && found.iter().all(|f| *f == (item, severity)),
                "case {number}: {found:?}"
            );
        }
    }

    fn set(map: &mut std::collections::BTreeMap<String, String>, key: &str, value: &str) {
        map.insert(key.to_owned(), value.to_owned());
    }

    #[test]
    fn a_host_that_says_nothing_is_not_taken_for_a_good_one() {
        let baseline = baseline(Service::Bare);
        let silent = seen(&baseline, |posture| {
            posture.sshd.clear();
            posture.updaters.clear();
        });
        assert_eq!(silent, [(Item::SshdOption, Severity::Amber), (Item::Updater, Severity::Amber)]);
        // Not every image has every updater.
        assert_eq!(seen(&baseline, |p| drop(p.updaters.remove("unattended-upgrades.service"))), []);
        let nothing: Vec<_> = baseline.deviations(&Posture::default()).into_iter().map(|d| d.item).collect();
        for item in [
            Item::FirewallOff,
            Item::FirewallDefault,
            Item::FirewallIpv6,
            Item::FirewallRuleMissing,
            Item::SshdOption,
            Item::Updater,
            Item::AptPeriodic,
            Item::File,
        ] {
            assert!(nothing.contains(&item), "{item}");
        }
    }
}
