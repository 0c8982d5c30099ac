//! `cargo xtask up`: builds and starts the control plane.

use std::{os::unix::process::CommandExt, process::Command};

use anyhow::{Context, Result};

use crate::{command, packages};

/// Builds, installs what the lab needs when root, and becomes `holdfast up`.
pub fn run(options: &[&str]) -> Result<()> {
    command::build()?;
    let wants_lab = command::is_root() && !options.contains(&"--no-lab") && !options.contains(&"--help");
    if wants_lab && let Err(error) = packages::install(packages::LAB) {
        eprintln!("no lab: {error:#}");
    }
    let error = Command::new(command::binaries().join("holdfast")).arg("up").args(options).exec();
    Err(error).context("cannot start `holdfast`")
}
