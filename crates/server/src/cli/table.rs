//! Plain tables for terminals, and words for times and sizes.

use std::io::Write;

use jiff::{Timestamp, Unit};

/// Prints rows in columns as wide as their widest cell. Columns whose heading begins
/// with `>` are aligned to the right.
pub fn print(headings: &[&str], rows: &[Vec<String>]) {
    let right: Vec<bool> = headings.iter().map(|heading| heading.starts_with('>')).collect();
    let headings: Vec<String> =
        headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
    let wide = |column: usize| {
        let cells = rows.iter().map(|row| row.get(column).map_or(0, |cell| cell.chars().count()));
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(wide).collect();
    let mut out = std::io::stdout().lock();
    for row in std::iter::once(&headings).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            line.push_str(&if right[column] { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") });
        }
        // A closed pipe, as of `| head`, is not worth a word.
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// How long ago, such as "3 h ago".
pub fn ago(moment: Option<Timestamp>) -> String {
    let Some(moment) = moment else { return "never".to_owned() };
    let seconds = Timestamp::now().since((Unit::Second, moment)).map_or(0, |span| span.get_seconds());
    match seconds {
        i64::MIN..60 => format!("{} s ago", seconds.max(0)),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// Prints a value as JSON.
pub fn json<T: serde::Serialize + ?Sized>(value: &T) {
    // As above, whoever reads may have had enough.
    let _ = writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(value).unwrap_or_default());
}
