//! The firewall of a host as typed rules, and their rendering for UFW.
//!
//! Every rule names its family, port and source; there is none "for everything". The
//! same rules serve UFW and the provider's firewall in front of it. New rules are
//! always added before old ones go, so that no moment locks the control plane out.

use std::fmt;

use wire::{Action, FirewallRule, Purpose};

use crate::{Baseline, Family, InvalidNetwork, Network, Service};

/// What begins the comment of every rule of ours.
pub const TAG_PREFIX: &str = "holdfast:";

/// From where a connection comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Anyone in this family.
    Everyone(Family),
    /// This network.
    Only(Network),
}

impl Source {
    /// The family the rule is for.
    pub fn family(self) -> Family {
        match self {
            Self::Everyone(family) => family,
            Self::Only(network) => network.family(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone(Family::V4) => f.write_str("0.0.0.0/0"),
            Self::Everyone(Family::V6) => f.write_str("::/0"),
            Self::Only(network) => network.fmt(f),
        }
    }
}

/// One opening for incoming TCP. What no rule opens stays shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Why it is open; this decides the port and the tag.
    pub purpose: Purpose,
    /// What happens.
    pub action: Action,
    /// For whom.
    pub source: Source,
}

impl Rule {
    /// The command that adds it. Adding it again changes nothing.
    pub fn add(&self) -> UfwCommand {
        let mut command = self.words();
        command.0.extend(["comment".to_owned(), self.purpose.tag().to_owned()]);
        command
    }

    /// The command that takes it away. Without the rule it changes nothing.
    pub fn delete(&self) -> UfwCommand {
        let mut command = UfwCommand::of("--force delete");
        command.0.extend(self.words().0);
        command
    }

    fn words(&self) -> UfwCommand {
        let action = match self.action {
            Action::Allow => "allow",
            Action::Limit => "limit",
        };
        UfwCommand::of(&format!(
            "{action} proto tcp from {} to any port {}",
            self.source,
            self.purpose.port()
        ))
    }
}

impl From<Rule> for FirewallRule {
    fn from(rule: Rule) -> Self {
        Self { purpose: rule.purpose, action: rule.action, source: rule.source.to_string() }
    }
}

impl TryFrom<&FirewallRule> for Rule {
    type Error = InvalidNetwork;

    fn try_from(rule: &FirewallRule) -> Result<Self, InvalidNetwork> {
        let everyone = [Family::V4, Family::V6].map(Source::Everyone);
        let source = match everyone.into_iter().find(|source| source.to_string() == rule.source) {
            Some(source) => source,
            None => Source::Only(rule.source.parse()?),
        };
        Ok(Self { purpose: rule.purpose, action: rule.action, source })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words().fmt(f)
    }
}

/// The arguments of one call of `ufw`. None of them holds a blank or a character that
/// means something to a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UfwCommand(Vec<String>);

impl UfwCommand {
    fn of(words: &str) -> Self {
        Self(words.split(' ').map(str::to_owned).collect())
    }

    /// What shuts everything that no rule opens, and switches the firewall on.
    pub fn shut_the_rest() -> [Self; 4] {
        ["default deny incoming", "default deny routed", "default allow outgoing", "--force enable"]
            .map(Self::of)
    }

    /// The arguments, without `ufw` itself.
    pub fn args(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for UfwCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// A line of `ufw show added`, as far as it is of a form this crate understands.
///
/// That listing writes a rule for everyone without its family (`allow 443/tcp`), even
/// if only one family has it; which families are open is for a scan from outside to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedRule {
    /// What happens, such as `allow` or `deny`.
    pub action: String,
    /// The TCP port.
    pub port: u16,
    /// False for a form that Holdfast never writes: one for UDP as well, or one by the
    /// name of a service.
    pub plain: bool,
    /// For whom; none is everyone.
    pub source: Option<Network>,
    /// The comment, empty when there is none.
    pub comment: String,
}

impl AddedRule {
    /// Reads one line, without the leading `ufw `. None for a rule of another form,
    /// such as one for UDP alone or for an interface.
    pub fn parse(line: &str) -> Option<Self> {
        let (rule, comment) = match line.split_once(" comment '") {
            Some((rule, comment)) => (rule, comment.strip_suffix('\'')?),
            None => (line.trim_end(), ""),
        };
        let words: Vec<_> = rule.split(' ').collect();
        let mut plain = true;
        let (action, port, source) = match words[..] {
            // The application profile that openssh-server brings; images like to use it.
            [action, "OpenSSH"] => {
                plain = false;
                (action, "22", None)
            }
            [action, port] => {
                plain = port.ends_with("/tcp");
                (action, port.strip_suffix("/tcp").unwrap_or(port), None)
            }
            [action, "from", source, "to", "any", "port", port, "proto", "tcp"] => {
                (action, port, Some(source.parse().ok()?))
            }
            _ => return None,
        };
        let port = port.parse().ok()?;
        Some(Self { action: action.to_owned(), port, plain, source, comment: comment.to_owned() })
    }

    /// Whether it opens the port to everyone.
    pub fn is_open_to_everyone(&self) -> bool {
        self.source.is_none() && matches!(self.action.as_str(), "allow" | "limit")
    }

    /// The rules of ours that this line stands for; two when it is for everyone.
    fn rules(&self) -> Vec<Rule> {
        let Some(purpose) = Purpose::ALL.into_iter().find(|purpose| purpose.port() == self.port) else {
            return Vec::new();
        };
        let action = match self.action.as_str() {
            "allow" => Action::Allow,
            "limit" => Action::Limit,
            _ => return Vec::new(),
        };
        let sources = match self.source {
            Some(network) => vec![Source::Only(network)],
            None => vec![Source::Everyone(Family::V4), Source::Everyone(Family::V6)],
        };
        sources.into_iter().map(|source| Rule { purpose, action, source }).collect()
    }

    /// Whether it stands for this rule, tag and all.
    pub(crate) fn covers(&self, rule: &Rule) -> bool {
        self.plain && self.comment == rule.purpose.tag() && self.rules().contains(rule)
    }
}

impl Baseline {
    /// Every opening of the host, in a fixed order, without doubles.
    pub fn firewall(&self) -> Vec<Rule> {
        const EVERYONE: [Source; 2] = [Source::Everyone(Family::V4), Source::Everyone(Family::V6)];
        let control_plane = || self.control_plane().iter().map(|network| Source::Only(*network));
        let rule = |purpose, action| move |source| Rule { purpose, action, source };

        let mut rules: Vec<_> = control_plane().map(rule(Purpose::Agent, Action::Allow)).collect();
        match self.description().admin_networks.as_slice() {
            [] => rules.extend(EVERYONE.map(rule(Purpose::Ssh, Action::Limit))),
            networks => {
                rules.extend(networks.iter().map(|n| Source::Only(*n)).map(rule(Purpose::Ssh, Action::Allow)))
            }
        }
        match self.description().service {
            Service::Bare => {}
            Service::Minio => rules.extend(EVERYONE.map(rule(Purpose::Https, Action::Allow))),
            Service::Postgres => {
                let tenants = self.description().tenant_networks.iter();
                // The control plane may itself be on somebody's list.
                let tenants = tenants.filter(|network| !self.control_plane().contains(network));
                let callers = control_plane().chain(tenants.map(|network| Source::Only(*network)));
                rules.extend(callers.map(rule(Purpose::Postgres, Action::Allow)));
            }
        }
        rules
    }

    /// Everything that brings a host with a fresh UFW under this baseline: the
    /// openings first, then the default, then the switch.
    pub fn firewall_setup(&self) -> Vec<UfwCommand> {
        self.firewall().iter().map(Rule::add).chain(UfwCommand::shut_the_rest()).collect()
    }
}

/// What brings a host whose `ufw show added` prints these lines to these rules: first every
/// missing rule is added, then every rule with a tag of ours that is no longer wanted goes.
/// Rules of others are left alone. The defaults and the switch are not in it.
pub fn firewall_changes(wanted: &[Rule], added: &[String]) -> Vec<UfwCommand> {
    let parsed: Vec<_> = added.iter().filter_map(|line| AddedRule::parse(line)).collect();
    let missing = wanted.iter().filter(|rule| !parsed.iter().any(|line| line.covers(rule)));
    // A rule with the right effect and another tag of ours is retagged by adding it.
    let surplus = tagged_rules(added).into_iter().filter(|rule| !wanted.contains(rule));
    missing.map(Rule::add).chain(surplus.map(|rule| rule.delete())).collect()
}

/// The rules of ours among the lines that `ufw show added` prints.
pub fn tagged_rules(added: &[String]) -> Vec<Rule> {
    let added = added.iter().filter_map(|line| AddedRule::parse(line));
    let ours = added.filter(|line| line.comment.starts_with(TAG_PREFIX));
    ours.flat_map(|line| line.rules()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::tests::{baseline, open_to_ssh};

    fn text(commands: &[UfwCommand]) -> Vec<String> {
        commands.iter().map(UfwCommand::to_string).collect()
    }

    const AGENT: [&str; 2] = [
        "allow proto tcp from 203.0.113.4 to any port 9099 comment holdfast:agent",
        "allow proto tcp from 2001:db8::4 to any port 9099 comment holdfast:agent",
    ];
    const SSH: [&str; 2] = [
        "allow proto tcp from 198.51.100.0/24 to any port 22 comment holdfast:ssh",
        "allow proto tcp from 2001:db8:a::/48 to any port 22 comment holdfast:ssh",
    ];
    const SSH_OPEN: [&str; 2] = [
        "limit proto tcp from 0.0.0.0/0 to any port 22 comment holdfast:ssh",
        "limit proto tcp from ::/0 to any port 22 comment holdfast:ssh",
    ];
    const HTTPS: [&str; 2] = [
        "allow proto tcp from 0.0.0.0/0 to any port 443 comment holdfast:https",
        "allow proto tcp from ::/0 to any port 443 comment holdfast:https",
    ];
    const POSTGRES: [&str; 4] = [
        "allow proto tcp from 203.0.113.4 to any port 5432 comment holdfast:postgres",
        "allow proto tcp from 2001:db8::4 to any port 5432 comment holdfast:postgres",
        "allow proto tcp from 192.0.2.0/28 to any port 5432 comment holdfast:postgres",
        "allow proto tcp from 2001:db8:7::/64 to any port 5432 comment holdfast:postgres",
    ];
    const ENDS: [&str; 4] =
        ["default deny incoming", "default deny routed", "default allow outgoing", "--force enable"];

    #[test]
    fn h3_rules_per_service() {
        for (baseline, expected) in [
            (baseline(Service::Bare), [&AGENT[..], &SSH, &ENDS].concat()),
            (open_to_ssh(Service::Bare), [&AGENT[..], &SSH_OPEN, &ENDS].concat()),
            (baseline(Service::Minio), [&AGENT[..], &SSH, &HTTPS, &ENDS].concat()),
            (baseline(Service::Postgres), [&AGENT[..], &SSH, &POSTGRES, &ENDS].concat()),
            (open_to_ssh(Service::Postgres), [&AGENT[..], &SSH_OPEN, &POSTGRES, &ENDS].concat()),
        ] {
            assert_eq!(text(&baseline.firewall_setup()), expected, "{:?}", baseline.description().service);
        }
    }

    #[test]
    fn no_service_ever_opens_the_database_or_the_agent_to_everyone() {
        for service in [Service::Bare, Service::Minio, Service::Postgres] {
            for rule in open_to_ssh(service).firewall() {
                let guarded = matches!(rule.purpose, Purpose::Postgres | Purpose::Agent);
                assert!(!(guarded && matches!(rule.source, Source::Everyone(_))), "{rule}");
            }
        }
    }

    #[test]
    fn a_rule_travels_and_odd_ones_do_not_arrive() {
        for rule in open_to_ssh(Service::Postgres).firewall() {
            assert_eq!(Rule::try_from(&FirewallRule::from(rule)), Ok(rule));
        }
        for bad in
            ["any", "0.0.0.0/1", "203.0.113.7/24", "::ffff:203.0.113.7", "", "1.2.3.4; reboot", "--force"]
        {
            let rule =
                FirewallRule { purpose: Purpose::Agent, action: Action::Allow, source: bad.to_owned() };
            assert!(Rule::try_from(&rule).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_argument_is_one_plain_word() {
        for command in open_to_ssh(Service::Minio).firewall_setup() {
            for word in command.args() {
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'/' | b'-');
                assert!(!word.is_empty() && word.bytes().all(plain), "{word:?}");
            }
        }
    }

    // As ufw 0.36.2 of Debian 12 prints it.
    const ADDED: [&str; 8] = [
        "limit 22/tcp comment 'holdfast:ssh'",
        "allow from 203.0.113.4 to any port 9099 proto tcp comment 'holdfast:agent'",
        "allow from 203.0.113.9 to any port 9099 proto tcp comment 'holdfast:agent'",
        "allow 80/tcp",
        "allow OpenSSH",
        "deny 25",
        "allow from 192.0.2.1 to any port 22 proto tcp",
        "allow from 2001:db8::4 to any port 9099 proto tcp comment 'holdfast:agent'",
    ];

    #[test]
    fn h6_changes_add_before_they_remove_and_leave_the_rules_of_others() {
        let added = ADDED.map(str::to_owned);
        assert_eq!(
            text(&firewall_changes(&baseline(Service::Bare).firewall(), &added)),
            [
                SSH[0],
                SSH[1],
                "--force delete limit proto tcp from 0.0.0.0/0 to any port 22",
                "--force delete limit proto tcp from ::/0 to any port 22",
                "--force delete allow proto tcp from 203.0.113.9 to any port 9099",
            ]
        );
    }

    #[test]
    fn nothing_is_left_to_change_once_the_rules_are_there() {
        let added: Vec<_> = ["limit 22/tcp comment 'holdfast:ssh'", ADDED[1], ADDED[7]]
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert_eq!(firewall_changes(&open_to_ssh(Service::Bare).firewall(), &added), []);
        // A tagged rule that also opens UDP is not the one described.
        let mut wider = added;
        wider[0] = "limit 22 comment 'holdfast:ssh'".to_owned();
        assert_eq!(text(&firewall_changes(&open_to_ssh(Service::Bare).firewall(), &wider)), SSH_OPEN);
    }

    #[test]
    fn reads_what_ufw_prints_and_owns_up_to_the_rest() {
        let rule = AddedRule::parse(ADDED[0]).expect("a rule");
        assert!(rule.is_open_to_everyone());
        assert_eq!((rule.port, rule.comment.as_str()), (22, "holdfast:ssh"));
        assert!(!AddedRule::parse(ADDED[1]).expect("a rule").is_open_to_everyone());
        for open in ["allow OpenSSH", "allow 22", "limit 22/tcp"] {
            let rule = AddedRule::parse(open).expect("a rule");
            assert!(rule.is_open_to_everyone() && rule.port == 22, "{open}");
        }
        for unknown in ["allow 53/udp", "allow in on eth0 to any port 53", "", "allow 22/tcp comment 'x"] {
            assert_eq!(AddedRule::parse(unknown), None, "{unknown}");
        }
    }
}
