//! Whether a host is as it was: the facts of two inventories that a rollback must
//! bring back.

use std::collections::BTreeMap;

use wire::{Inventory, Virtualization};

/// The first few differences in what a rollback must bring back; empty when there is
/// none. Services that had failed before may fail still.
pub fn differences(before: &Inventory, after: &Inventory) -> Vec<String> {
    let packages = |inventory: &Inventory| -> BTreeMap<String, String> {
        let described = inventory.packages.iter().map(|package| {
            let marks = match (package.held, package.automatic) {
                (true, true) => ", held, automatic",
                (true, false) => ", held",
                (false, true) => ", automatic",
                (false, false) => "",
            };
            let key = format!("{}:{}", package.name, package.architecture);
            (key, format!("{} {}{marks}", package.status.0.trim_end(), package.version))
        });
        described.collect()
    };
    let (was, is) = (packages(before), packages(after));
    let mut found = Vec::new();
    for (name, was) in &was {
        match is.get(name) {
            Some(is) if is == was => {}
            Some(is) => found.push(format!("`{name}` was {was} and is {is}")),
            None => found.push(format!("`{name}` is missing")),
        }
    }
    found.extend(is.keys().filter(|name| !was.contains_key(*name)).map(|name| format!("`{name}` is new")));
    if !after.package_health.is_sound() {
        found.push(format!("dpkg is not in order: {}", after.package_health.audit.join(" ")));
    }
    found.extend(new_failures(before, after).into_iter().map(|unit| format!("`{unit}` has failed")));
    // A kernel that waited for a reboot before may run by now; in a container it belongs to
    // the machine below.
    let kernels = [Some(&before.kernel.release), before.kernel.newest_installed.as_ref()];
    let own = matches!(after.virtualization, Virtualization::OwnKernel { .. });
    if own && !kernels.contains(&Some(&after.kernel.release)) {
        found.push(format!("kernel `{}` runs, `{}` ran", after.kernel.release, before.kernel.release));
    }
    found.truncate(SHOWN);
    found
}

/// More differences than this say nothing more to a person.
const SHOWN: usize = 10;

/// Units that have failed since.
pub fn new_failures(before: &Inventory, after: &Inventory) -> Vec<String> {
    after.failed_units.iter().filter(|unit| !before.failed_units.contains(unit)).cloned().collect()
}
