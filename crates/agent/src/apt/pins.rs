//! Writes apt_preferences(5) that make `dist-upgrade` do exactly what a plan says, or
//! prefer security archives.
//!
//! Named versions on the command line would do it too, but turn packages that came as
//! dependencies into wanted ones.

use std::fmt::Write;

use wire::{PackageName, PackageVersion, UpgradePlan};

/// Only these versions, everything else as it is now. 1001 wins over all; 990 for what
/// is installed wins over every archive.
pub fn exactly(plan: &UpgradePlan) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        pin(&mut text, &change.name, &change.to);
    }
    text.push_str("Package: *\nPin: release a=now\nPin-Priority: 990\n");
    text
}

/// Security archives before all others: otherwise a newer version in the main archive
/// would hide the fix. `codename` is the release's, such as `noble`.
pub fn security_first(codename: &str) -> String {
    let mut text = String::from("Package: *\nPin: release l=Debian-Security\nPin-Priority: 990\n\n");
    if codename.bytes().all(|b| b.is_ascii_lowercase()) && !codename.is_empty() {
        // A String cannot fail to be written to.
        let _ = writeln!(text, "Package: *\nPin: release o=Ubuntu,a={codename}-security\nPin-Priority: 990");
    }
    text
}

fn pin(text: &mut String, name: &PackageName, version: &PackageVersion) {
    let _ = writeln!(text, "Package: {name}\nPin: version {version}\nPin-Priority: 1001\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_every_change_and_keeps_the_rest() {
        let plan = UpgradePlan {
            changes: vec![wire::PackageChange {
                name: "openssl".parse().unwrap(),
                architecture: "amd64".into(),
                from: None,
                to: "3.0.17-1".parse().unwrap(),
                security: true,
            }],
            ..UpgradePlan::default()
        };
        let text = exactly(&plan);
        assert!(text.starts_with("Package: openssl\nPin: version 3.0.17-1\nPin-Priority: 1001\n\n"));
        assert!(text.ends_with("Package: *\nPin: release a=now\nPin-Priority: 990\n"));
        assert!(!security_first("x\nPackage: evil").contains("evil"));
    }
}
