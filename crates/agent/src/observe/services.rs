//! Units of systemd, as systemctl(1) tells of them.

use std::collections::BTreeSet;

use crate::tool::{Tool, ToolError};

/// Services in sub-state `running`, without those that come and go with a login, a
/// job or a timer.
pub async fn running_services() -> Result<BTreeSet<String>, ToolError> {
    let all = list(&["list-units", "--type=service", "--state=running"]).await?;
    let passing = |unit: &String| {
        unit == crate::install::CERTIFICATE_UNIT
            || unit.starts_with("user@")
            || unit.starts_with("holdfast-job-")
            || unit.starts_with("run-")
    };
    Ok(all.into_iter().filter(|unit| !passing(unit)).collect())
}

/// Units in state `failed`; none where systemd does not run.
pub(super) async fn failed_units() -> Vec<String> {
    list(&["list-units", "--state=failed"]).await.unwrap_or_default().into_iter().collect()
}

/// Whether a unit is active now.
pub async fn unit_is_active(unit: &str) -> Result<bool, ToolError> {
    let state =
        Tool::new("/usr/bin/systemctl").args(["show", "--property=ActiveState", "--value", "--", unit]);
    Ok(state.text().await?.trim() == "active")
}

async fn list(arguments: &[&str]) -> Result<BTreeSet<String>, ToolError> {
    let text =
        Tool::new("/usr/bin/systemctl").args(arguments).args(["--all", "--no-legend", "--plain", "--full"]);
    Ok(names(&text.text().await?))
}

fn names(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_the_first_column() {
        let text = "ssh.service loaded failed failed OpenBSD Secure Shell server\ncron.service loaded failed failed x\n";
        assert_eq!(super::names(text).into_iter().collect::<Vec<_>>(), ["cron.service", "ssh.service"]);
    }
}
