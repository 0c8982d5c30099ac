//! The order of Debian package versions, by dpkg's algorithm
//! (deb-version(7), "Sorting algorithm"). Debian and Ubuntu both use it.
//!
//! Never fails: a text that dpkg would refuse still has one fixed place.

use std::cmp::Ordering;

/// A version split into its three parts, borrowed from the text.
///
/// Equality is dpkg's: `1.0` equals `1.0-0` and `0:1.0`.
#[derive(Debug, Clone, Copy)]
pub struct DebVersion<'a> {
    epoch: &'a [u8],
    upstream: &'a [u8],
    revision: &'a [u8],
}

impl<'a> DebVersion<'a> {
    /// Splits `[epoch:]upstream[-revision]`. A prefix before `:` that is no
    /// number is taken as a part of the upstream version.
    pub fn new(text: &'a str) -> Self {
        let bytes = text.trim_ascii().as_bytes();
        let (epoch, rest) = match bytes.iter().position(|b| *b == b':') {
            Some(colon) if bytes[..colon].iter().all(u8::is_ascii_digit) => {
                (&bytes[..colon], &bytes[colon + 1..])
            }
            _ => (&bytes[..0], bytes),
        };
        let (upstream, revision) = match rest.iter().rposition(|b| *b == b'-') {
            Some(dash) => (&rest[..dash], &rest[dash + 1..]),
            None => (rest, &rest[..0]),
        };
        Self { epoch, upstream, revision }
    }
}

impl Ord for DebVersion<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_numbers(self.epoch, other.epoch)
            .then_with(|| compare_parts(self.upstream, other.upstream))
            .then_with(|| compare_parts(self.revision, other.revision))
    }
}

impl PartialOrd for DebVersion<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for DebVersion<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for DebVersion<'_> {}

/// Compares two version texts as `dpkg --compare-versions` does.
pub fn compare(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    DebVersion::new(a).cmp(&DebVersion::new(b))
}

/// Compares digit strings by value; of any length, so nothing overflows.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (without_zeros(a), without_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().take_while(|b| **b == b'0').count()..]
}

/// The alternation of non-digit and digit runs that deb-version(7) describes.
fn compare_parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (left, right) = (weight(a.first()), weight(b.first()));
            if left != right {
                return left.cmp(&right);
            }
            // Equal weights of zero mean that both runs of non-digits are over.
            if left == 0 {
                break;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let (left, a_rest) = a.split_at(digits(a));
        let (right, b_rest) = b.split_at(digits(b));
        let order = compare_numbers(left, right);
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    Ordering::Equal
}

fn digits(part: &[u8]) -> usize {
    part.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// `~` sorts before the end, the end before letters, letters before the rest.
/// A digit ends a run of non-digits, so it weighs as the end does.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_dpkg_does() {
        let ascending = [
            "~~",
            "~~a",
            "~",
            "",
            "0.9~rc1-1",
            "0.9-1",
            "1.0~beta1~svn1245",
            "1.0~beta1",
            "1.0",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1+deb12u1",
            "1.0-1+deb12u2",
            "1.0-1+deb12u10",
            "1.0-1.1",
            "1.0a-1",
            "1.0+dfsg-1",
            "1.0.1-1",
            "1.2.10-1",
            "3.0.2-0ubuntu1.9",
            "3.0.2-0ubuntu1.10",
            "7.0.33-0ubuntu0.16.04.16",
            "7.0.33-0ubuntu0.16.04.16+esm15",
            "13.9",
            "13.22",
            "1:0.1",
            "1:9.6p1-3ubuntu13.3",
            "2:0",
            "99999999999999999999999999:0",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{} < {}", pair[0], pair[1]);
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{} > {}", pair[1], pair[0]);
        }
        for (a, b) in [("1.0", "1.0-0"), ("1.0", "0:1.0"), ("1.01", "1.1"), ("1.0-", "1.0"), (" 1 ", "1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} = {b}");
            assert_eq!(DebVersion::new(a), DebVersion::new(b));
        }
    }

    #[test]
    fn anything_at_all_has_a_place() {
        let odd = ["", ":", "-", "a:1", "1:2:3", "é-ü", "1:-", "\u{0}", "--", "~:~", "1 2"];
        for a in odd {
            for b in odd {
                assert_eq!(compare(a, b), compare(b, a).reverse(), "{a:?} {b:?}");
                for c in odd {
                    if compare(a, b).is_le() && compare(b, c).is_le() {
                        assert!(compare(a, c).is_le(), "{a:?} {b:?} {c:?}");
                    }
                }
            }
        }
    }
}
