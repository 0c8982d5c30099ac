//! What the index holds in memory: a process of its own builds it, lets go of everything
//! else, and tells how far its resident size has grown.

use std::{
    borrow::Cow,
    fs,
    process::{Command, ExitCode},
};

use vulns::Index;

use crate::{
    data,
    table::{Line, Table, Target},
};

/// The argument by which this program is its own child.
pub const CHILD: &str = "--resident-size-of-the-index";

pub fn run(table: &mut Table) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program).arg(CHILD).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    let &[index, peak, plain] = figures.as_slice() else {
        return Err(format!("the child said `{text}`: {}", String::from_utf8_lossy(&output.stderr)));
    };
    let line = |work: &str, figure, target| Line {
        bench: "memory",
        work: work.into(),
        figure,
        unit: "MiB",
        target,
        against: Some(("the feeds as published".into(), plain)),
    };
    table.add(line("the index of all feeds, resident", index, Some(Target::Below(150.0))));
    table.add(line("the highest while it was made", peak, None));
    Ok(())
}

/// Prints the growth by the index, the peak, and the size of the files, in MiB.
pub fn child() -> ExitCode {
    let measured = || -> Result<(f64, f64, f64), String> {
        let files = data::files()?;
        let published = files.iter().map(|file| file.bytes.len()).sum::<usize>();
        drop(files);
        let before = status("VmRSS:")?;
        // As the control plane does it: one file at a time is in memory, and no reading outlives the index.
        let index = Index::of(data::parse(&data::files()?)?.into_iter().map(Cow::Owned));
        let after = status("VmRSS:")?;
        // Used after it was measured, so that it cannot be dropped before.
        if index.feeds().is_empty() {
            return Err("the index is empty".into());
        }
        Ok((after - before, status("VmHWM:")?, published as f64 / f64::from(1 << 20)))
    };
    match measured() {
        Ok((index, peak, published)) => {
            println!("{index} {peak} {published}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A size in `proc_pid_status(5)`, in MiB.
fn status(name: &str) -> Result<f64, String> {
    let text = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0).ok_or_else(|| format!("no `{name}` in /proc/self/status"))
}
