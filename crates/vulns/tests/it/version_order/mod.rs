//! Version order against dpkg itself, on every version of the real feeds and inventories:
//! a million pairs and more by dpkg's own library, and a sample of them by `dpkg`.

mod corpus;
mod oracle;
mod pairs;

use std::{cmp::Ordering, io::Write as _, time::Instant};

use oracle::{Judgement, Missing};
use vulns::version;

/// As many as are judged, and never less.
const PAIRS_MIN: usize = 1_000_000;

#[test]
fn dpkg_agrees_on_a_million_pairs() {
    let oracle = match oracle::build() {
        Ok(oracle) => oracle,
        Err(Missing { what }) => return oracle::skip_or_fail(&what),
    };
    let started = Instant::now();
    let corpus = corpus::read();
    let pairs = pairs::choose(&corpus, PAIRS_MIN * 2);
    assert!(pairs.len() >= PAIRS_MIN, "{} pairs", pairs.len());
    let texts: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (corpus.text(*a), corpus.text(*b))).collect();
    let answers = oracle.judge(&texts);
    assert_eq!(answers.len(), texts.len());
    let mut refused = 0;
    for ((a, b), answer) in texts.iter().zip(&answers) {
        let order = version::compare(a, b);
        assert_eq!(order, version::compare(b, a).reverse(), "{a} against {b} and back");
        match answer {
            Judgement::Order(said) => assert_eq!(order, *said, "{a} against {b}"),
            Judgement::NoVersion => refused += 1,
        }
    }
    assert!(refused * 1000 < texts.len(), "dpkg does not take {refused} of {} pairs", texts.len());
    // Past the capture of test output: the number is worth seeing.
    let _ = writeln!(
        std::io::stderr(),
        "version order: dpkg's library agrees on {} pairs of {} versions of {} source packages \
         ({refused} more are no versions to dpkg), in {} s",
        texts.len() - refused,
        corpus.len(),
        corpus.sources(),
        started.elapsed().as_secs()
    );
    // The library is what `dpkg --compare-versions` is built on: the program itself says so.
    let step = texts.len() / 3000;
    let judged = texts.iter().zip(&answers).filter(|(_, answer)| **answer != Judgement::NoVersion);
    let sample: Vec<_> = judged.step_by(step).collect();
    let asked: Vec<_> = sample.iter().map(|(pair, _)| **pair).collect();
    let said = oracle::ask_dpkg(&asked);
    assert!(sample.len() > 2000, "{}", sample.len());
    for ((pair, answer), said) in sample.iter().zip(said) {
        assert_eq!(**answer, Judgement::Order(said), "{pair:?}");
    }
    assert!(answers.contains(&Judgement::Order(Ordering::Equal)), "some are spelt differently and equal");
}
