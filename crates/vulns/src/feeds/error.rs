//! Why a file cannot replace the last good copy of a feed.

use std::io;

use jiff::Timestamp;

/// Why a feed file was refused. In every case what was known before stays.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// No bytes, or a well-formed file without a single record.
    #[error("the file holds no record")]
    Empty,
    /// The data stops in the middle; fetching it again may help.
    #[error("the file is cut off before its end; fetch it again")]
    Truncated,
    /// The compressed data or the archive is damaged.
    #[error("the compressed data is damaged; fetch it again")]
    Damaged {
        /// What the decoder said.
        #[source]
        source: io::Error,
    },
    /// More bytes than any real copy of this feed has.
    #[error("more than {limit} bytes after decompression, which no real copy of this feed has")]
    TooLarge {
        /// The most bytes that are taken.
        limit: u64,
    },
    /// A compression bomb.
    #[error("it grows to more than {limit} times its size when decompressed, which no real feed does")]
    Overcompressed {
        /// The highest ratio that is taken.
        limit: u64,
    },
    /// Compressed data inside compressed data.
    #[error("compressed data inside compressed data; give the file as its publisher serves it")]
    Nested,
    /// Something other than JSON, often the page of a proxy or of an outage.
    #[error("not JSON: it begins with `{begins}`; look for a proxy, a login page or a wrong address")]
    NotJson {
        /// The first characters.
        begins: String,
    },
    /// Something other than this feed's plain text, often the page of a proxy or of an outage.
    #[error(
        "expected {expected}; it begins with `{begins}`; look for a proxy, a login page or a wrong address"
    )]
    NotThisText {
        /// The first characters.
        begins: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// Plain text of another form: another feed, or a format that has changed.
    #[error("line {line}: expected {expected}; is it this feed, and has its format changed?")]
    WrongLine {
        /// The line, counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// JSON nested deeper than any feed is.
    #[error("JSON nested more than {limit} levels deep, which no feed is")]
    TooDeep {
        /// The deepest nesting that is taken.
        limit: usize,
    },
    /// JSON of another form: another feed, or a format that has changed.
    #[error("{at}: expected {expected}; is it this feed, and has its format changed?")]
    WrongShape {
        /// Where in the file.
        at: String,
        /// What should stand there.
        expected: &'static str,
        /// What the decoder said.
        #[source]
        source: serde_json::Error,
    },
    /// The file does not hold as many records as it says.
    #[error("the file says it has {stated} records and has {found}")]
    CountMismatch {
        /// The number in the file's head.
        stated: u64,
        /// The number of records in it.
        found: u64,
    },
    /// Far smaller than the last good copy.
    #[error(
        "suddenly far smaller: {after} records after {before}; if that is right, remove the last good copy and refresh"
    )]
    Shrunken {
        /// Records in the last good copy.
        before: usize,
        /// Records in the new one.
        after: usize,
    },
    /// Dated in the future: once taken, every right copy would seem older.
    #[error("as of {as_of}, which is after {now}; is a clock wrong, here or at the source?")]
    FromTheFuture {
        /// The time of the new copy.
        as_of: Timestamp,
        /// The present time.
        now: Timestamp,
    },
    /// Older than the last good copy, as a stale cache or mirror would serve it.
    #[error("as of {after}, older than the {before} that is already here; look for a stale mirror or cache")]
    Older {
        /// The time of the last good copy.
        before: Timestamp,
        /// The time of the new one.
        after: Timestamp,
    },
}
