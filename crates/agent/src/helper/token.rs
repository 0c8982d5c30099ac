//! Blanks the enrolment token in the bootstrap file once it is used.

use std::{io, os::unix::fs::MetadataExt};

use crate::{Places, durable};

const FILE_BYTES: u64 = 256 << 10;

/// Replaces the token by nothing and keeps owner and mode. A missing file is fine.
pub(super) fn forget(places: &Places) -> io::Result<()> {
    let path = places.bootstrap();
    let bytes = match durable::read_bounded(path, FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut bootstrap: wire::Bootstrap = serde_json::from_slice(&bytes)?;
    if bootstrap.token.is_empty() {
        return Ok(());
    }
    bootstrap.token.clear();
    let before = std::fs::metadata(path)?;
    durable::replace(path, &serde_json::to_vec_pretty(&bootstrap)?, before.mode() & 0o777)?;
    std::os::unix::fs::chown(path, Some(before.uid()), Some(before.gid()))
}
