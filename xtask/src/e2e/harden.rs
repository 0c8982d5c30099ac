//! `cargo xtask e2e harden`: what hosts of every shape let in, seen from four addresses over
//! IPv4 and IPv6; and that their firewalls follow the control plane and never lock it out.

use std::{thread, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::{
    host::Host,
    scan::{From, addresses, open_ports},
    stage::Stage,
};

/// Number of the probe address from which operators may sign in.
const ADMIN: &str = "201";
/// Number of a probe address that nobody knows.
const FOREIGN: &str = "202";
/// Number of a probe address on the access list of a tenant.
const TENANT: &str = "203";

/// Ports on which every host listens to the whole world, whatever it is for: those of all services,
/// and strays. What is not seen of them from outside the firewall has kept back.
const LISTENERS: [u16; 7] = [80, 443, 3306, 5432, 8080, 9000, 9001];

/// Every port that may be found open.
const NAMED: &str = "22,80,443,3306,5432,8080,9000,9001,9099";

struct Shape {
    name: &'static str,
    service: &'static str,
    shared: bool,
}

const SHAPES: [Shape; 6] = [
    Shape { name: "hard-1", service: "bare", shared: false },
    Shape { name: "hard-2", service: "minio", shared: true },
    Shape { name: "hard-3", service: "postgres", shared: true },
    Shape { name: "hard-4", service: "bare", shared: true },
    Shape { name: "hard-5", service: "minio", shared: false },
    Shape { name: "hard-6", service: "postgres", shared: false },
];

impl Shape {
    /// The ports of H3 as this address must see them.
    fn open_to(&self, from: Seat) -> Vec<u16> {
        let mut ports = match (self.service, from) {
            ("minio", _) => vec![443],
            ("postgres", Seat::ControlPlane | Seat::Tenant) => vec![5432],
            _ => Vec::new(),
        };
        match from {
            Seat::Admin => ports.push(22),
            Seat::ControlPlane => ports.push(9099),
            Seat::Foreign | Seat::Tenant => {}
        }
        ports.sort_unstable();
        ports
    }
}

#[derive(Clone, Copy)]
enum Seat {
    Foreign,
    Admin,
    ControlPlane,
    Tenant,
}

impl Seat {
    const ALL: [Self; 4] = [Self::Foreign, Self::Admin, Self::ControlPlane, Self::Tenant];

    fn in_words(self) -> &'static str {
        match self {
            Self::Foreign => "a foreign address",
            Self::Admin => "an admin address",
            Self::ControlPlane => "the control plane",
            Self::Tenant => "an address on a tenant's list",
        }
    }

    fn from(self) -> From {
        match self {
            Self::Foreign => From::Probe(FOREIGN),
            Self::Admin => From::Probe(ADMIN),
            Self::ControlPlane => From::ControlPlane,
            Self::Tenant => From::Probe(TENANT),
        }
    }
}

/// Runs the trial on a host of every service, or of every service and tenancy.
pub fn run(sample: bool) -> Result<()> {
    let stage = Stage::start("harden")?;
    let shapes = if sample { &SHAPES[..3] } else { &SHAPES[..] };
    let hosts = provision(&stage, shapes)?;
    for host in &hosts {
        for port in LISTENERS {
            host.exec(&format!(
                "systemd-run --quiet --unit=stray-{port} systemd-socket-activate --accept --listen={port} /bin/cat"
            ))?;
        }
    }
    scan(&stage, shapes, &hosts)?;
    in_line(&stage, shapes.len())?;
    behind_another(&stage, shapes, &hosts)?;
    one_down(&stage, &hosts)?;
    cut_off(&stage, &hosts)
}

fn provision<'a>(stage: &'a Stage, shapes: &'static [Shape]) -> Result<Vec<Host<'a>>> {
    let mut options: Vec<String> = Vec::new();
    for address in addresses(stage, ADMIN)? {
        options.extend(["--admin".to_owned(), address]);
    }
    let tenants = addresses(stage, TENANT)?;
    let make = |shape: &'static Shape| -> Result<Host<'a>> {
        let mut options: Vec<&str> = options.iter().map(String::as_str).collect();
        options.extend(["--service", shape.service]);
        if shape.shared {
            options.push("--shared");
        }
        if shape.service == "postgres" {
            tenants.iter().for_each(|address| options.extend(["--tenant", address]));
        }
        Host::provision(stage, shape.name, &options)
    };
    let (first, others) = shapes.split_first().context("no shape")?;
    // The first builds the image if there is none; then the others need not wait for each other.
    let mut hosts = vec![make(first)?];
    let made: Vec<Result<Host<'a>>> = thread::scope(|scope| {
        let threads: Vec<_> = others.iter().map(|shape| scope.spawn(|| make(shape))).collect();
        threads
            .into_iter()
            .map(|made| made.join().unwrap_or_else(|_| Err(anyhow!("a thread died"))))
            .collect()
    });
    for host in made {
        hosts.push(host?);
    }
    println!("{} hosts provisioned: {}", hosts.len(), names(&hosts));
    Ok(hosts)
}

fn names(hosts: &[Host<'_>]) -> String {
    hosts.iter().map(|host| host.name).collect::<Vec<_>>().join(", ")
}

/// Scans all ports from every seat, and tells.
fn scan(stage: &Stage, shapes: &[Shape], hosts: &[Host<'_>]) -> Result<()> {
    look(stage, shapes, hosts, true)?;
    for seat in Seat::ALL {
        let told: Vec<String> =
            shapes.iter().map(|shape| format!("{} {:?}", shape.service, shape.open_to(seat))).collect();
        println!("IPv4 and IPv6, all 65535 ports, from {}: exactly {}", seat.in_words(), told.join(", "));
    }
    Ok(())
}

/// Looks from every seat over both families. A fast scan of everything looks for what must not be
/// there; a look at the named ports tells exactly what is.
fn look(stage: &Stage, shapes: &[Shape], hosts: &[Host<'_>], everything: bool) -> Result<()> {
    for family in ["ipv4", "ipv6"] {
        let targets: Vec<String> = hosts
            .iter()
            .map(|host| Ok(host.known()?[family].as_str().context("no address")?.to_owned()))
            .collect::<Result<_>>()?;
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        for seat in Seat::ALL {
            let named = open_ports(stage, seat.from(), &targets, NAMED)?;
            let all =
                if everything { open_ports(stage, seat.from(), &targets, "1-65535")? } else { named.clone() };
            for (shape, target) in shapes.iter().zip(&targets) {
                let expected = shape.open_to(seat);
                let (from, all, found) = (seat.in_words(), &all[*target], &named[*target]);
                ensure!(
                    *found == expected && all.iter().all(|port| expected.contains(port)),
                    "from {from} `{}` has {all:?} of all and {found:?} of the named ports open over {family}, \
                     expected {expected:?}",
                    shape.name
                );
            }
        }
    }
    Ok(())
}

/// With their own firewalls off, the one in front of the hosts lets in the same.
fn behind_another(stage: &Stage, shapes: &[Shape], hosts: &[Host<'_>]) -> Result<()> {
    for host in hosts {
        host.exec("ufw disable")?;
    }
    look(stage, shapes, hosts, false)?;
    println!("with UFW off on every host: the same ports, by the firewall in front");
    for host in hosts {
        stage.holdfast(&["firewall", "sync", host.name])?;
        ensure!(host.exec("ufw status")?.contains("Status: active"), "`{}` has UFW off", host.name);
    }
    println!("synced: UFW is on again");
    Ok(())
}

fn firewalls(stage: &Stage) -> Result<Value> {
    stage.json(&["firewall", "list"])
}

fn states(all: &Value) -> Vec<(&str, &str)> {
    let servers = all["servers"].as_array().into_iter().flatten();
    servers
        .map(|view| {
            let current = view["is_current"] == true;
            let state = view["state"].as_str().unwrap_or_default();
            (
                view["name"].as_str().unwrap_or_default(),
                if current || state != "in_line" { state } else { "behind" },
            )
        })
        .collect()
}

/// Waits until so many firewalls are in line.
fn in_line(stage: &Stage, number: usize) -> Result<()> {
    stage.until(&format!("{number} firewalls are in line"), Duration::from_secs(60), || {
        let all = firewalls(stage)?;
        Ok(states(&all).iter().filter(|(_, state)| *state == "in_line").count() == number)
    })
}

/// From where the control plane calls now, and one more address.
fn with_one_more(stage: &Stage) -> Result<Vec<String>> {
    let present = firewalls(stage)?;
    let present = present["control_plane"]["addresses"].as_array().context("no addresses")?;
    let mut all: Vec<String> = present.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    all.extend(addresses(stage, FOREIGN)?);
    Ok(all)
}

fn one_down(stage: &Stage, hosts: &[Host<'_>]) -> Result<()> {
    let (down, up) = hosts.split_last().context("no host")?;
    stage.holdfast(&["lab", "power-cut", down.name])?;
    let all = with_one_more(stage)?;
    set(stage, &all)?;
    in_line(stage, up.len())?;
    stage.until("the one that is down is said to be", Duration::from_secs(60), || {
        Ok(states(&firewalls(stage)?).contains(&(down.name, "unreachable")))
    })?;
    for host in up {
        let rules = host.exec("ufw show added")?;
        ensure!(
            all.iter().all(|address| rules.contains(address.as_str())),
            "`{}` lacks an address",
            host.name
        );
    }
    println!("a new address, with `{}` down: the others in line within a minute", down.name);
    stage.holdfast(&["lab", "start", down.name])?;
    down.await_agent()?;
    in_line(stage, hosts.len())?;
    println!("`{}` in line within a minute of its return", down.name);
    Ok(())
}

fn set(stage: &Stage, all: &[String]) -> Result<()> {
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    stage.holdfast(&[&["firewall", "addresses"], all.as_slice()].concat()).map(drop)
}

/// Addresses that are not ours at all: whoever takes them on locks us out.
fn cut_off(stage: &Stage, hosts: &[Host<'_>]) -> Result<()> {
    let rules = |host: &Host<'_>| -> Result<Vec<String>> {
        let added = host.exec("ufw show added")?;
        let mut lines: Vec<String> = added.lines().map(str::to_owned).collect();
        // A rule that went and came back stands at the end.
        lines.sort();
        Ok(lines)
    };
    let before: Vec<Vec<String>> = hosts.iter().map(rules).collect::<Result<_>>()?;
    set(stage, &addresses(stage, FOREIGN)?)?;
    stage.until("the new addresses are refused", Duration::from_secs(120), || {
        Ok(firewalls(stage)?["control_plane"]["proof"]["proof"] == "shut_out")
    })?;
    let all = firewalls(stage)?;
    let server = all["control_plane"]["proof"]["server"].as_str().context("no server")?;
    let tried = hosts.iter().find(|host| host.name == server).context("another host")?;
    // It was cut off, and comes back by itself.
    tried.await_agent()?;
    for (host, before) in hosts.iter().zip(&before) {
        ensure!(rules(host)? == *before, "`{}` has not its former rules", host.name);
    }
    let trail = stage.trail("all")?;
    ensure!(trail.iter().any(|line| line == "firewall.addresses failed"), "not in the trail: {trail:?}");
    println!("addresses that cut us off: `{server}` put its rules back by itself, no other was touched");
    let former = all["control_plane"]["former"].as_array().context("no former addresses")?;
    let former: Vec<String> = former.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    set(stage, &former)?;
    in_line(stage, hosts.len())?;
    println!("back to the former addresses: all in line");
    Ok(())
}
