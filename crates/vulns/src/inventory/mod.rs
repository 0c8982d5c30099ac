//! Inventories in files: a dpkg status file, or rows of `dpkg-query` behind a line that
//! names their columns. Bytes in, [`HostPackages`] out; what a file is, its content tells.
//!
//! Every size is bounded, and a file that is not understood whole is refused: half an
//! inventory would look like a safer host.

mod dpkg_status;
mod error;
mod tsv;

pub use error::InventoryError;

use crate::{
    engine::InstalledEngine,
    feeds::{FeedError, unpack},
    host::{HostPackages, InstalledPackage},
};

/// The largest inventory that is read, in bytes, also after decompression. A dpkg status file of five thousand packages has about 6 MB.
pub const BYTES_MAX: u64 = 64 << 20;
/// The most packages of a host. Debian has about 65,000 binary packages in all.
const PACKAGES_MAX: usize = 100_000;
/// The longest name or version. Debian's archive stays below 200 for both.
const TEXT_MAX: usize = 512;

/// Reads an inventory, plain or compressed with zstd, gzip or xz.
///
/// Its release and kernel are empty where the file does not name them, as a dpkg status
/// file never does. What a host's package sources offer is never known from a file, so
/// every released fix counts as offered.
///
/// # Errors
/// When the bytes are no inventory, are damaged or too large, or hold no installed package.
pub fn read(bytes: &[u8]) -> Result<HostPackages, InventoryError> {
    let plain = unpack::document_within(bytes, BYTES_MAX).map_err(|error| match error {
        FeedError::Empty => InventoryError::Empty,
        FeedError::TooLarge { limit } => InventoryError::TooLarge { limit },
        source => InventoryError::Damaged { source },
    })?;
    // A mark that some editors put in front of UTF-8 text.
    let text = plain.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&plain);
    let mut host = if text.starts_with(b"#") {
        tsv::read(text)?
    } else if dpkg_status::begins_like_one(text) {
        dpkg_status::read(text)?
    } else {
        let shown = &text[..text.len().min(40)];
        let begins = String::from_utf8_lossy(shown).escape_debug().collect();
        return Err(InventoryError::Unknown { begins });
    };
    if host.packages.is_empty() {
        return Err(InventoryError::Empty);
    }
    host.packages.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    host.engines = InstalledEngine::of_packages(&host.packages);
    Ok(host)
}

/// Whether the state in a `Status` field (`want flag state`, deb-status of dpkg(1)) has the
/// package's files on the disk, and whether the package is on hold. `None` for no status.
fn status(text: &str) -> Option<(bool, bool)> {
    let mut words = text.split_ascii_whitespace();
    let (want, _flag, state) = (words.next()?, words.next()?, words.next()?);
    let present = match state {
        "installed" | "half-installed" | "half-configured" | "unpacked" | "triggers-awaited"
        | "triggers-pending" => true,
        "not-installed" | "config-files" => false,
        _ => return None,
    };
    words.next().is_none().then_some((present, want == "hold"))
}

/// Adds a package when its texts can be what they should be.
fn add(
    packages: &mut Vec<InstalledPackage>,
    package: InstalledPackage,
    line: usize,
) -> Result<(), InventoryError> {
    let version =
        |text: &str| (1..=TEXT_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    // Debian policy §5.6.1; dpkg itself also takes capitals and the underscore.
    let name =
        |text: &str| version(text) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b));
    for (what, fits) in [
        ("package name", name(&package.name)),
        ("version", version(&package.version)),
        ("source package", name(&package.source)),
        ("version of the source package", version(&package.source_version)),
    ] {
        if !fits {
            return Err(InventoryError::Malformed { line, what });
        }
    }
    if packages.len() == PACKAGES_MAX {
        return Err(InventoryError::TooMany { limit: PACKAGES_MAX });
    }
    packages.push(package);
    Ok(())
}
