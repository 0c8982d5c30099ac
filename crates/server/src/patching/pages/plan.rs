//! What a run was approved to do, as its page shows it.

use serde_json::Value;
use wire::{PackageChange, Probe};

use crate::{
    hosts::ProvisionPlan,
    pages::bytes,
    patching::{PatchPlan, RebootPlan, RollbackPlan, SnapshotChoice},
};

/// A plan in words, and the packages it changes.
#[derive(Debug, Default)]
pub struct PlanView {
    /// Name and value.
    pub facts: Vec<(&'static str, String)>,
    /// Ways back, quickest first.
    pub ways_back: Vec<String>,
    /// Packages that change.
    pub changes: Vec<PackageChange>,
    /// What must work after.
    pub probes: Vec<String>,
    /// Another run that it is about.
    pub other_run: Option<String>,
}

impl PlanView {
    /// The plan of a run of this kind. One that cannot be read shows nothing: the run
    /// parks itself and says so.
    pub fn of(kind: &str, plan: &Value) -> Self {
        match kind {
            "patch" => read(plan).map(patch),
            "reboot" => read(plan).map(reboot),
            "rollback" => read(plan).map(rollback),
            "provision" => read(plan).map(provision),
            _ => None,
        }
        .unwrap_or_default()
    }
}

fn read<T: serde::de::DeserializeOwned>(plan: &Value) -> Option<T> {
    serde_json::from_value(plan.clone()).ok()
}

fn patch(plan: PatchPlan) -> PlanView {
    let scope = match plan.scope {
        wire::UpgradeScope::Security => "security updates and what they depend on",
        wire::UpgradeScope::All => "all updates that apt offers",
    };
    let snapshot = match &plan.snapshot {
        SnapshotChoice::Take => "taken before anything is installed".to_owned(),
        SnapshotChoice::Skip { reason } => format!("skipped: {reason}"),
    };
    PlanView {
        facts: vec![
            ("Takes in", scope.to_owned()),
            ("Disk snapshot", snapshot),
            ("To download", bytes(plan.upgrade.download_bytes)),
            ("Space needed", bytes(plan.upgrade.needed_bytes)),
        ],
        ways_back: plan.ways_back(),
        probes: in_words(&plan.probes),
        changes: plan.upgrade.changes,
        other_run: None,
    }
}

fn reboot(plan: RebootPlan) -> PlanView {
    PlanView {
        facts: vec![("Reboots", plan.name.to_string())],
        probes: in_words(&plan.probes),
        ..PlanView::default()
    }
}

fn rollback(plan: RollbackPlan) -> PlanView {
    let packages = match plan.way.staged {
        Some(_) => "the former packages that the run kept",
        None => "no former packages were kept",
    };
    let snapshot = match &plan.way.snapshot {
        Some(name) => format!("the disk snapshot `{name}`, last; what was written since is lost"),
        None => "no disk snapshot".to_owned(),
    };
    PlanView {
        facts: vec![("Puts back", format!("`{}` as it was before the run", plan.name))],
        ways_back: vec![packages.to_owned(), snapshot],
        probes: in_words(&plan.way.probes),
        other_run: Some(plan.patch.to_string()),
        ..PlanView::default()
    }
}

fn provision(plan: ProvisionPlan) -> PlanView {
    let service = match plan.baseline.service {
        baseline::Service::Bare => "nothing but the hardened host",
        baseline::Service::Minio => "MinIO",
        baseline::Service::Postgres => "PostgreSQL",
    };
    let tenancy = match plan.baseline.tenancy {
        baseline::Tenancy::Dedicated => "one tenant alone",
        baseline::Tenancy::Shared => "many tenants share it",
    };
    PlanView {
        facts: vec![
            ("Makes", plan.name.to_string()),
            ("At", plan.provider),
            ("System", plan.release.to_string()),
            ("For", service.to_owned()),
            ("Tenancy", tenancy.to_owned()),
            ("Time zone", plan.baseline.time_zone),
        ],
        ..PlanView::default()
    }
}

fn in_words(probes: &[Probe]) -> Vec<String> {
    let words = probes.iter().map(|probe| match probe {
        Probe::UnitActive { unit } => format!("`{unit}` is active"),
        Probe::HttpOk { address, port, path } => {
            format!("http://{}{path} answers 200", std::net::SocketAddr::new(*address, *port))
        }
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    #[test]
    fn a_skipped_snapshot_says_why() {
        let mut plan: PatchPlan =
            serde_json::from_value(samples::run("patch", runs::Status::Active, None).record.plan).unwrap();
        plan.snapshot = SnapshotChoice::Skip { reason: "the provider has none".to_owned() };
        let view = PlanView::of("patch", &serde_json::to_value(&plan).unwrap());
        assert!(view.facts.contains(&("Disk snapshot", "skipped: the provider has none".to_owned())));
        assert_eq!(view.ways_back.last().unwrap(), "no disk snapshot: the provider has none");
        assert_eq!(view.changes.len(), 2);
    }

    #[test]
    fn an_unreadable_plan_shows_nothing() {
        let view = PlanView::of("patch", &serde_json::json!({"odd": 1}));
        assert!(view.facts.is_empty() && view.changes.is_empty());
    }
}
