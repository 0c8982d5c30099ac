//! `/etc/os-release`, os-release(5): shell-like assignments.

use wire::OsRelease;

use super::text;

pub(super) fn os_release() -> OsRelease {
    let file = text::of("/etc/os-release").or_else(|| text::of("/usr/lib/os-release")).unwrap_or_default();
    parse(&file)
}

fn parse(file: &str) -> OsRelease {
    let field = |name: &str| {
        file.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
            .unwrap_or_default()
    };
    OsRelease { id: field("ID"), version_id: field("VERSION_ID"), pretty_name: field("PRETTY_NAME") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_quoted_and_plain_values() {
        let found =
            super::parse("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n");
        assert_eq!((found.id.as_str(), found.version_id.as_str()), ("debian", "12"));
        assert_eq!(found.pretty_name, "Debian GNU/Linux 12 (bookworm)");
    }
}
