//! The facts about a server, as its page lists them.

use wire::{Inventory, Virtualization};

use crate::{
    certificates::Certificate,
    firewall::{FirewallView, pages::badge},
    hosts::{Origin, Server},
    pages::{Badge, Frame, When, bytes, grouped, span},
};

/// One fact.
pub struct Fact {
    /// What it is about.
    pub name: &'static str,
    /// What is known.
    pub value: String,
    /// The moment it is about.
    pub when: Option<When>,
    /// What is unusual about it.
    pub badge: Option<Badge>,
    /// More about it, a line each.
    pub notes: Vec<String>,
}

impl Fact {
    fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), when: None, badge: None, notes: Vec::new() }
    }

    fn when(mut self, when: When) -> Self {
        self.when = Some(when);
        self
    }

    fn badge(mut self, badge: Option<Badge>) -> Self {
        self.badge = badge;
        self
    }

    fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }
}

/// Where a server lives.
pub fn provider(server: &Server) -> String {
    match server.origin {
        Origin::ThisMachine => "this machine".to_owned(),
        Origin::Provisioned => server.provider.clone(),
    }
}

/// The addresses of a server.
pub fn addresses(server: &Server) -> Vec<String> {
    let v4 = server.ipv4.map(|address| address.to_string());
    v4.into_iter().chain(server.ipv6.map(|address| address.to_string())).collect()
}

/// All that is known, in the order in which one asks.
pub fn of(server: &Server, inventory: Option<&Inventory>, frame: &Frame) -> Vec<Fact> {
    let mut facts = vec![Fact::new("Lives at", provider(server)).notes(addresses(server))];
    facts.push(match server.last_seen_at {
        Some(at) => Fact::new("Last answered", "").when(frame.when(at)),
        None => Fact::new("Last answered", "never"),
    });
    let Some(inventory) = inventory else {
        facts.push(Fact::new("Inventory", "none yet"));
        return facts;
    };
    facts.push(Fact::new("Inventory", "").when(frame.when(inventory.collected_at)));
    facts.extend(of_inventory(inventory, frame));
    facts
}

/// How its TLS certificate stands.
pub fn certificate(certificate: &Certificate, frame: &Frame) -> Fact {
    let trouble = certificate.trouble(frame.now);
    let badge = trouble.as_ref().map(|_| Badge::amber("needs a look"));
    let fact = Fact::new("TLS certificate", certificate.name.to_string()).badge(badge);
    let until = certificate.not_after.map(|at| format!("valid until {}", at.strftime("%F")));
    fact.notes(until.or_else(|| Some("not issued yet".to_owned()))).notes(trouble)
}

/// How its firewall stands.
pub fn firewall(view: &FirewallView) -> Fact {
    Fact::new("Firewall", "").badge(Some(badge(view))).notes(view.standing.detail.clone())
}

fn of_inventory(inventory: &Inventory, frame: &Frame) -> Vec<Fact> {
    let (kernel, boot) = (&inventory.kernel, &inventory.boot);
    let shared = matches!(inventory.virtualization, Virtualization::SharedKernel { .. });
    let newer = kernel.newest_installed.as_ref().filter(|newest| !shared && **newest != kernel.release);
    let (kind, below) = match &inventory.virtualization {
        Virtualization::OwnKernel { kind } if kind == "none" => ("a machine of its own".to_owned(), None),
        Virtualization::OwnKernel { kind } => (format!("virtual machine ({kind})"), None),
        Virtualization::SharedKernel { kind } => (
            format!("container ({kind})"),
            Some("the kernel belongs to the machine below and is patched there".to_owned()),
        ),
    };
    let up = span(frame.now.as_second() - boot.started_at.as_second());
    let reboot = if inventory.reboot.required {
        Fact::new("Reboot", "")
            .badge(Some(Badge::amber("reboot due")))
            .notes(inventory.reboot.reasons.clone())
    } else {
        Fact::new("Reboot", "not needed")
    };
    let installed = inventory.packages.iter().filter(|package| package.status.is_present()).count();
    let sound = inventory.package_health.is_sound();
    let health = &inventory.package_health;
    let interrupted = health.interrupted.then(|| "dpkg was interrupted".to_owned());
    let lists = match inventory.lists_updated_at {
        Some(at) => Fact::new("Package lists", "").when(frame.when(at)),
        None => Fact::new("Package lists", "")
            .badge(Some(Badge::amber("never fetched")))
            .notes(["so this host does not know of any update".to_owned()]),
    };
    let mut facts = vec![
        Fact::new("System", inventory.os.pretty_name.clone())
            .notes([format!("{kind}, {}", inventory.architecture)]),
        Fact::new("Kernel", kernel.release.clone())
            .badge(newer.map(|_| Badge::amber("not the newest")))
            .notes(newer.map(|newest| format!("{newest} is installed and runs after a reboot")))
            .notes(below),
        Fact::new("Last reboot", "").when(When::exactly(boot.started_at)).notes([format!("up {up}")]),
        reboot,
        Fact::new("Packages", grouped(installed))
            .badge((!sound).then(|| Badge::red("broken")))
            .notes(interrupted)
            .notes(health.audit.clone()),
        lists,
    ];
    for disk in &inventory.disks {
        let whole = u128::from(disk.total_bytes);
        let free = (u128::from(disk.free_bytes) * 100).checked_div(whole).unwrap_or(100);
        facts.push(
            Fact::new("Disk", format!("{} free of {}", bytes(disk.free_bytes), bytes(disk.total_bytes)))
                // With less than a tenth free, updates and their way back may not fit.
                .badge((free < 10).then(|| Badge::amber(format!("{free} % free"))))
                .notes([disk.mount.clone()]),
        );
    }
    if !inventory.stale_services.is_empty() {
        facts.push(
            Fact::new("On replaced files", "")
                .badge(Some(Badge::amber("restart due")))
                .notes(inventory.stale_services.clone()),
        );
    }
    if !inventory.failed_units.is_empty() {
        facts.push(
            Fact::new("Failed units", "")
                .badge(Some(Badge::red("failed")))
                .notes(inventory.failed_units.clone()),
        );
    }
    facts.push(Fact::new("Agent", inventory.agent_version.clone()));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;

    fn fact(inventory: &Inventory, name: &str) -> Fact {
        let facts = of_inventory(inventory, &samples::frame("/", &[]));
        facts.into_iter().find(|fact| fact.name == name).unwrap()
    }

    #[test]
    fn a_container_has_no_kernel_of_its_own_to_update() {
        let mut inventory = samples::inventory();
        inventory.virtualization = Virtualization::SharedKernel { kind: "systemd-nspawn".to_owned() };
        inventory.kernel.newest_installed = Some("6.1.0-99-amd64".to_owned());
        let kernel = fact(&inventory, "Kernel");
        assert_eq!(kernel.badge, None);
        assert!(kernel.notes[0].contains("machine below"));
    }

    #[test]
    fn a_newer_installed_kernel_is_told() {
        let mut inventory = samples::inventory();
        inventory.kernel.newest_installed = Some("6.1.0-99-amd64".to_owned());
        let kernel = fact(&inventory, "Kernel");
        assert!(kernel.badge.is_some() && kernel.notes[0].starts_with("6.1.0-99-amd64"));
    }

    #[test]
    fn a_full_disk_is_told() {
        let mut inventory = samples::inventory();
        inventory.disks[0].free_bytes = inventory.disks[0].total_bytes / 40;
        assert_eq!(fact(&inventory, "Disk").badge, Some(Badge::amber("2 % free")));
        inventory.disks[0].total_bytes = 0;
        assert_eq!(fact(&inventory, "Disk").badge, None);
    }
}
