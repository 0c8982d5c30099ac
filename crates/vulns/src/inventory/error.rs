//! Why a file is no inventory that could be judged.

use crate::feeds::FeedError;

/// Why an inventory was refused.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// No bytes, or not one installed package.
    #[error("it holds no installed package")]
    Empty,
    /// Larger than any real inventory.
    #[error("it has more than {limit} bytes, which no inventory of a host has")]
    TooLarge {
        /// The most bytes that are taken, after decompression.
        limit: u64,
    },
    /// More packages than any real host has.
    #[error("it has more than {limit} packages, which no host has")]
    TooMany {
        /// The most packages that are taken.
        limit: usize,
    },
    /// The compressed data cannot be unpacked.
    #[error("it cannot be unpacked")]
    Damaged {
        /// Why.
        #[source]
        source: FeedError,
    },
    /// Neither of the known forms.
    #[error(
        "it begins with `{begins}`: neither a dpkg status file (`Package: …`) nor tab-separated rows behind a line `# family=… release=… columns=…`"
    )]
    Unknown {
        /// The first characters.
        begins: String,
    },
    /// A line that cannot be what it should be.
    #[error("line {line} has no usable {what}; is the file whole?")]
    Malformed {
        /// The line, counted from 1; for a dpkg status file, the last one of the package.
        line: usize,
        /// What should stand there.
        what: &'static str,
    },
}
