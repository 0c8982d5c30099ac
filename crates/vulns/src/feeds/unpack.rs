//! Takes a fetched file out of its wrapping, within bounds: one layer of zstd,
//! gzip or xz, told by its first bytes, around a document, JSON lines or a tar.
//!
//! Never trusts a size that the file states.

use std::{
    borrow::Cow,
    io::{self, BufRead, BufReader, Read},
};

use super::FeedError;

/// The largest single document. Debian's tracker, the largest, has about 80 MB.
const DOCUMENT_MAX: u64 = 512 << 20;
/// The largest stream of records. Ubuntu's whole archive has a few GB.
const STREAM_MAX: u64 = 16 << 30;
/// The largest record of a stream. Kernel notices, the largest, have a few MB.
const RECORD_MAX: u64 = 64 << 20;
/// The highest ratio of compression. Records that list kernel packages reach about 100.
const RATIO_MAX: u64 = 400;
/// Below this many bytes the ratio does not matter: nothing is exhausted by them.
const RATIO_FREE: u64 = 32 << 20;
/// The most memory that an xz decoder may ask for. `xz -9` needs 65 MiB.
const XZ_MEMORY_MAX: u64 = 128 << 20;

/// The whole document in a file.
pub(super) fn document(bytes: &[u8]) -> Result<Cow<'_, [u8]>, FeedError> {
    document_within(bytes, DOCUMENT_MAX)
}

/// The whole document in a file, of at most `limit` bytes after decompression.
pub(crate) fn document_within(bytes: &[u8], limit: u64) -> Result<Cow<'_, [u8]>, FeedError> {
    if bytes.is_empty() {
        return Err(FeedError::Empty);
    }
    if bytes.len() as u64 > limit {
        return Err(FeedError::TooLarge { limit });
    }
    let Some(packing) = Packing::of(bytes) else { return Ok(Cow::Borrowed(bytes)) };
    let mut plain = Vec::new();
    packing.open(bytes, limit)?.read_to_end(&mut plain).map_err(refusal)?;
    must_be_plain(&plain)?;
    Ok(Cow::Owned(plain))
}

/// The first byte of the plain content that is no white space, if it is near the beginning.
pub(super) fn first_byte(bytes: &[u8]) -> Result<Option<u8>, FeedError> {
    let mut head = Vec::with_capacity(512);
    match Packing::of(bytes) {
        Some(packing) => {
            packing.open(bytes, STREAM_MAX)?.take(512).read_to_end(&mut head).map_err(refusal)?
        }
        None => bytes.take(512).read_to_end(&mut head).map_err(refusal)?,
    };
    Ok(head.trim_ascii_start().first().copied())
}

/// Hands over each record of a file: each line, or each `.json` file of a tar.
/// Records are counted from 1.
pub(super) fn each_record(
    bytes: &[u8],
    mut each: impl FnMut(usize, &[u8]) -> Result<(), FeedError>,
) -> Result<(), FeedError> {
    if bytes.is_empty() {
        return Err(FeedError::Empty);
    }
    let stream: Box<dyn Read + '_> = match Packing::of(bytes) {
        Some(packing) => Box::new(packing.open(bytes, STREAM_MAX)?),
        None => Box::new(bytes),
    };
    let mut stream = BufReader::with_capacity(1 << 16, stream);
    let mut head = Vec::with_capacity(512);
    stream.by_ref().take(512).read_to_end(&mut head).map_err(refusal)?;
    must_be_plain(&head)?;
    // POSIX.1-1988: the magic of a tar header is at byte 257.
    let is_tar = head.get(257..262) == Some(b"ustar");
    let stream = head.as_slice().chain(stream);
    if is_tar { each_file(stream, &mut each) } else { each_line(stream, &mut each) }
}

/// Takes the number and the bytes of a record.
type Each<'a> = dyn FnMut(usize, &[u8]) -> Result<(), FeedError> + 'a;

fn each_line(mut stream: impl BufRead, each: &mut Each<'_>) -> Result<(), FeedError> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        stream.by_ref().take(RECORD_MAX + 1).read_until(b'\n', &mut line).map_err(refusal)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.len() as u64 > RECORD_MAX {
            return Err(FeedError::TooLarge { limit: RECORD_MAX });
        }
        if !line.trim_ascii().is_empty() {
            number += 1;
            each(number, &line)?;
        }
    }
}

fn each_file(stream: impl Read, each: &mut Each<'_>) -> Result<(), FeedError> {
    let mut archive = tar::Archive::new(stream);
    let mut content = Vec::new();
    let mut number = 0;
    // Raw: the extensions for long names and sizes are read into memory whole, and no record needs them.
    for entry in archive.entries().map_err(refusal)?.raw(true) {
        let entry = entry.map_err(refusal)?;
        if !entry.header().entry_type().is_file() || !entry.path_bytes().ends_with(b".json") {
            continue;
        }
        let stated = entry.size();
        content.clear();
        entry.take(RECORD_MAX + 1).read_to_end(&mut content).map_err(refusal)?;
        if content.len() as u64 > RECORD_MAX {
            return Err(FeedError::TooLarge { limit: RECORD_MAX });
        }
        if content.len() as u64 != stated {
            return Err(FeedError::Truncated);
        }
        number += 1;
        each(number, &content)?;
    }
    Ok(())
}

fn must_be_plain(bytes: &[u8]) -> Result<(), FeedError> {
    if Packing::of(bytes).is_some() { Err(FeedError::Nested) } else { Ok(()) }
}

#[derive(Debug, Clone, Copy)]
enum Packing {
    Zstd,
    Gzip,
    Xz,
}

impl Packing {
    /// By the magic numbers of RFC 8878, RFC 1952 and the xz file format, 2.1.1.1.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    fn open(self, bytes: &[u8], limit: u64) -> Result<Bounded<Box<dyn Read + '_>>, FeedError> {
        let decoder: Box<dyn Read + '_> = match self {
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(bytes).map_err(refusal)?),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
            Self::Xz => {
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX, liblzma::stream::CONCATENATED)
                        .map_err(|error| refusal(error.into()))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
            }
        };
        Ok(Bounded { decoder, packed: bytes.len() as u64, produced: 0, limit })
    }
}

/// A decoder that stops when it has produced too much.
struct Bounded<R> {
    decoder: R,
    packed: u64,
    produced: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.produced += count as u64;
        if self.produced > RATIO_FREE && self.produced / self.packed.max(1) > RATIO_MAX {
            return Err(io::Error::other(Exceeded::Ratio));
        }
        if self.produced > self.limit {
            return Err(io::Error::other(Exceeded::Size(self.limit)));
        }
        Ok(count)
    }
}

/// Carries our own verdict through readers that only know `io::Error`.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Exceeded {
    #[error("compression ratio too high")]
    Ratio,
    #[error("more than {0} bytes")]
    Size(u64),
}

fn refusal(error: io::Error) -> FeedError {
    let mut inner = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(cause) = inner {
        match cause.downcast_ref::<Exceeded>() {
            Some(Exceeded::Ratio) => return FeedError::Overcompressed { limit: RATIO_MAX },
            Some(Exceeded::Size(limit)) => return FeedError::TooLarge { limit: *limit },
            None => inner = cause.source(),
        }
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FeedError::Truncated,
        _ => FeedError::Damaged { source: error },
    }
}
