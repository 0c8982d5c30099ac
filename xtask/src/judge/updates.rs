//! Security updates that are offered and not installed, as the host's own apt says.

use anyhow::Result;

use super::{Failure, Judgement, host::JudgedHost};

/// Counts them. The lists are those the host has, and apt keeps no cache of them: either
/// would change its disk.
pub fn judge(host: &JudgedHost) -> Result<Judgement> {
    let simulated = host.exec(
        "apt-get -q -s -o Debug::NoLocking=1 -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= dist-upgrade",
    )?;
    let apt = host.exec("apt-get --version | head -n 1")?;
    let listed = host.exec("date -u -d @$(stat -c %Y /var/lib/apt/lists) +%FT%TZ")?;
    let failed: Vec<Failure> = pending(&simulated)
        .into_iter()
        .map(|package| Failure {
            what: package,
            why: "an update of the security archive is pending".to_owned(),
        })
        .collect();
    Ok(Judgement {
        judge: format!("{} with lists of {}", apt.trim(), listed.trim()),
        said: format!("{} pending security updates", failed.len()),
        target: "0",
        reached: failed.is_empty(),
        failed,
        notes: Vec::new(),
    })
}

/// `Inst openssl [3.0.15-1] (3.0.17-1 Debian-Security:12/stable-security [amd64])` a line.
fn pending(simulated: &str) -> Vec<String> {
    simulated
        .lines()
        .filter_map(|line| line.strip_prefix("Inst "))
        .filter(|rest| rest.contains("-Security:") || rest.contains("-security "))
        .filter_map(|rest| rest.split(' ').next().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_security_archive_counts() {
        let simulated = "Inst tzdata [1] (2 Debian:12.9/stable [all])\nInst openssl [1] (2 Debian-Security:12/stable-security [amd64])\nConf openssl (2 Debian-Security:12/stable-security [amd64])\n";
        assert_eq!(pending(simulated), ["openssl"]);
    }
}
