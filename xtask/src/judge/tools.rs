//! Fetches the judges that have to run inside a host, and lends them to it.
//!
//! They come from Debian's archive, signed, with whatever libraries the host lacks. They
//! are unpacked in the host's memory; when the loan ends, they are gone.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::host::JudgedHost;
use crate::command;

/// Where they lie in the host while it is judged.
pub const INSIDE: &str = "/run/holdfast-judge";

/// For whoever asks apt or its library in the host: a mere question would leave caches on its disk.
pub const APT_CONFIG: &str = "/run/holdfast-judge/apt.conf";

/// The release whose security content OpenSCAP judges by, for hosts of any release: that
/// of Debian 12 is older than the profile's rules.
const CONTENT_RELEASE: &str = "trixie";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Tools lent to a host. Dropping it takes them back.
pub struct Loan<'a> {
    host: &'a JudgedHost,
    /// Version of the packages, by name.
    versions: Vec<(String, String)>,
}

impl Loan<'_> {
    /// The version of one package.
    pub fn version(&self, package: &str) -> &str {
        let found = self.versions.iter().find(|(name, _)| name == package);
        found.map_or("of unknown version", |(_, version)| version)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.host.exec(&format!("rm -rf {INSIDE}")) {
            eprintln!("`{INSIDE}` could not be removed from `{}`: {error:#}", self.host.name);
        }
    }
}

/// Brings Lynis, OpenSCAP and its content into the host's memory.
pub fn bring(host: &JudgedHost) -> Result<Loan<'_>> {
    let work = command::binaries().join("judge").join(&host.name);
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let tree = work.join("tree");
    fs::create_dir_all(&tree)?;
    let status = work.join("status");
    fs::write(&status, host.exec("cat /var/lib/dpkg/status")?)?;
    let own = Archive::new(&work, &host.archive, &host.codename)?;
    own.download(&status, &["lynis", "openscap-scanner"])?;
    let nothing = work.join("nothing");
    fs::write(&nothing, "")?;
    let content = Archive::new(&work, &host.archive, CONTENT_RELEASE)?;
    content.download(&nothing, &["ssg-debian"])?;
    let mut versions = Vec::new();
    for package in own.packages()?.into_iter().chain(content.packages()?) {
        let path = package.display().to_string();
        let named = command::output("dpkg-deb", &["--show", "--showformat=${Package} ${Version}", &path])?;
        let (name, version) = named.split_once(' ').context("a package without a version")?;
        versions.push((name.to_owned(), version.to_owned()));
        command::output("dpkg-deb", &["--extract", &path, &tree.display().to_string()])?;
    }
    let archive = work.join("tree.tar");
    let (archive_path, tree_path) = (archive.display().to_string(), tree.display().to_string());
    // Manual pages and translations would only fill the host's memory.
    command::output(
        "tar",
        &[
            "--create",
            "--file",
            &archive_path,
            "--owner=0",
            "--group=0",
            "--exclude=./usr/share/doc",
            "--exclude=./usr/share/man",
            "--exclude=./usr/share/locale",
            "--directory",
            &tree_path,
            ".",
        ],
    )?;
    let loan = Loan { host, versions };
    let unpack = format!(
        "rm -rf {INSIDE} && mkdir -m 0700 {INSIDE} \
         && printf 'Dir::Cache::pkgcache \"\";\\nDir::Cache::srcpkgcache \"\";\\n' >{APT_CONFIG} && tar -x -C {INSIDE}"
    );
    host.exec_with(&unpack, File::open(&archive)?)?;
    fs::remove_dir_all(&work)?;
    Ok(loan)
}

/// One release of Debian's archive, with lists of its own beside this machine's.
struct Archive {
    folder: PathBuf,
    options: Vec<String>,
}

impl Archive {
    fn new(work: &Path, address: &str, codename: &str) -> Result<Self> {
        let folder = work.join(codename);
        fs::create_dir_all(folder.join("lists/partial"))?;
        fs::create_dir_all(folder.join("cache/archives/partial"))?;
        let sources = folder.join("sources.list");
        fs::write(&sources, format!("deb [signed-by={KEYRING}] {address} {codename} main\n"))?;
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        let options = vec![
            option("Dir::Etc::SourceList", &sources),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            "Dir::Etc::Preferences=/dev/null".to_owned(),
            "Dir::Etc::PreferencesParts=/dev/null".to_owned(),
            option("Dir::State::Lists", &folder.join("lists")),
            option("Dir::Cache", &folder.join("cache")),
            "APT::Sandbox::User=root".to_owned(),
            "APT::Install-Recommends=0".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Check-Valid-Until=false".to_owned(),
        ];
        Ok(Self { folder, options })
    }

    /// Downloads packages with what they need beyond what `status` says is installed.
    fn download(&self, status: &Path, packages: &[&str]) -> Result<()> {
        let status = format!("Dir::State::status={}", status.display());
        let mut common: Vec<&str> = vec!["-q", "-y", "-o", &status];
        for option in &self.options {
            common.extend(["-o", option]);
        }
        command::output("apt-get", &[common.as_slice(), &["update"]].concat())?;
        let download = ["-o", "Debug::NoLocking=1", "--download-only", "install"];
        command::output("apt-get", &[common.as_slice(), &download, packages].concat())?;
        Ok(())
    }

    fn packages(&self) -> Result<Vec<PathBuf>> {
        let mut found: Vec<PathBuf> = fs::read_dir(self.folder.join("cache/archives"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .collect();
        ensure!(!found.is_empty(), "apt downloaded nothing");
        found.sort();
        Ok(found)
    }
}
