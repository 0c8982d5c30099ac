//! The lab's own signed package repository, which passes for Debian's security
//! archive so that its packages count as security updates.
//!
//! The signing key is made with the repository and never leaves its folder; gpg
//! gets it in a throw-away home, so no agent process stays behind. Formats: the
//! Debian repository format, with the index made by `apt-ftparchive`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    command::Program,
    layout::{self, write_atomically},
    package::LabPackage,
};
use crate::ProviderError;

/// The only suite.
pub(crate) const SUITE: &str = "lab-security";

/// A repository in a folder; `public` below it is what hosts see.
#[derive(Debug, Clone)]
pub struct Repo {
    dir: PathBuf,
}

impl Repo {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The folder that is served to hosts under `/lab`.
    pub(crate) fn public(&self) -> PathBuf {
        self.dir.join("public")
    }

    /// The public key, as gpg exports it.
    pub(crate) fn public_key(&self) -> Result<Vec<u8>, ProviderError> {
        let path = self.public().join("lab.gpg");
        fs::read(&path).map_err(ProviderError::file("read", path))
    }

    /// Makes the key and an empty index, so that `apt-get update` succeeds from the first boot.
    pub(crate) async fn set_up(&self) -> Result<(), ProviderError> {
        if self.public().join("dists").exists() {
            return Ok(());
        }
        let pool = self.public().join("pool");
        fs::create_dir_all(&pool).map_err(ProviderError::file("create", &pool))?;
        if !self.secret_key().exists() {
            let gpg = Gpg::new()?;
            gpg.run(&["--quick-generate-key", "Holdfast lab <lab@localhost>", "ed25519", "sign", "never"])
                .await?;
            let public = self.public().join("lab.gpg");
            let public_text = public.display().to_string();
            gpg.run(&["--yes", "--output", &public_text, "--export"]).await?;
            let part = gpg.home.path().join("secret");
            gpg.run(&["--output", &part.display().to_string(), "--export-secret-keys"]).await?;
            let bytes = fs::read(&part).map_err(ProviderError::file("read", &part))?;
            fs::set_permissions(&self.dir, fs::Permissions::from_mode(0o711))
                .map_err(ProviderError::file("close", &self.dir))?;
            write_atomically(&self.secret_key(), &bytes)?;
            fs::set_permissions(self.secret_key(), fs::Permissions::from_mode(0o600))
                .map_err(ProviderError::file("close", self.secret_key()))?;
            gpg.close().await;
        }
        self.index().await
    }

    /// Adds packages and signs a new index. A package of the same name and version is replaced.
    pub async fn publish(&self, packages: &[LabPackage]) -> Result<(), ProviderError> {
        let _lock = layout::lock(self.dir.join("lock")).await?;
        for package in packages {
            let deb = self.public().join("pool").join(package.file_name());
            let part = deb.with_extension("part");
            package.build(&part).await?;
            fs::rename(&part, &deb).map_err(ProviderError::file("rename", part))?;
        }
        self.index().await
    }

    /// Takes every package out and signs an empty index.
    pub async fn clear(&self) -> Result<(), ProviderError> {
        let _lock = layout::lock(self.dir.join("lock")).await?;
        let pool = self.public().join("pool");
        for entry in fs::read_dir(&pool).map_err(ProviderError::file("read", &pool))?.flatten() {
            layout::remove_file(&entry.path())?;
        }
        self.index().await
    }

    fn secret_key(&self) -> PathBuf {
        self.dir.join("secret.key")
    }

    /// Writes a whole new `dists` and swaps it in by one rename of a link, so that
    /// a host never sees an index and a signature that do not belong together.
    async fn index(&self) -> Result<(), ProviderError> {
        let public = self.public();
        let architecture =
            Program::new("dpkg", "read this machine's architecture").arg("--print-architecture");
        let architecture = architecture.run().await?.trim().to_owned();
        let dists = tempfile::Builder::new()
            .prefix("dists-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(&public)
            .map_err(ProviderError::file("create", &public))?;
        let suite = dists.path().join(SUITE);
        let binary = suite.join(format!("main/binary-{architecture}"));
        fs::create_dir_all(&binary).map_err(ProviderError::file("create", &binary))?;
        // The paths in the index are relative to the folder apt-ftparchive runs in.
        let packages = ftparchive(&public, &["packages".into(), "pool".into()]).await?;
        let list = binary.join("Packages");
        fs::write(&list, packages).map_err(ProviderError::file("write", list))?;
        let mut words: Vec<String> = [
            ("Origin", "Debian"),
            ("Label", "Debian-Security"),
            ("Suite", SUITE),
            ("Codename", SUITE),
            ("Architectures", &architecture),
            ("Components", "main"),
        ]
        .iter()
        .flat_map(|(name, value)| ["-o".to_owned(), format!("APT::FTPArchive::Release::{name}={value}")])
        .collect();
        words.extend(["release".to_owned(), suite.display().to_string()]);
        let release = ftparchive(&public, &words).await?;
        let release_file = suite.join("Release");
        fs::write(&release_file, release).map_err(ProviderError::file("write", &release_file))?;
        self.sign(&release_file, &suite.join("InRelease")).await?;

        let dists = dists.keep();
        let former = fs::read_link(public.join("dists")).ok();
        let link = public.join("dists.part");
        layout::remove_file(&link)?;
        let target = dists.file_name().unwrap_or_default();
        std::os::unix::fs::symlink(target, &link).map_err(ProviderError::file("create", &link))?;
        fs::rename(&link, public.join("dists")).map_err(ProviderError::file("rename", &link))?;
        if let Some(former) = former {
            // A host that is reading it right now gets a 404 and tries again, as with any mirror.
            let _ = fs::remove_dir_all(public.join(former));
        }
        Ok(())
    }

    async fn sign(&self, file: &Path, signed: &Path) -> Result<(), ProviderError> {
        let gpg = Gpg::new()?;
        gpg.run(&["--import", &self.secret_key().display().to_string()]).await?;
        let (signed, file) = (signed.display().to_string(), file.display().to_string());
        gpg.run(&["--yes", "--output", &signed, "--clearsign", &file]).await?;
        gpg.close().await;
        Ok(())
    }
}

async fn ftparchive(public: &Path, words: &[String]) -> Result<String, ProviderError> {
    let command = Program::new("apt-ftparchive", "make the index of the lab's repository");
    command.args(words).current_dir(public).run().await
}

/// gpg with a home of its own. The path is short because it holds a socket.
struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    fn new() -> Result<Self, ProviderError> {
        let home = tempfile::Builder::new().prefix("lab-gpg-").tempdir_in("/tmp");
        Ok(Self { home: home.map_err(ProviderError::file("create", "/tmp"))? })
    }

    async fn run(&self, words: &[&str]) -> Result<(), ProviderError> {
        let gpg = Program::new("gpg", "sign the lab's repository").arg("--homedir").arg(self.home.path());
        let gpg =
            gpg.args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]);
        gpg.args(words).run().await.map(drop)
    }

    /// Ends the agent gpg started. It ends by itself, later, when its home is gone.
    async fn close(self) {
        let kill = Program::new("gpgconf", "end gpg's agent").arg("--homedir").arg(self.home.path());
        let _ = kill.args(["--kill", "all"]).run().await;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::package::Canary, *};

    #[tokio::test]
    async fn the_index_lists_what_was_published_and_is_signed() {
        for program in ["gpg", "apt-ftparchive", "dpkg-deb"] {
            if super::super::doctor::find_program(program).is_none() {
                eprintln!("skipped: `{program}` is not installed");
                return;
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::new(dir.path().join("repo"));
        repo.set_up().await.unwrap();
        repo.publish(&[Canary::Good.package("1.0"), Canary::PostinstFails.package("1.1")]).await.unwrap();
        let suite = repo.public().join("dists").join(SUITE);
        let signed = fs::read_to_string(suite.join("InRelease")).unwrap();
        assert!(
            signed.contains("BEGIN PGP SIGNED MESSAGE") && signed.contains("Label: Debian-Security"),
            "{signed}"
        );
        let index =
            fs::read_dir(suite.join("main")).unwrap().next().unwrap().unwrap().path().join("Packages");
        let list = fs::read_to_string(&index).unwrap();
        assert_eq!(list.matches("Package: lab-canary").count(), 2);
        assert!(list.contains("Filename: pool/lab-canary_1.1_all.deb"), "{list}");
        repo.clear().await.unwrap();
        assert_eq!(fs::read_to_string(&index).unwrap_or_default(), "");
    }
}
