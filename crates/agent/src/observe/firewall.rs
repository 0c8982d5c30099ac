//! UFW as it says it is.

use wire::FirewallReport;

use super::text;
use crate::tool::Tool;

/// The most rules reported; a host of ours has a dozen.
const RULES: usize = 1_000;

/// UFW as it says it is.
pub async fn firewall() -> FirewallReport {
    let ufw = || Tool::new("/usr/sbin/ufw");
    // One after the other: both take ufw's lock.
    let Ok(status) = ufw().args(["status", "verbose"]).text().await else {
        let installed = std::path::Path::new("/usr/sbin/ufw").exists();
        return FirewallReport { installed, ..FirewallReport::default() };
    };
    let added = ufw().args(["show", "added"]).text().await.unwrap_or_default();
    let defaults = text::of("/etc/default/ufw").unwrap_or_default();
    FirewallReport {
        installed: true,
        active: is_active(&status),
        default_incoming: default_incoming(&status, &defaults),
        ipv6: assignment(&defaults, "IPV6").is_some_and(|value| value.eq_ignore_ascii_case("yes")),
        rules: rules(&added),
    }
}

fn is_active(status: &str) -> bool {
    status.lines().any(|line| line.trim() == "Status: active")
}

/// From `Default: deny (incoming), allow (outgoing), ..`; while inactive, from the
/// policy that would apply.
fn default_incoming(status: &str, defaults: &str) -> String {
    let told = status.lines().find_map(|line| line.strip_prefix("Default: ")).and_then(|policies| {
        policies.split(", ").find_map(|policy| policy.strip_suffix(" (incoming)")).map(str::to_owned)
    });
    told.unwrap_or_else(|| match assignment(defaults, "DEFAULT_INPUT_POLICY") {
        Some("DROP") => "deny".to_owned(),
        Some("REJECT") => "reject".to_owned(),
        Some("ACCEPT") => "allow".to_owned(),
        _ => String::new(),
    })
}

fn assignment<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    file.lines()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim_matches('"'))
}

fn rules(added: &str) -> Vec<String> {
    added.lines().filter_map(|line| line.strip_prefix("ufw ")).take(RULES).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_defaults_and_rules() {
        let status = "Status: active\nLogging: on (low)\nDefault: deny (incoming), allow (outgoing), disabled (routed)\n";
        assert!(is_active(status) && !is_active("Status: inactive\n"));
        assert_eq!(default_incoming(status, ""), "deny");
        assert_eq!(default_incoming("Status: inactive\n", "DEFAULT_INPUT_POLICY=\"DROP\"\n"), "deny");
        let added = "Added user rules (see 'ufw status' for running firewall):\nufw allow 22/tcp\nufw allow from 203.0.113.4 to any port 9099 proto tcp comment 'holdfast'\n";
        assert_eq!(rules(added)[0], "allow 22/tcp");
        assert_eq!(rules(added).len(), 2);
        assert_eq!(assignment("# IPV6=no\nIPV6=yes\n", "IPV6"), Some("yes"));
    }
}
