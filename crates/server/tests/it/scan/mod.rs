//! `holdfast scan`, run as a user runs it.
//!
//! The real feeds and inventories lie beside the project; nothing here copies them into it.

mod counts;
mod formats;
mod refusals;
mod together;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// A file or folder of the data beside the project.
fn shared(path: &str) -> PathBuf {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(path);
    assert!(path.exists(), "{} is missing", path.display());
    path
}

fn inventory(name: &str) -> String {
    shared(&format!("feeds/inventory/{name}")).display().to_string()
}

/// A directory of feeds with just these files of the real ones.
fn only(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let link = folder.path().join(file);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(shared("feeds").join(file), link).unwrap();
    }
    folder
}

const DEBIAN: &str = "debian/security-tracker-derived-2025-02-12.json.zst";
const UBUNTU: &str = "ubuntu/ubuntu-cve-osv-derived-2024-08-09.jsonl.zst";
const KEV: &str = "kev/known_exploited_vulnerabilities.json";

/// What a scan prints, and its exit code.
struct Scanned {
    code: i32,
    out: String,
    err: String,
}

impl Scanned {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().expect("an exit code"),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("scan").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn scan(arguments: &[&str]) -> Scanned {
    Scanned::of(&command(arguments).output().unwrap())
}

/// With an inventory on standard input.
fn scan_input(arguments: &[&str], input: &[u8]) -> Scanned {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    // A program that refuses early does not read to the end.
    let _ = child.stdin.take().unwrap().write_all(input);
    Scanned::of(&child.wait_with_output().unwrap())
}

/// Scans an inventory of the real ones.
fn scan_inventory(feeds: &[&Path], name: &str, more: &[&str]) -> Scanned {
    let file = inventory(name);
    let mut arguments = vec!["--inventory", &file];
    let folders: Vec<String> = feeds.iter().map(|folder| folder.display().to_string()).collect();
    folders.iter().for_each(|folder| arguments.extend(["--feeds", folder]));
    arguments.extend(more);
    scan(&arguments)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("`{key}` in {value}"))
}
