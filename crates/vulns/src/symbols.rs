//! Texts stored once and named by a number: a feed repeats the same few
//! thousand package names, versions and CVEs hundreds of thousands of times.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

/// The number of a text. Means something only with the [`Symbols`] that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol(NonZeroU32);

impl Symbol {
    /// Where it stands in its table, from 0.
    pub fn place(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The symbol at a place; `None` past the last that there can be.
    pub fn at(place: usize) -> Option<Self> {
        NonZeroU32::new(u32::try_from(place).ok()?.checked_add(1)?).map(Self)
    }
}

/// A table of distinct texts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Symbols {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Symbol, ahash::RandomState>,
}

impl Symbols {
    /// The symbol of this text, made if it is new.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.numbers.get(text) {
            return *symbol;
        }
        self.insert(text.into())
    }

    fn insert(&mut self, text: Arc<str>) -> Symbol {
        // Inputs are bounded far below four thousand million distinct texts; were they not,
        // the last symbol would be shared, which is wrong but harmless to memory.
        let next = u32::try_from(self.texts.len()).unwrap_or(u32::MAX - 1).saturating_add(1);
        let symbol = Symbol(NonZeroU32::new(next).unwrap_or(NonZeroU32::MIN));
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, symbol);
        symbol
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The text of a symbol that this table gave.
    pub fn text(&self, symbol: Symbol) -> &Arc<str> {
        &self.texts[symbol.place()]
    }

    /// The symbol of this text, if it is known.
    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.numbers.get(text).copied()
    }

    /// Takes in another table and tells where each of its symbols went.
    pub fn absorb(&mut self, other: &Self) -> Renumbering {
        let numbers = other.texts.iter().map(|text| match self.numbers.get(text) {
            Some(symbol) => *symbol,
            None => self.insert(Arc::clone(text)),
        });
        Renumbering(numbers.collect())
    }
}

/// The first letters of a text as a number, in the same order: of two texts whose keys differ, the
/// one with the lower key is the lower. Nearly every CVE and many names fit whole, so that sorting
/// compares numbers instead of following pointers.
pub(crate) fn order_key(text: &str) -> u128 {
    let mut first = [0; 16];
    let length = text.len().min(first.len());
    first[..length].copy_from_slice(&text.as_bytes()[..length]);
    u128::from_be_bytes(first)
}

/// Maps the symbols of one table to those of another.
#[derive(Debug)]
pub(crate) struct Renumbering(Vec<Symbol>);

impl Renumbering {
    /// The new symbol for an old one.
    pub fn of(&self, old: Symbol) -> Symbol {
        self.0[old.place()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_texts() {
        let texts = ["", "CVE-2024-1", "CVE-2024-10", "CVE-2024-123456", "CVE-2024-1234567890", "b", "é"];
        for pair in texts.windows(2) {
            assert!(pair[0] < pair[1] && order_key(pair[0]) <= order_key(pair[1]), "{pair:?}");
        }
        assert!(order_key("CVE-2024-1") < order_key("CVE-2024-10"));
    }

    #[test]
    fn a_text_keeps_its_symbol_and_survives_a_move() {
        let (mut a, mut b) = (Symbols::default(), Symbols::default());
        let one = a.intern("one");
        assert_eq!(a.intern("one"), one);
        b.intern("zero");
        let moved = b.absorb(&a).of(one);
        assert_eq!(&**b.text(moved), "one");
        assert_eq!(b.find("one"), Some(moved));
        assert_eq!(b.find("two"), None);
    }
}
