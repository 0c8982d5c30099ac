//! What a baseline compares itself with. Needs root for most of it; what cannot be
//! seen is empty, which no baseline mistakes for good.

use std::collections::BTreeMap;

use base::Sha256;
use baseline::{UPDATER_UNITS, WATCHED_FILES};
use wire::Posture;

use super::{firewall::firewall, hardening::hardening};
use crate::{durable, tool::Tool};

/// A configuration file of a person; larger ones are not of a baseline.
const FILE_BYTES: u64 = 1 << 20;

/// Observes what the hardening of this host is based on.
pub async fn posture() -> Posture {
    let (firewall, sshd, updaters, periodic, hardening) = tokio::join!(
        firewall(),
        Tool::new("/usr/sbin/sshd").arg("-T").text(),
        updaters(),
        Tool::new("/usr/bin/apt-config").args(["dump", "APT::Periodic"]).text(),
        hardening(),
    );
    Posture {
        firewall,
        sshd: sshd.map(|text| options(&text)).unwrap_or_default(),
        updaters,
        apt_periodic: periodic.map(|text| settings(&text)).unwrap_or_default(),
        files: files(),
        hardening: Some(hardening),
    }
}

async fn updaters() -> BTreeMap<String, String> {
    let text = Tool::new("/usr/bin/systemctl")
        .args(["show", "--property=Id,LoadState,UnitFileState"])
        .args(UPDATER_UNITS)
        .text()
        .await;
    text.map(|text| unit_states(&text)).unwrap_or_default()
}

/// Paragraphs of `Id=`, `LoadState=`, `UnitFileState=`. A unit that is not there is left
/// out.
pub(super) fn unit_states(text: &str) -> BTreeMap<String, String> {
    text.split("\n\n")
        .filter_map(|paragraph| {
            let field =
                |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            (field("LoadState")? != "not-found")
                .then(|| Some((field("Id")?.to_owned(), field("UnitFileState")?.to_owned())))?
        })
        .collect()
}

/// `option value` a line; repeated options are joined by a space, as for `AllowUsers`.
fn options(text: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (option, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        let known = found.entry(option.to_ascii_lowercase()).or_default();
        if !known.is_empty() {
            known.push(' ');
        }
        known.push_str(value.trim());
    }
    found
}

/// `APT::Periodic::Enable "1";` a line.
fn settings(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name.to_owned(), value.trim_end_matches(';').trim_matches('"').to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn files() -> BTreeMap<String, Sha256> {
    WATCHED_FILES
        .iter()
        .filter_map(|path| {
            let bytes = durable::read_bounded(path.as_ref(), FILE_BYTES).ok()?;
            Some(((*path).to_owned(), Sha256::of(&bytes)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sshd_units_and_apt_settings() {
        let sshd = options("port 22\nallowusers root\nallowusers ops\nPasswordAuthentication no\n");
        assert_eq!(sshd["allowusers"], "root ops");
        assert_eq!(sshd["passwordauthentication"], "no");
        let units = unit_states(
            "Id=apt-daily.timer\nLoadState=masked\nUnitFileState=masked\n\nId=x.service\nLoadState=not-found\nUnitFileState=\n",
        );
        assert_eq!(units.len(), 1);
        assert_eq!(units["apt-daily.timer"], "masked");
        let apt = settings("APT::Periodic \"\";\nAPT::Periodic::Unattended-Upgrade \"0\";\n");
        assert_eq!(apt["APT::Periodic::Unattended-Upgrade"], "0");
        assert_eq!(apt.len(), 1);
    }
}
