//! Digests of the files that packages and their scripts write, to prove that a
//! restored host is the former one.
//!
//! Taken in is what belongs to packages: programs, configuration, boot files, and the
//! folders in which dpkg and its helpers keep what they know. The rest of `/var/lib` is
//! data: it changes at any moment, may be terabytes, and a rollback neither undoes nor
//! judges it. Files of packages elsewhere are covered by `dpkg --verify`.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::kept::digest;

/// Where only packages, their scripts and administrators write.
const ROOTS: [&str; 24] = [
    "/usr",
    "/etc",
    "/boot",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/var/cache/debconf",
    "/var/lib/binfmts",
    "/var/lib/dictionaries-common",
    "/var/lib/dkms",
    "/var/lib/dpkg",
    "/var/lib/emacsen-common",
    "/var/lib/pam",
    "/var/lib/python",
    "/var/lib/sgml-base",
    "/var/lib/shells.state",
    "/var/lib/systemd/deb-systemd-helper-enabled",
    "/var/lib/systemd/deb-systemd-helper-masked",
    "/var/lib/systemd/deb-systemd-user-helper-enabled",
    "/var/lib/ucf",
    "/var/lib/xml-core",
];

/// Folders and files below them that are not compared.
const LEFT_OUT: [&str; 11] = [
    "/usr/local",
    "/etc/holdfast-agent",
    "/etc/letsencrypt",
    "/etc/resolv.conf",
    "/boot/grub/grubenv",
    // What dpkg keeps for itself; the list of packages is compared instead.
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/available",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/triggers",
    "/var/lib/dpkg/updates",
];

/// Backups that tools write beside their files, and caches of byte code.
const BY_SUFFIX: [&str; 3] = ["-old", ".pyc", "/__pycache__"];

/// What is compared of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fact {
    /// `f` file, `d` folder, `l` link, `o` other.
    kind: char,
    mode: u32,
    uid: u32,
    gid: u32,
    /// Digest of a file, target of a link.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    content: String,
}

/// Facts by path.
pub(super) type Facts = BTreeMap<String, Fact>;

/// Facts with digests. Reads every file once.
pub(super) fn facts() -> io::Result<Facts> {
    let mut facts = Facts::new();
    walk(&mut |path, metadata| {
        if let Some(fact) = fact(path, metadata)? {
            facts.insert(path.to_string_lossy().into_owned(), fact);
        }
        Ok(())
    })?;
    Ok(facts)
}

/// Paths only; reads no file.
pub(super) fn paths() -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    walk(&mut |path, _| {
        paths.push(path.to_owned());
        Ok(())
    })?;
    Ok(paths)
}

/// The first differences in words, and how many there are.
pub(super) fn differences(before: &Facts, now: &Facts) -> Vec<String> {
    let gone = before.keys().filter(|path| !now.contains_key(*path)).map(|path| format!("{path} is missing"));
    let changed = now.iter().filter_map(|(path, fact)| match before.get(path) {
        None => Some(format!("{path} is new")),
        Some(former) if former != fact => Some(format!("{path} differs")),
        Some(_) => None,
    });
    gone.chain(changed).collect()
}

/// Whether a path is not compared.
pub(super) fn is_left_out(path: &str) -> bool {
    let below = |folder: &&str| {
        path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    LEFT_OUT.iter().any(below) || BY_SUFFIX.iter().any(|suffix| path.ends_with(suffix))
}

type Visit<'a> = dyn FnMut(&Path, &fs::Metadata) -> io::Result<()> + 'a;

fn walk(visit: &mut Visit<'_>) -> io::Result<()> {
    for root in ROOTS {
        let root = Path::new(root);
        let Some(metadata) = metadata(root)? else { continue };
        visit(root, &metadata)?;
        // On a merged system `/lib` is a link, and what it leads to is below `/usr`.
        if metadata.is_dir() {
            walk_folder(root, visit)?;
        }
    }
    Ok(())
}

fn walk_folder(folder: &Path, visit: &mut Visit<'_>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let Some(metadata) = metadata(&path)? else { continue };
        if is_left_out(&path.to_string_lossy()) {
            continue;
        }
        visit(&path, &metadata)?;
        if metadata.is_dir() {
            walk_folder(&path, visit)?;
        }
    }
    Ok(())
}

/// None when the file went away between listing and looking.
fn metadata(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn fact(path: &Path, metadata: &fs::Metadata) -> io::Result<Option<Fact>> {
    let kind = metadata.file_type();
    let content = if kind.is_symlink() {
        fs::read_link(path).map(|target| target.to_string_lossy().into_owned())
    } else if kind.is_file() && !is_generated(path) {
        digest(path).map(|digest| digest.to_string())
    } else {
        Ok(String::new())
    };
    let content = match content {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        content => content?,
    };
    let letter = match () {
        () if kind.is_file() => 'f',
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'l',
        () => {
            if kind.is_socket() || kind.is_fifo() {
                return Ok(None);
            } else {
                'o'
            }
        }
    };
    let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
    Ok(Some(Fact { kind: letter, mode, uid, gid, content }))
}

/// An initial RAM disk is made anew by scripts and never twice the same.
fn is_generated(path: &Path) -> bool {
    path.to_string_lossy().starts_with("/boot/initrd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_like_an_exception_are_still_compared() {
        assert!(is_left_out("/var/lib/dpkg/lock") && is_left_out("/etc/passwd-old"));
        assert!(is_left_out("/usr/lib/python3/__pycache__/x.pyc"));
        for compared in ["/var/lib/dpkg/lockfile", "/usr/lib/libfile-fcntllock-perl", "/etc/resolv.conf.d/x"]
        {
            assert!(!is_left_out(compared), "{compared}");
        }
    }

    #[test]
    fn differences_name_what_is_missing_new_and_changed() {
        let fact = |content: &str| Fact { kind: 'f', mode: 0o644, uid: 0, gid: 0, content: content.into() };
        let before = Facts::from([("/a".into(), fact("1")), ("/b".into(), fact("1"))]);
        let now = Facts::from([("/b".into(), fact("2")), ("/c".into(), fact("1"))]);
        assert_eq!(differences(&before, &now), ["/a is missing", "/b differs", "/c is new"]);
        assert!(differences(&before, &before).is_empty());
    }
}
