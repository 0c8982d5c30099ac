//! The security document names every item of the hardening with its reason. On failure
//! the missing part is printed, to be put in.

use baseline::{
    AUDIT_RULES, BLOCKED_MODULES, GUARDS, LOGIN_DEFAULTS, MOUNT_OPTIONS, NEEDED_PACKAGES, PERMISSIONS,
    SSHD_ALGORITHMS, SSHD_OPTIONS, SYSCTLS,
};

fn lines() -> Vec<String> {
    let row = |item: String, why: &str| format!("| `{item}` | {why} |");
    let mut lines: Vec<String> = SYSCTLS
        .iter()
        .map(|item| row(format!("{} = {}", item.key, item.value.replace('\t', " ")), item.why))
        .collect();
    lines.extend(BLOCKED_MODULES.iter().map(|item| row(item.name.to_owned(), item.why)));
    lines.extend(MOUNT_OPTIONS.iter().map(|item| row(format!("{} {}", item.place, item.option), item.why)));
    lines.extend(PERMISSIONS.iter().map(|item| row(format!("{} {:04o}", item.path, item.mode), item.why)));
    lines.extend(LOGIN_DEFAULTS.iter().map(|item| row(format!("{} {}", item.key, item.value), item.why)));
    lines.extend(AUDIT_RULES.iter().map(|item| row(item.rule.to_owned(), item.why)));
    lines.extend(NEEDED_PACKAGES.iter().map(|item| row(item.name.to_owned(), item.why)));
    lines.extend(GUARDS.iter().map(|item| row(item.units.join(", "), item.duty)));
    lines
}

#[test]
fn every_item_is_in_the_security_document() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SECURITY.md"));
    let document = document.expect("the document is there");
    let missing: Vec<String> = lines().into_iter().filter(|line| !document.contains(line.as_str())).collect();
    assert!(missing.is_empty(), "docs/SECURITY.md lacks:\n{}", missing.join("\n"));
    for (option, _) in SSHD_OPTIONS {
        assert!(
            document.contains(&format!("`{option}`")),
            "docs/SECURITY.md lacks the option {option} of sshd"
        );
    }
    for (option, _, _) in SSHD_ALGORITHMS {
        assert!(
            document.contains(&format!("`{option}`")),
            "docs/SECURITY.md lacks the option {option} of sshd"
        );
    }
}
