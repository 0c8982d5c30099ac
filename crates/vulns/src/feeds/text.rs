//! Feeds that are plain text, line by line: what they share in being told apart
//! from a page, and in naming a line that is wrong.

use super::{FeedError, json};

/// The text of a file. Its last line must be whole: a file that is cut off rarely ends in a line break.
pub(super) fn of<'a>(bytes: &'a [u8], expected: &'static str) -> Result<&'a str, FeedError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        wrong_line(line, expected)
    })?;
    match text.trim_start().as_bytes() {
        [] => Err(FeedError::Empty),
        [b'<', ..] | [b'{', b'"', ..] => {
            Err(FeedError::NotThisText { begins: json::beginning(bytes), expected })
        }
        _ if !text.ends_with('\n') => Err(FeedError::Truncated),
        _ => Ok(text),
    }
}

pub(super) fn wrong_line(line: usize, expected: &'static str) -> FeedError {
    FeedError::WrongLine { line, expected }
}
