//! `cargo xtask fuzz`: odd input for every parser, by libFuzzer on the stable compiler.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use crate::{command, packages};

/// What libFuzzer needs to see which branches an input takes and what it is compared with. These are
/// the flags of its own driver but for the address sanitizer, which needs a nightly compiler and
/// finds nothing in code without `unsafe`.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Longest input, in bytes. Far below real feeds, which hold the same few forms over and over.
const INPUT_MAX: usize = 16 << 10;
/// One input may take this long, in seconds, and this much memory, in MiB: decoders may ask for
/// 128 MiB, and input of this length that is taken at all is done within milliseconds.
const INPUT_SECONDS: usize = 10;
const MEMORY_MAX: usize = 1024;

/// Runs all targets or the named ones, one after the other.
pub fn run(options: &[&str]) -> Result<()> {
    let root = command::root().join("fuzz");
    let all = targets(&root)?;
    let mut names: Vec<String> = Vec::new();
    let mut seconds = 60_u64;
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "--list" => {
                all.iter().for_each(|name| println!("{name}"));
                return Ok(());
            }
            "--seconds" => {
                let number = options.next().context("`--seconds` needs a number")?;
                seconds = number.parse().with_context(|| format!("`{number}` is no number of seconds"))?;
            }
            name if all.iter().any(|known| known == name) => names.push(name.to_owned()),
            name => bail!("there is no target `{name}`; there are {}", all.join(", ")),
        }
    }
    let names = if names.is_empty() { all } else { names };
    packages::install(packages::FUZZ)?;
    let program = build(&root)?;
    let mut crashed = Vec::new();
    for name in &names {
        match fuzz(&root, &program, name, seconds)? {
            Outcome { crash: false, executions, took } => {
                println!("{name}: {executions} executions in {took} s, no crash");
            }
            Outcome { crash: true, executions, took } => {
                println!("{name}: CRASH after {executions} executions in {took} s");
                crashed.push(name.as_str());
            }
        }
    }
    if crashed.is_empty() {
        return Ok(());
    }
    bail!("{} crashed; the inputs are in fuzz/artifacts", crashed.join(", "));
}

/// The targets: each has a folder of seeds.
fn targets(root: &Path) -> Result<Vec<String>> {
    let seeds = root.join("seeds");
    let folders = fs::read_dir(&seeds).with_context(|| format!("cannot read {}", seeds.display()))?;
    let mut names: Vec<String> =
        folders.flatten().map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn build(root: &Path) -> Result<PathBuf> {
    let version = command::output("rustc", &["-vV"])?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    let manifest = root.join("Cargo.toml");
    // With a target named, build scripts and macros are not instrumented.
    let arguments = ["build", "--release", "--locked", "--target", host, "--manifest-path"];
    let status = Command::new("cargo")
        .args(arguments)
        .arg(&manifest)
        .env("RUSTFLAGS", INSTRUMENTATION)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .status()
        .context("cannot start `cargo`")?;
    if !status.success() {
        bail!("the fuzz targets could not be built");
    }
    Ok(root.join("target").join(host).join("release/fuzz"))
}

struct Outcome {
    crash: bool,
    executions: u64,
    took: u64,
}

fn fuzz(root: &Path, program: &Path, name: &str, seconds: u64) -> Result<Outcome> {
    // What was found grows in `corpus`; seeds are only read.
    let (corpus, artifacts) = (root.join("corpus").join(name), root.join("artifacts").join(name));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let started = Instant::now();
    let output = Command::new(program)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MAX}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-print_final_stats=1", "-verbosity=1"])
        .arg(&corpus)
        .arg(root.join("seeds").join(name))
        .env("HOLDFAST_FUZZ_TARGET", name)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let executions = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok());
    let crash = !output.status.success();
    if crash {
        let tail: Vec<&str> = said.lines().rev().take(40).collect();
        tail.iter().rev().for_each(|line| eprintln!("  {line}"));
    }
    Ok(Outcome { crash, executions: executions.unwrap_or(0), took: started.elapsed().as_secs() })
}
