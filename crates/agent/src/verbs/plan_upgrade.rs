//! `plan_upgrade`: finds, by apt's own simulation, exactly what an upgrade would
//! change, and proves that pinning those versions changes nothing else.

use std::{collections::BTreeSet, path::Path, time::Duration};

use wire::{Failure, Outcome, PackageChange, UpgradePlan, UpgradeScope};

use super::{impossible, internal, reserve, some};
use crate::{
    apt::{
        self, pins,
        records::Records,
        simulation::{self, Install, Simulation},
    },
    durable,
    jobs::Job,
    tool::Tool,
};

/// For the lists that are saved beside the packages.
const LISTS_BYTES: u64 = 32 << 20;

pub(super) async fn perform(job: &Job, scope: UpgradeScope) -> Result<Outcome, Failure> {
    job.progress(0.0, "Simulating the upgrade");
    let folder = job.places.job(&job.key);
    let found = match scope {
        UpgradeScope::All => simulate(apt::simulation().arg("dist-upgrade")).await?,
        UpgradeScope::Security => security(&folder).await?,
    };
    if !found.removes.is_empty() {
        return Err(impossible(format!(
            "the upgrade would remove {}; such an upgrade is a person's decision",
            some(&found.removes)
        )));
    }
    let mut plan = UpgradePlan { changes: changes(&found), ..UpgradePlan::default() };
    if !plan.changes.is_empty() {
        job.progress(50.0, "Checking that the plan is exact");
        let pins = folder.join("pins");
        durable::replace(&pins, pins::exactly(&plan).as_bytes(), 0o644).map_err(internal)?;
        let again = simulate(apt::with_preferences(apt::simulation(), &pins).arg("dist-upgrade")).await?;
        if let Some(difference) = difference(&plan, &again) {
            return Err(impossible(format!("apt cannot carry out exactly this plan: {difference}")));
        }
        weigh(&mut plan).await?;
    }
    job.log(&format!("{} packages would change", plan.changes.len()));
    Ok(Outcome::Planned { plan })
}

/// The fixes of security archives, and what apt must change beside for them.
async fn security(folder: &Path) -> Result<Simulation, Failure> {
    let codename = codename().await;
    let preferences = folder.join("preferences");
    durable::replace(&preferences, pins::security_first(&codename).as_bytes(), 0o644).map_err(internal)?;
    let with = |tool| apt::with_preferences(tool, &preferences);
    let all = simulate(with(apt::simulation()).arg("dist-upgrade")).await?;
    let fixes: Vec<String> = all
        .installs
        .iter()
        .filter(|install| install.is_security())
        .map(|install| format!("{}={}", install.name, install.to))
        .collect();
    if fixes.is_empty() {
        return Ok(Simulation::default());
    }
    simulate(with(apt::simulation()).arg("install").args(fixes)).await
}

async fn codename() -> String {
    let file = durable::read_bounded("/etc/os-release".as_ref(), 64 << 10).unwrap_or_default();
    let file = String::from_utf8_lossy(&file).into_owned();
    file.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default().to_owned()
}

/// Runs a simulation. A broken set of packages makes apt refuse, which is no fault of ours.
pub(super) async fn simulate(tool: Tool) -> Result<Simulation, Failure> {
    let text = tool.text().await.map_err(|error| impossible(format!("apt cannot plan: {error}")))?;
    simulation::parse(&text).map_err(internal)
}

fn changes(found: &Simulation) -> Vec<PackageChange> {
    found.installs.iter().map(change).collect()
}

fn change(install: &Install) -> PackageChange {
    PackageChange {
        name: install.name.clone(),
        architecture: install.architecture.clone(),
        from: install.from.clone(),
        to: install.to.clone(),
        security: install.is_security(),
    }
}

/// How a simulation differs from a plan, in a few words; none when it does not.
pub(super) fn difference(plan: &UpgradePlan, found: &Simulation) -> Option<String> {
    let told = |name: &wire::PackageName, to: &wire::PackageVersion| format!("{name} {to}");
    let planned: BTreeSet<String> =
        plan.changes.iter().map(|change| told(&change.name, &change.to)).collect();
    let now: BTreeSet<String> =
        found.installs.iter().map(|install| told(&install.name, &install.to)).collect();
    let mut parts = Vec::new();
    for (words, set) in [("it no longer takes in", &planned - &now), ("it also takes in", &now - &planned)] {
        if !set.is_empty() {
            parts.push(format!("{words} {}", some(set)));
        }
    }
    if !found.removes.is_empty() {
        parts.push(format!("it removes {}", some(&found.removes)));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Fills in sizes, and which former versions can no longer be had.
async fn weigh(plan: &mut UpgradePlan) -> Result<(), Failure> {
    let records = records(plan).await?;
    let (mut former, mut growth, mut largest) = (0, 0_u64, 0);
    for change in &plan.changes {
        let to = records.get(change.name.as_str(), change.to.as_str()).cloned().unwrap_or_default();
        plan.download_bytes += to.size.unwrap_or_default();
        largest = to.installed_bytes.max(largest);
        let Some(from) = &change.from else {
            growth += to.installed_bytes;
            continue;
        };
        let from_record = records.get(change.name.as_str(), from.as_str()).cloned().unwrap_or_default();
        growth += to.installed_bytes.saturating_sub(from_record.installed_bytes);
        match from_record.size.or_else(|| cached(change).and_then(|path| Some(path.metadata().ok()?.len()))) {
            Some(size) => former += size,
            None => plan.former_unavailable.push(change.name.clone()),
        }
    }
    // dpkg keeps the old files of one package beside the new ones while it unpacks it.
    plan.needed_bytes = plan.download_bytes + former + growth + largest + LISTS_BYTES + reserve::BYTES;
    Ok(())
}

/// Records of the new and the former versions of a plan, in one question to apt.
pub(super) async fn records(plan: &UpgradePlan) -> Result<Records, Failure> {
    let versions = plan.changes.iter().flat_map(|change| {
        let from = change.from.iter().map(|from| format!("{}={from}", change.name));
        from.chain([format!("{}={}", change.name, change.to)]).collect::<Vec<_>>()
    });
    let shown = Tool::new("/usr/bin/apt-cache")
        .option("Dir::Cache::pkgcache", "")
        .option("Dir::Cache::srcpkgcache", "")
        .args(["show", "--no-all-versions"])
        .args(versions)
        .limit(Duration::from_secs(120))
        .run()
        .await
        .map_err(internal)?;
    // A version that no list names any more makes apt-cache complain after it has shown
    // the others: that version is then simply without a record.
    Ok(Records::parse(&shown.out))
}

/// The former package in apt's own cache, where nobody has cleaned it.
pub(super) fn cached(change: &PackageChange) -> Option<std::path::PathBuf> {
    let version = change.from.as_ref()?.as_str().replace(':', "%3a");
    let name = change.name.as_str().split(':').next()?;
    let path =
        Path::new("/var/cache/apt/archives").join(format!("{name}_{version}_{}.deb", change.architecture));
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_grew_shrank_or_removes_is_told() {
        let parse = |text: &str| simulation::parse(text).unwrap();
        let plan = UpgradePlan {
            changes: changes(&parse("Inst a1 [1] (2 X:1/y [amd64])\nInst b1 [1] (2 X:1/y [amd64])\n")),
            ..UpgradePlan::default()
        };
        assert_eq!(difference(&plan, &parse("Inst b1 [1] (2 X [amd64])\nInst a1 [1] (2 X [amd64])\n")), None);
        let told = difference(&plan, &parse("Inst a1 [1] (3 X [amd64])\nRemv c1 [1]\n")).unwrap();
        assert_eq!(told, "it no longer takes in a1 2, b1 2; it also takes in a1 3; it removes c1");
    }
}
