//! What matching costs, on the real feeds and hosts that lie beside the project. Each line
//! prints its target, the figure, and a ratio against something measured in the same run.
//!
//! `cargo xtask bench` runs this; docs/benchmarks.md tells how to read it. Never a test:
//! a slow machine is no fault.

mod clock;
mod data;
mod fleet;
mod hosts;
mod loading;
mod memory;
mod table;
mod tools;

use std::process::ExitCode;

use table::Table;

/// Adds its lines to the table, or says why it cannot.
type Bench = fn(&mut Table) -> Result<(), String>;

/// Every bench by its name.
const ALL: &[(&str, Bench)] =
    &[("load", loading::run), ("memory", memory::run), ("host", hosts::run), ("fleet", fleet::run)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == memory::CHILD) {
        return memory::child();
    }
    let json = arguments.iter().any(|argument| argument == "--json");
    // cargo adds `--bench` to the arguments of every bench.
    let names: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|name| !name.starts_with("--")).collect();
    if let Some(unknown) = names.iter().find(|name| !ALL.iter().any(|(known, _)| known == *name)) {
        let known: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no bench `{unknown}`; there are {}", known.join(", "));
        return ExitCode::FAILURE;
    }
    let mut table = Table::default();
    for (name, bench) in ALL.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        eprintln!("… {name}");
        if let Err(error) = bench(&mut table) {
            eprintln!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    if json {
        println!("{}", table.json())
    } else {
        print!("{table}")
    }
    ExitCode::SUCCESS
}
