//! Reading JSON without building trees: borrowed texts, maps as lists of pairs,
//! and the one place where a decoder's error becomes a [`FeedError`].

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};

use super::FeedError;

/// The deepest nesting that is taken. The deepest real feed, OSV, has nine levels.
const DEPTH_MAX: usize = 64;

/// How much of something that is not JSON is shown.
const BEGINS_MAX: usize = 40;

/// A text, borrowed from the input unless it holds escapes.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A JSON object as a list, for objects that are only walked through.
#[derive(Debug)]
pub(super) struct Pairs<'a, V>(pub Vec<(Text<'a>, V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut pairs = Vec::new();
        each_pair(deserializer, |key, value| pairs.push((key, value)))?;
        Ok(Self(pairs))
    }
}

/// Hands over the members of a JSON object one by one.
pub(super) fn each_pair<'de: 'a, 'a, D, V, F>(deserializer: D, each: F) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
    F: FnMut(Text<'a>, V),
{
    struct Each<'a, V, F>(F, PhantomData<(&'a (), V)>);

    impl<'de: 'a, 'a, V: Deserialize<'de>, F: FnMut(Text<'a>, V)> Visitor<'de> for Each<'a, V, F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key_seed(PhantomData::<Text<'a>>)? {
                self.0(key, map.next_value_seed(PhantomData::<V>)?);
            }
            Ok(())
        }

        /// An object without members is written as an empty list by some publishers, Debian's
        /// tracker among them.
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
            match list.next_element::<IgnoredAny>()? {
                None => Ok(()),
                Some(_) => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
            }
        }
    }

    impl<'de: 'a, 'a, V: Deserialize<'de>, F: FnMut(Text<'a>, V)> DeserializeSeed<'de> for Each<'a, V, F> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    Each(each, PhantomData).deserialize(deserializer)
}

/// Hands over the items of a JSON array one by one.
pub(super) fn each_item<'de, D, T, F>(deserializer: D, each: F) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
    F: FnMut(T),
{
    struct Each<T, F>(F, PhantomData<T>);

    impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Each<T, F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(item) = list.next_element()? {
                self.0(item);
            }
            Ok(())
        }
    }

    deserializer.deserialize_seq(Each(each, PhantomData))
}

/// Reads one record. Its text is checked once and not again for each string in it.
pub(super) fn record<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, serde_json::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        // For the place of the fault.
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// Refuses what is empty or cannot be JSON, with words that fit the commonest case:
/// a page in place of a feed.
pub(super) fn must_look_like_json(bytes: &[u8]) -> Result<(), FeedError> {
    match bytes.trim_ascii_start() {
        [] => Err(FeedError::Empty),
        [b'{' | b'[', ..] => Ok(()),
        other => Err(FeedError::NotJson { begins: beginning(other) }),
    }
}

/// The first characters of something that is not what it should be, fit to be shown.
pub(super) fn beginning(bytes: &[u8]) -> String {
    let bytes = bytes.trim_ascii_start();
    String::from_utf8_lossy(&bytes[..bytes.len().min(BEGINS_MAX)]).escape_debug().collect()
}

/// Hands over each of the values that stand one after another in a document, counted from 1.
pub(super) fn each_value<'a, V: Deserialize<'a>>(
    bytes: &'a [u8],
    expected: &'static str,
    mut each: impl FnMut(usize, V) -> Result<(), FeedError>,
) -> Result<(), FeedError> {
    must_look_like_json(bytes)?;
    let values = serde_json::Deserializer::from_slice(bytes).into_iter::<V>();
    for (at, value) in values.enumerate() {
        each(at + 1, value.map_err(|error| refusal(error, bytes, None, expected))?)?;
    }
    Ok(())
}

/// Well-formed JSON that lacks something without which it says nothing.
pub(super) fn missing(at: String, expected: &'static str) -> FeedError {
    let source = serde_json::Error::custom("that is missing");
    FeedError::WrongShape { at, expected, source }
}

/// Why these bytes could not be decoded.
pub(super) fn refusal(
    source: serde_json::Error,
    bytes: &[u8],
    record: Option<usize>,
    expected: &'static str,
) -> FeedError {
    if deeper_than(bytes, DEPTH_MAX) {
        return FeedError::TooDeep { limit: DEPTH_MAX };
    }
    if source.is_eof() {
        return FeedError::Truncated;
    }
    let at = match record {
        Some(number) => format!("record {number}, column {}", source.column()),
        None => format!("line {}, column {}", source.line(), source.column()),
    };
    FeedError::WrongShape { at, expected, source }
}

/// Whether brackets outside of texts nest deeper than this. Only asked about input that
/// was refused: the decoders here take no deeper form than their types, and skip the rest
/// without recursion.
fn deeper_than(bytes: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}
