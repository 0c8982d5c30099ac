//! Version order: an order it must be, whatever the texts are.

use std::cmp::Ordering;

use vulns::version::{DebVersion, compare};

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut texts = text.split('\n');
    let [a, b, c] = [(); 3].map(|()| texts.next().unwrap_or_default());
    for one in [a, b, c] {
        assert_eq!(compare(one, one), Ordering::Equal);
        assert_eq!(DebVersion::new(one).cmp(&DebVersion::new(one)), Ordering::Equal);
        for other in [a, b, c] {
            assert_eq!(compare(one, other), compare(other, one).reverse(), "{one:?} {other:?}");
        }
    }
    let mut sorted = [a, b, c];
    sorted.sort_by(|one, other| compare(one, other));
    let [low, middle, high] = sorted;
    assert!(compare(low, middle).is_le() && compare(middle, high).is_le() && compare(low, high).is_le());
    if compare(low, high).is_eq() {
        assert!(compare(low, middle).is_eq() && compare(middle, high).is_eq(), "{sorted:?}");
    }
}
