//! What each verb does to a simulated host's disk. The order is the real one: look,
//! refuse with nothing changed, then act.

use base::Sha256;
use jiff::Timestamp;
use wire::{
    Failure, FailureKind, FirewallRule, JobKey, Outcome, PackageChange, PackageStatus, PendingUpdate, Probe,
    Purpose, RepairFile, UpgradePlan, UpgradeScope,
};

use crate::{
    Effects, Fault, Update,
    disk::{Disk, Staging},
    fault::Faults,
    packages::installed,
};

/// Everything a verb may touch.
pub(crate) struct Work<'a> {
    pub disk: &'a mut Disk,
    pub archive: &'a [Update],
    pub faults: &'a mut Faults,
    pub effects: &'a mut Effects,
    pub now: Timestamp,
}

type Done = Result<Outcome, Failure>;

fn failed(kind: FailureKind, message: impl Into<String>) -> Done {
    Err(Failure { kind, message: message.into() })
}

/// What `apt-get -s dist-upgrade` would offer.
pub(crate) fn pending(disk: &Disk) -> Vec<PendingUpdate> {
    let newer = |update: &&Update| disk.package(&update.name).is_none_or(|p| p.version != update.version);
    let offer = |update: &Update| {
        let package = disk.package(&update.name);
        PendingUpdate {
            name: update.name.clone(),
            architecture: "amd64".to_owned(),
            installed: package.map(|p| p.version.clone()),
            candidate: update.version.clone(),
            origins: vec![
                if update.security {
                    "Debian-Security:12/oldstable-security"
                } else {
                    "Debian:12.12/oldstable"
                }
                .to_owned(),
            ],
            security: update.security,
            held: package.is_some_and(|p| p.held),
        }
    };
    disk.lists.iter().filter(newer).map(offer).collect()
}

impl Work<'_> {
    pub(crate) fn repair(&mut self, files: &[RepairFile], units: &[String]) -> Outcome {
        let posture = &mut self.disk.posture;
        for file in files {
            posture.files.insert(file.path.clone(), Sha256::of(file.contents.as_bytes()));
        }
        for unit in units {
            posture.updaters.insert(unit.clone(), "masked".to_owned());
        }
        Outcome::Done
    }

    pub(crate) fn set_firewall(&mut self, set: &JobKey, rules: &[FirewallRule]) -> Done {
        if !rules.iter().any(|rule| rule.purpose == Purpose::Agent) {
            return failed(FailureKind::Impossible, "no rule lets the control plane in");
        }
        if self.disk.firewall == rules && self.disk.firewall_trial.is_none() {
            return Ok(Outcome::AlreadyDone);
        }
        let former = std::mem::replace(&mut self.disk.firewall, rules.to_vec());
        let (_, former) = self.disk.firewall_trial.take().unwrap_or((set.clone(), former));
        self.disk.firewall_trial = Some((set.clone(), former));
        self.effects.firewalls += 1;
        Ok(Outcome::Done)
    }

    pub(crate) fn keep_firewall(&mut self, set: &JobKey) -> Done {
        match self.disk.firewall_trial.take_if(|(open, _)| open == set) {
            Some(_) => Ok(Outcome::Done),
            None => failed(FailureKind::Stale, "the trial is over"),
        }
    }

    pub(crate) fn refresh_lists(&mut self) -> Done {
        if self.faults.strikes(Fault::MirrorDown) {
            return failed(FailureKind::Unavailable, "the mirror does not answer");
        }
        self.disk.lists = self.archive.to_vec();
        self.disk.lists_updated_at = Some(self.now);
        self.effects.refreshes += 1;
        Ok(Outcome::Done)
    }

    pub(crate) fn plan_upgrade(&self, scope: UpgradeScope) -> Done {
        if self.disk.interrupted || !self.disk.audit().is_empty() {
            return failed(FailureKind::Packages, "dpkg is not in order; apt plans nothing");
        }
        let in_scope = |update: &PendingUpdate| match scope {
            UpgradeScope::Security => update.security,
            UpgradeScope::All => true,
        };
        let changes: Vec<_> = pending(self.disk)
            .into_iter()
            .filter(|update| in_scope(update) && !update.held)
            .map(|update| PackageChange {
                name: update.name,
                architecture: update.architecture,
                from: update.installed,
                to: update.candidate,
                security: update.security,
            })
            .collect();
        let bytes = changes.len() as u64 * Update::BYTES;
        let former_unavailable = changes
            .iter()
            .filter(|change| {
                change.from.is_some() && self.offer(change).is_some_and(|offer| offer.former_gone)
            })
            .map(|change| change.name.clone())
            .collect();
        // New packages, former ones, and as much again in reserve.
        let plan =
            UpgradePlan { changes, download_bytes: bytes, needed_bytes: 3 * bytes, former_unavailable };
        Ok(Outcome::Planned { plan })
    }

    pub(crate) fn stage(&mut self, key: &JobKey, plan: &UpgradePlan) -> Done {
        self.check_from(plan)?;
        if let Some(change) = plan.changes.iter().find(|change| self.offer(change).is_none()) {
            return failed(
                FailureKind::Stale,
                format!("the archive no longer has `{}` {}", change.name, change.to),
            );
        }
        if self.faults.strikes(Fault::MirrorDown) {
            return failed(FailureKind::Unavailable, "the mirror does not answer");
        }
        if self.faults.strikes(Fault::DiskFull) || self.disk.free_bytes < plan.needed_bytes {
            let message =
                format!("{} bytes are needed, {} are free", plan.needed_bytes, self.disk.free_bytes);
            return failed(FailureKind::NoSpace, message);
        }
        self.disk.stagings.insert(key.clone(), Staging { plan: plan.clone(), former: self.disk.former() });
        self.effects.stagings += 1;
        Ok(Outcome::Staged {
            bytes: 2 * plan.download_bytes,
            former_kept: plan.former_unavailable.is_empty(),
            former_missing: plan.former_unavailable.clone(),
        })
    }

    pub(crate) fn install(&mut self, staged: &JobKey) -> Done {
        let Some(Staging { plan, .. }) = self.disk.stagings.get(staged).cloned() else {
            return failed(FailureKind::Impossible, format!("nothing is staged under `{staged}`"));
        };
        let is_done = |change: &PackageChange| {
            self.disk.package(&change.name).is_some_and(|p| p.version == change.to && p.status.is_installed())
        };
        if plan.changes.iter().all(is_done) {
            return Ok(Outcome::AlreadyDone);
        }
        self.check_from(&plan)?;
        self.effects.installs += 1;

        let restarts: Vec<_> =
            plan.changes.iter().filter_map(|c| self.offer(c)).flat_map(|u| u.restarts.clone()).collect();
        if self.faults.strikes(Fault::PreinstFails) {
            plan.changes.iter().for_each(|change| self.put(change, "iU"));
            self.disk.broken_units.extend(restarts);
            return failed(
                FailureKind::Packages,
                "a preinst script ended with status 1; packages are unpacked only",
            );
        }
        if self.faults.strikes(Fault::DiskFullDuringInstall) {
            plan.changes.iter().for_each(|change| self.put(change, "iU"));
            return failed(FailureKind::Packages, "dpkg ran out of disk space; packages are unpacked only");
        }
        if self.faults.strikes(Fault::KilledDuringInstall) {
            return self.interrupt(&plan);
        }
        if self.faults.strikes(Fault::PostinstFails) {
            self.disk.stale_units.extend(restarts);
            plan.changes.iter().take(1).for_each(|change| self.put(change, "iF"));
            plan.changes.iter().skip(1).for_each(|change| self.put(change, "ii"));
            return failed(FailureKind::Packages, "a postinst script ended with status 1");
        }
        let skipped = usize::from(self.faults.strikes(Fault::PackageSkipped));
        plan.changes.iter().skip(skipped).for_each(|change| self.put(change, "ii"));
        if self.faults.strikes(Fault::UnitFails) {
            self.disk.broken_units.extend(restarts.first().cloned());
        }
        Ok(Outcome::Installed { restarted: restarts })
    }

    /// Leaves a host as an installation that died in the middle leaves it.
    pub(crate) fn interrupt(&mut self, plan: &UpgradePlan) -> Done {
        let middle = plan.changes.len() / 2;
        plan.changes.iter().take(middle).for_each(|change| self.put(change, "iU"));
        plan.changes.iter().skip(middle).take(1).for_each(|change| self.put(change, "iHR"));
        self.disk.interrupted = true;
        failed(FailureKind::Interrupted, "the job's process died while packages were being installed")
    }

    pub(crate) fn restore(&mut self, staged: &JobKey) -> Done {
        let Some(Staging { plan, former }) = self.disk.stagings.get(staged).cloned() else {
            return failed(FailureKind::Impossible, format!("nothing is kept under `{staged}`"));
        };
        if self.disk.former() == former && !self.disk.interrupted {
            return Ok(Outcome::AlreadyDone);
        }
        if !plan.former_unavailable.is_empty() {
            return failed(FailureKind::Impossible, "not every former package was kept");
        }
        if self.faults.strikes(Fault::RestoreImpossible) {
            return failed(FailureKind::Impossible, "the former packages are damaged");
        }
        self.effects.restores += 1;
        if self.faults.strikes(Fault::RestoreFails) {
            plan.changes.iter().take(1).for_each(|change| self.put(change, "iF"));
            return failed(FailureKind::Packages, "a former package could not be configured");
        }
        let restarted =
            plan.changes.iter().filter_map(|c| self.offer(c)).flat_map(|u| u.restarts.clone()).collect();
        self.disk.go_back_to(former);
        Ok(Outcome::Restored { compared: vec!["packages and states".to_owned()], restarted })
    }

    pub(crate) fn drop_staged(&mut self, staged: &JobKey) -> Done {
        if self.disk.stagings.remove(staged).is_none() {
            return Ok(Outcome::AlreadyDone);
        }
        self.effects.drops += 1;
        Ok(Outcome::Done)
    }

    pub(crate) fn run_probes(&mut self, probes: &[Probe]) -> Done {
        self.effects.probes += 1;
        if self.faults.strikes(Fault::ProbeFails) {
            return failed(FailureKind::NotVerified, "a probe had no good answer");
        }
        for probe in probes {
            if let Probe::UnitActive { unit } = probe
                && (!self.disk.units.contains(unit) || self.disk.broken_units.contains(unit))
            {
                return failed(FailureKind::NotVerified, format!("`{unit}` is not active"));
            }
        }
        Ok(Outcome::Healthy)
    }

    fn check_from(&self, plan: &UpgradePlan) -> Result<(), Failure> {
        for change in &plan.changes {
            let found = self.disk.package(&change.name).map(|package| &package.version);
            if found != change.from.as_ref() {
                let text = |version: Option<&wire::PackageVersion>| {
                    version.map_or("not installed".to_owned(), |v| format!("at `{v}`"))
                };
                let message = format!(
                    "`{}` is {}, the plan expected it {}",
                    change.name,
                    text(found),
                    text(change.from.as_ref())
                );
                return Err(Failure { kind: FailureKind::Stale, message });
            }
        }
        Ok(())
    }

    /// The update behind a change, if the lists still have it.
    fn offer(&self, change: &PackageChange) -> Option<&Update> {
        self.disk.lists.iter().find(|update| update.name == change.name && update.version == change.to)
    }

    /// Brings a package to its new version, in this state of dpkg.
    fn put(&mut self, change: &PackageChange, status: &str) {
        let configured = status == "ii";
        let offer = self.offer(change).cloned();
        let before = self.disk.packages.iter().position(|package| package.name == change.name);
        let package = match before {
            Some(at) => &mut self.disk.packages[at],
            None => {
                self.disk.packages.push(installed(change.name.clone(), change.to.clone()));
                let last = self.disk.packages.len() - 1;
                &mut self.disk.packages[last]
            }
        };
        package.version = change.to.clone();
        package.source_version = change.to.clone();
        package.status = PackageStatus(status.to_owned());
        if let Some(kernel) = offer.and_then(|offer| offer.kernel)
            && configured
        {
            self.disk.reboot_reasons.push(format!("kernel {kernel} is installed and does not run"));
            self.disk.newest_kernel = kernel;
        }
    }
}
