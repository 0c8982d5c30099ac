//! How pages write numbers, sizes and times: for a quick eye, never more exact than useful.

use std::borrow::Borrow;

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long ago a moment was, or in what time it comes.
pub fn ago(now: Timestamp, moment: Timestamp) -> String {
    let seconds = now.as_second() - moment.as_second();
    let size = match seconds.abs() {
        // Clocks of hosts differ a little, and nobody acts on seconds.
        ..MINUTE => return "just now".to_owned(),
        amount @ MINUTE..HOUR => format!("{} min", amount / MINUTE),
        amount if amount < 2 * DAY => format!("{} h", amount / HOUR),
        amount => format!("{} d", grouped((amount / DAY) as usize)),
    };
    if seconds < 0 { format!("in {size}") } else { format!("{size} ago") }
}

/// How long something lasts, in its two largest units. A negative span is none.
pub fn span(seconds: i64) -> String {
    match seconds {
        ..MINUTE => format!("{} s", seconds.max(0)),
        MINUTE..HOUR => format!("{} min {} s", seconds / MINUTE, seconds % MINUTE),
        HOUR..DAY => format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE),
        _ => format!("{} d {} h", seconds / DAY, seconds % DAY / HOUR),
    }
}

/// A size in binary units, with three digits at the least.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut amount = size as f64;
    let mut unit = 0;
    // 1023.5 would be written as 1024.
    while amount >= 1023.5 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match (unit, amount) {
        (0, _) | (_, 99.95..) => format!("{amount:.0} {}", UNITS[unit]),
        _ => format!("{amount:.1} {}", UNITS[unit]),
    }
}

/// A number with its digits in groups of three. Templates hand numbers over by reference
/// or by value, as their expression has it.
pub fn grouped(number: impl Borrow<usize>) -> String {
    let digits = number.borrow().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun.
pub fn count(number: impl Borrow<usize>, one: &str, many: &str) -> String {
    let number = *number.borrow();
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_by_their_distance() {
        let now: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        let told = |moment: &str| ago(now, moment.parse().unwrap());
        assert_eq!(told("2026-03-10T11:59:31Z"), "just now");
        assert_eq!(told("2026-03-10T12:00:20Z"), "just now");
        assert_eq!(told("2026-03-10T11:59:00Z"), "1 min ago");
        assert_eq!(told("2026-03-10T11:00:01Z"), "59 min ago");
        assert_eq!(told("2026-03-10T11:00:00Z"), "1 h ago");
        assert_eq!(told("2026-03-08T12:00:01Z"), "47 h ago");
        assert_eq!(told("2026-03-08T12:00:00Z"), "2 d ago");
        assert_eq!(told("2026-03-10T12:05:00Z"), "in 5 min");
        assert_eq!(told("2020-03-10T12:00:00Z"), "2,191 d ago");
    }

    #[test]
    fn spans_have_two_units() {
        let table = [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3599, "59 min 59 s"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 d 0 h"),
            (1_742_400, "20 d 4 h"),
        ];
        for (seconds, told) in table {
            assert_eq!(span(seconds), told);
        }
    }

    #[test]
    fn sizes_and_counts() {
        let table =
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (130 << 20, "130 MiB")];
        for (size, told) in table {
            assert_eq!(bytes(size), told);
        }
        assert_eq!(bytes(1_048_575), "1.0 MiB");
        assert_eq!(count(1_usize, "server", "servers"), "1 server");
        assert_eq!(count(0_usize, "server", "servers"), "0 servers");
        assert_eq!(count(1_234_567_usize, "CVE", "CVEs"), "1,234,567 CVEs");
        assert_eq!(grouped(999_usize), "999");
    }
}
