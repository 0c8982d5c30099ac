//! Match one real host with the index warm, against what the tools need for one.

use vulns::Index;

use crate::{
    clock, data,
    table::{Line, Table, Target, ms},
    tools,
};

const BENCH: &str = "host";

pub fn run(table: &mut Table) -> Result<(), String> {
    let index = Index::build(&data::parse(&data::files()?)?);
    let mut debian = 0.0;
    for name in ["debian-12", "ubuntu-2204", "ubuntu-2404"] {
        let host = data::host(name)?;
        let findings = index.findings(&host).len();
        let cost = ms(clock::often(|| index.findings(&host)));
        if name == "debian-12" {
            debian = cost;
        }
        table.add(Line {
            bench: BENCH,
            work: format!("match {name}: {} packages, {findings} findings", host.packages.len()),
            figure: cost,
            unit: "ms",
            target: Some(Target::Below(1.0)),
            against: None,
        });
    }
    for tool in tools::runs()? {
        table.add(Line {
            bench: BENCH,
            work: "match debian-12".into(),
            figure: debian,
            unit: "ms",
            target: Some(Target::TimesFaster(100.0)),
            against: Some((tool.name.into(), ms(tool.cost))),
        });
    }
    Ok(())
}
