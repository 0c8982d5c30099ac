//! Checks of the tree that are no compiler's business.

use std::{fs, path::Path};

use anyhow::{Result, bail};

use crate::command;

/// Past this many lines a file most likely holds a second noun.
const LINES: usize = 800;

/// Every check; all faults are listed at once.
pub fn run() -> Result<()> {
    let files = command::output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut faults = Vec::new();
    for file in files.lines() {
        let path = command::root().join(file);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if file.ends_with(".rs") {
            check_source(file, &text, &mut faults);
        }
        if file.ends_with(".md") {
            check_paths(file, &text, &mut faults);
        }
    }
    if faults.is_empty() {
        println!("{} files are tidy", files.lines().count());
        return Ok(());
    }
    bail!("{} faults:\n  {}", faults.len(), faults.join("\n  "));
}

fn check_source(file: &str, text: &str, faults: &mut Vec<String>) {
    if !text.trim_start().starts_with("//!") {
        faults.push(format!("{file}: the first line must say, with `//!`, what this file is for"));
    }
    let lines = text.lines().count();
    if lines > LINES {
        faults.push(format!("{file}: {lines} lines; look for a second noun (at most {LINES})"));
    }
}

/// A document that names a path of the tree must name one that exists.
fn check_paths(file: &str, text: &str, faults: &mut Vec<String>) {
    for word in text.split('`').skip(1).step_by(2) {
        let looks_like_a_path = ["crates/", "docs/", "xtask/"].iter().any(|start| word.starts_with(start))
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        if looks_like_a_path && !command::root().join(Path::new(word)).exists() {
            faults.push(format!("{file}: `{word}` does not exist"));
        }
    }
}
