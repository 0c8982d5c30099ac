//! Small files of the system, read within bounds.

use std::path::Path;

use crate::durable;

/// The largest file that is read whole: dpkg's list of auto-installed packages on a
/// host with everything is about 2 MB.
const FILE_BYTES: u64 = 16 << 20;

/// The text of a file, or nothing when it cannot be read.
pub(super) fn of(path: impl AsRef<Path>) -> Option<String> {
    let bytes = durable::read_bounded(path.as_ref(), FILE_BYTES).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
