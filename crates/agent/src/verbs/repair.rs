//! `repair`: puts files of the baseline and units that must stay quiet back as they should be.
//! Only files that every baseline has, and only those units.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use baseline::{UPDATER_UNITS, WATCHED_FILES};
use wire::{Failure, FailureKind, Outcome, RepairFile};

use super::{failure, impossible, internal};
use crate::{
    durable,
    jobs::Job,
    tool::{Tool, ToolError},
};

/// The largest file of a baseline; none has a hundredth of it.
const FILE_BYTES: usize = 256 << 10;

/// A file that was replaced, with what was there before.
struct Replaced {
    path: PathBuf,
    former: Option<(Vec<u8>, u32)>,
}

pub(super) async fn perform(job: &Job, files: &[RepairFile], units: &[String]) -> Result<Outcome, Failure> {
    let known = |file: &RepairFile| WATCHED_FILES.contains(&file.path.as_str());
    if !files.iter().all(|file| known(file) && file.contents.len() <= FILE_BYTES) {
        return Err(impossible("a file is not one of a baseline, or is too large"));
    }
    if !units.iter().all(|unit| UPDATER_UNITS.contains(&unit.as_str())) {
        return Err(impossible("a unit is none that a baseline keeps quiet"));
    }
    let mut replaced = Vec::new();
    for file in files {
        let path = Path::new(&file.path);
        match write(path, file) {
            Ok(None) => {}
            Ok(Some(change)) => {
                job.log(&format!("wrote {}", file.path));
                replaced.push(change);
            }
            Err(error) => {
                put_back(job, replaced);
                return Err(internal(error));
            }
        }
    }
    // A configuration that sshd refuses would keep it from ever starting again.
    if touches(&replaced, "/etc/ssh/")
        && let Err(error) = Tool::new("/usr/sbin/sshd").arg("-t").text().await
    {
        put_back(job, replaced);
        let said = format!("sshd refuses the repaired configuration, so the former one is back: {error}");
        return Err(failure(FailureKind::NotVerified, said));
    }
    let mut faults = activate(job, &replaced).await;
    for unit in units {
        job.log(&format!("masking {unit}"));
        faults.extend(systemctl(&["mask", "--now", "--", unit]).await.err().map(|error| error.to_string()));
    }
    if !faults.is_empty() {
        return Err(failure(FailureKind::NotVerified, faults.join("; ")));
    }
    Ok(if replaced.is_empty() && units.is_empty() { Outcome::AlreadyDone } else { Outcome::Done })
}

/// Writes a file unless it is there already, and returns what it replaced.
fn write(path: &Path, file: &RepairFile) -> io::Result<Option<Replaced>> {
    let mode = u32::from(file.mode) & 0o777;
    let former = match fs::read(path) {
        Ok(bytes) => Some((bytes, fs::metadata(path)?.permissions().mode() & 0o777)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if former.as_ref().is_some_and(|(bytes, was)| bytes == file.contents.as_bytes() && *was == mode) {
        return Ok(None);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    durable::replace(path, file.contents.as_bytes(), mode)?;
    Ok(Some(Replaced { path: path.to_owned(), former }))
}

fn put_back(job: &Job, replaced: Vec<Replaced>) {
    for Replaced { path, former } in replaced {
        let done = match former {
            Some((bytes, mode)) => durable::replace(&path, &bytes, mode),
            None => fs::remove_file(&path),
        };
        if let Err(error) = done {
            job.log(&format!("{} could not be put back: {error}", path.display()));
        }
    }
}

fn touches(replaced: &[Replaced], folder: &str) -> bool {
    replaced.iter().any(|change| change.path.starts_with(folder.trim_end_matches('/')))
}

/// Puts into effect what does not take effect at its next use. Returns what failed.
async fn activate(job: &Job, replaced: &[Replaced]) -> Vec<String> {
    let mut faults = Vec::new();
    if touches(replaced, "/etc/systemd/") {
        faults.extend(systemctl(&["daemon-reload"]).await.err());
    }
    if touches(replaced, "/etc/ssh/") {
        faults.extend(systemctl(&["try-reload-or-restart", "ssh.service"]).await.err());
    }
    if touches(replaced, "/etc/sysctl.d/") {
        // A container's kernel refuses some of it, which is told as drift where it matters.
        if let Err(error) = Tool::new("/usr/sbin/sysctl").args(["--quiet", "--system"]).text().await {
            job.log(&error.to_string());
        }
    }
    faults.into_iter().map(|error| error.to_string()).collect()
}

async fn systemctl(arguments: &[&str]) -> Result<String, ToolError> {
    Tool::new("/usr/bin/systemctl").args(arguments).text().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once_and_can_be_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/sshd.conf");
        let file = RepairFile { path: String::new(), mode: 0o640, contents: "one\n".into() };
        let first = write(&path, &file).unwrap().expect("written");
        assert!(first.former.is_none());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(write(&path, &file).unwrap().is_none(), "it is there already");
        let wider = RepairFile { mode: 0o644, ..file.clone() };
        assert!(write(&path, &wider).unwrap().is_some(), "its mode counts too");
        let other = RepairFile { contents: "two\n".into(), ..wider };
        let change = write(&path, &other).unwrap().expect("written");
        assert_eq!(change.former, Some((b"one\n".to_vec(), 0o644)));
    }
}
