//! Chooses pairs of versions that are worth comparing, all distinct, always the same ones.

use vulns::version;

use super::corpus::Corpus;
use crate::fleet::world::Dice;

/// Among many versions of one source, each is held against this many that follow it.
const NEIGHBOURS: usize = 40;

/// Up to `wanted` pairs: first the versions of one source against each other, as only these are
/// ever compared in earnest; then neighbours in the order of all versions and in the order of
/// their letters; then any two.
pub fn choose(corpus: &Corpus, wanted: usize) -> Vec<(u32, u32)> {
    let by_order =
        |a: &u32, b: &u32| version::compare(corpus.text(*a), corpus.text(*b)).then_with(|| a.cmp(b));
    let mut chosen: Vec<(u32, u32)> = Vec::with_capacity(wanted + wanted / 2);
    let mut add = |a: u32, b: u32| {
        if a != b {
            chosen.push((a.min(b), a.max(b)));
        }
    };
    for versions in corpus.by_source() {
        let mut versions = versions.clone();
        versions.sort_by(by_order);
        for (at, a) in versions.iter().enumerate() {
            versions[at + 1..].iter().take(NEIGHBOURS).for_each(|b| add(*a, *b));
        }
    }
    let mut all: Vec<u32> = (0..corpus.len() as u32).collect();
    for _ in 0..2 {
        for (at, a) in all.iter().enumerate() {
            all[at + 1..].iter().take(3).for_each(|b| add(*a, *b));
        }
        // The texts are numbered in the order of their letters.
        all.sort_by(by_order);
    }
    chosen.sort_unstable();
    chosen.dedup();
    let mut dice = Dice(2026);
    while chosen.len() < wanted {
        for _ in chosen.len()..wanted {
            let (a, b) = (dice.below(corpus.len()) as u32, dice.below(corpus.len()) as u32);
            if a != b {
                chosen.push((a.min(b), a.max(b)));
            }
        }
        chosen.sort_unstable();
        chosen.dedup();
    }
    chosen
}
