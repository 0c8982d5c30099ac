//! A job's log: numbered lines in a file, bounded in length and number.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use wire::{LogLine, limits};

/// The longest line, in characters; stated by [`LogLine`].
const LINE_CHARACTERS: usize = 2_000;
/// The most lines of one job. A dist-upgrade of 700 packages writes about 5 000.
const LINES: u64 = 20_000;

/// Where a job writes what it does.
#[derive(Debug)]
pub struct JobLog {
    file: Mutex<(File, u64)>,
}

impl JobLog {
    /// Opens the log of a job and goes on after its last line.
    pub fn open(path: &Path) -> io::Result<Self> {
        let lines = match File::open(path) {
            Ok(file) => BufReader::new(file).lines().map_while(Result::ok).count() as u64,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        if lines > 0 {
            // A crash may have left a line without an end.
            file.write_all(b"\n")?;
        }
        Ok(Self { file: Mutex::new((file, lines)) })
    }

    /// Writes a line. A log that cannot be written must not stop the work it tells of.
    pub fn line(&self, text: &str) {
        let mut guard = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, number) = &mut *guard;
        if *number >= LINES {
            return;
        }
        let text = if *number + 1 == LINES { "(the log ends here: too many lines)" } else { text };
        let text: String =
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LINE_CHARACTERS).collect();
        let line = LogLine { number: *number, at: Timestamp::now(), text };
        if let Ok(mut bytes) = serde_json::to_vec(&line) {
            bytes.push(b'\n');
            if file.write_all(&bytes).is_ok() {
                *number += 1;
            }
        }
    }
}

/// The lines from number `from` on, at most [`limits::LOG_LINES`].
pub(super) fn read_from(path: &Path, from: u64) -> io::Result<Vec<LogLine>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    // A line that a crash cut short does not parse and is left out.
    let lines = lines.filter_map(|line| serde_json::from_str::<LogLine>(&line).ok());
    Ok(lines.filter(|line| line.number >= from).take(limits::LOG_LINES).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_after_a_crash_and_bounds_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        JobLog::open(&path).unwrap().line("one\u{1b}[31m");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"number\":1,\"at").unwrap();
        let log = JobLog::open(&path).unwrap();
        log.line(&"x".repeat(5_000));
        let lines = read_from(&path, 0).unwrap();
        assert_eq!(lines[0].text, "one [31m");
        assert_eq!(lines[1].text.len(), LINE_CHARACTERS);
        assert!(lines[1].number > lines[0].number);
        assert_eq!(read_from(&path, lines[1].number).unwrap().len(), 1);
    }
}
