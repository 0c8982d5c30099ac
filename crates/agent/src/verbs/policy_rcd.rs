//! Keeps packages' scripts from starting, stopping and restarting services while
//! packages change: `/usr/sbin/policy-rc.d`, which invoke-rc.d(8) asks, says no (101).
//! Services are restarted afterwards, deliberately.
//!
//! An administrator's own file is set aside and put back. What a killed job leaves is
//! cleared by [`lift`], which the helper also calls.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::durable;

const FILE: &str = "/usr/sbin/policy-rc.d";
/// By this line our own file is recognised.
const MARK: &str = "# Written by holdfast-agent for the time of one upgrade.";

/// The ban, lifted when dropped.
pub struct Ban(());

/// Begins the ban.
pub fn begin() -> io::Result<Ban> {
    set(Path::new(FILE))?;
    Ok(Ban(()))
}

/// Ends the ban of a job that could not do so itself. Succeeds when there is none.
pub fn lift() -> io::Result<()> {
    unset(Path::new(FILE))
}

impl Ban {
    /// Ends the ban and says whether that worked.
    pub fn end(self) -> io::Result<()> {
        lift()
    }
}

impl Drop for Ban {
    fn drop(&mut self) {
        if let Err(error) = lift() {
            tracing::error!(%error, "the ban on service starts could not be lifted");
        }
    }
}

fn aside(file: &Path) -> PathBuf {
    file.with_extension("d.holdfast-aside")
}

fn is_ours(file: &Path) -> io::Result<bool> {
    match durable::read_bounded(file, 64 << 10) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).contains(MARK)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn set(file: &Path) -> io::Result<()> {
    // symlink_metadata: a dangling link is the administrator's as well.
    if !is_ours(file)? && file.symlink_metadata().is_ok() {
        fs::rename(file, aside(file))?;
    }
    durable::replace(file, format!("#!/bin/sh\n{MARK}\nexit 101\n").as_bytes(), 0o755)
}

fn unset(file: &Path) -> io::Result<()> {
    if is_ours(file)? {
        fs::remove_file(file)?;
    }
    if aside(file).symlink_metadata().is_ok() && file.symlink_metadata().is_err() {
        fs::rename(aside(file), file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrators_file_comes_back_also_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("policy-rc.d");
        unset(&file).unwrap();
        fs::write(&file, "#!/bin/sh\nexit 0\n").unwrap();
        set(&file).unwrap();
        set(&file).unwrap();
        assert!(is_ours(&file).unwrap());
        unset(&file).unwrap();
        unset(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "#!/bin/sh\nexit 0\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
