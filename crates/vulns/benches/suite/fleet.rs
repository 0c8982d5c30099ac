//! A fleet of 100,000 hosts in 1,000 distinct sets, made of the real hosts by changes such as
//! hosts drift apart by: matched in full, and again after what an hour brings.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use vulns::{FeedData, FeedFile, FeedKind, Fleet, HostPackages, Index, SetId};

use crate::{
    clock, data,
    table::{Line, Table, Target, ms},
};

const BENCH: &str = "fleet";
const HOSTS: u32 = 100_000;
const SETS: usize = 1_000;

pub fn run(table: &mut Table) -> Result<(), String> {
    let feeds = data::parse(&data::files()?)?;
    let with = |hour| Ok::<_, String>(feeds.iter().cloned().chain(self::hour(hour)?).collect::<Vec<_>>());
    // The feeds have as many layers before as after, as they do where a feed is read again.
    let index = Arc::new(Index::build(&with(Hour::Quiet)?));
    let sets = sets()?;
    let mut fleet: Fleet<u32> = Fleet::new(Arc::new(Index::build(&[])));
    let (ids, placing) = clock::once(|| {
        sets.iter().zip(0..).map(|(set, host)| fleet.place(host, set)).collect::<Vec<SetId>>()
    });
    for host in 0..HOSTS {
        fleet.place_in(host, ids[host as usize % ids.len()]);
    }
    table.add(line(format!("place {} distinct sets", ids.len()), ms(placing), None, None));

    let (full, cost) = clock::once(|| fleet.update(Arc::clone(&index)));
    let size = fleet.size();
    let (_, one_by_one) =
        clock::once(|| sets.iter().map(|set| std::hint::black_box(index.findings(set)).len()).sum::<usize>());
    let alone = ms(one_by_one);
    table.add(line(
        format!(
            "full match: {} hosts, {} sets, {} parts, {} findings made for {} kept",
            size.hosts, size.sets, size.parts, full.findings, size.findings
        ),
        ms(cost),
        None,
        Some(("each set matched alone", alone)),
    ));

    let later = with(Hour::Busy)?;
    let (later, building) = clock::once(|| Arc::new(Index::of(later.into_iter().map(Cow::Owned))));
    table.add(line("build the index of the next hour".into(), ms(building), None, None));
    let (delta, cost) = clock::once(|| fleet.update(Arc::clone(&later)));
    table.add(line(
        format!(
            "an hour: {} listings changed, {} parts and {} findings matched again, {} sets differ",
            delta.listings,
            delta.parts,
            delta.findings,
            delta.sets.len()
        ),
        ms(cost),
        Some(Target::Below(1000.0)),
        Some(("each set matched alone", alone)),
    ));
    let (back, cost) = clock::once(|| fleet.update(index));
    table.add(line(
        format!("the hour taken back: {} findings matched again", back.findings),
        ms(cost),
        Some(Target::Below(1000.0)),
        Some(("each set matched alone", alone)),
    ));
    let summaries =
        clock::often(|| fleet.sets().filter_map(|set| fleet.summary(set)).map(|set| set.open).sum::<usize>());
    table.add(line("the counts of every set".into(), ms(summaries), None, None));
    Ok(())
}

fn line(work: String, figure: f64, target: Option<Target>, against: Option<(&str, f64)>) -> Line {
    let against = against.map(|(name, figure)| (name.to_owned(), figure));
    Line { bench: BENCH, work, figure, unit: "ms", target, against }
}

/// Hosts of six releases that have drifted apart: some packages missing, some rebuilt locally, some
/// on hold, some with other kernels left over. Always the same ones.
fn sets() -> Result<Vec<HostPackages>, String> {
    let real: Vec<HostPackages> =
        data::HOSTS.iter().map(|name| data::host(name)).collect::<Result<_, _>>()?;
    let mut state: u64 = 2026;
    let mut below = |bound: u64| {
        // Knuth's linear congruential generator for MMIX; its high bits are good enough to vary hosts by.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut sets = Vec::with_capacity(SETS);
    let mut known = BTreeSet::new();
    while sets.len() < SETS {
        let mut set = real[sets.len() % real.len()].clone();
        set.packages.retain(|_| below(50) != 0);
        for package in &mut set.packages {
            if below(100) == 0 {
                let rebuilt = format!("{}+local{}", package.source_version, below(3));
                package.version.clone_from(&rebuilt);
                package.source_version = rebuilt;
            }
            package.held = below(200) == 0;
        }
        if known.insert(SetId::of(&set)) {
            sets.push(set);
        }
    }
    Ok(sets)
}

enum Hour {
    /// One CVE of a package that no host has.
    Quiet,
    /// Advisories for widely installed packages of every release, the kernel's with a score of CVEs.
    Busy,
}

/// What the publishers add in an hour.
fn hour(hour: Hour) -> Result<Vec<FeedData>, String> {
    let packages: &[&str] = match hour {
        Hour::Quiet => &["a-package-that-no-host-has"],
        Hour::Busy => {
            &["openssl", "curl", "glibc", "systemd", "perl", "python3.11", "openssh", "zlib", "linux"]
        }
    };
    let wanted = |package: &str| if package == "linux" { 20 } else { 3 };
    let mut number = 0;
    let (mut debian, mut ubuntu) = (Vec::new(), String::new());
    for package in packages {
        let mut issues = Vec::new();
        for _ in 0..wanted(package) {
            number += 1;
            let state = r#"{"status":"resolved","fixed_version":"9999:1-1","urgency":"not yet assigned"}"#;
            issues.push(format!(
                r#""CVE-2099-{number:04}":{{"releases":{{"bookworm":{state},"trixie":{state}}}}}"#
            ));
            let affected: Vec<String> = ["18.04", "20.04", "22.04", "24.04"]
                .iter()
                .map(|version| {
                    format!(
                        r#"{{"package":{{"ecosystem":"Ubuntu:{version}:LTS","name":"{package}"}},
                            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"9999:1-1"}}]}}]}}"#
                    )
                    .replace('\n', "")
                })
                .collect();
            ubuntu.push_str(&format!(
                "{{\"id\":\"UBUNTU-CVE-2099-{number:04}\",\"modified\":\"2099-01-01T00:00:00Z\",\"affected\":[{}]}}\n",
                affected.join(",")
            ));
        }
        debian.push(format!(r#""{package}":{{{}}}"#, issues.join(",")));
    }
    let debian = format!("{{{}}}", debian.join(","));
    let read = |kind, path, text: &str| {
        vulns::parse(kind, FeedFile { path, bytes: text.as_bytes() }).map_err(|error| error.to_string())
    };
    Ok(vec![
        read(FeedKind::DebianTracker, "security-tracker.json", &debian)?,
        read(FeedKind::UbuntuOsv, "ubuntu/osv.jsonl", &ubuntu)?,
    ])
}
