//! What all feeds together say about a CVE, joined once when the index is built, so
//! that a finding only has to point at it.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use crate::{
    cve_facts::{CveFacts, CveTable},
    epss::Epss,
    feeds::{Content, FeedData, FeedKind, KevEntry},
    score::Score,
    severity::{Severity, SeveritySource},
    ssvc::Ssvc,
    symbols::{Symbol, Symbols},
};

/// The facts about one CVE from every feed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Known {
    /// Every distinct score, the preferred one first.
    pub scores: Arc<[Score]>,
    pub ssvc: Option<Arc<Ssvc>>,
    pub epss: Option<Epss>,
    /// CISA's own entry, else the one that another feed repeats.
    pub kev: Option<Arc<KevEntry>>,
    /// The feeds that call the CVE rejected or retracted, in the order of their kinds.
    pub rejected_by: Arc<[FeedKind]>,
}

impl Known {
    /// How bad a CVE is, and who says so. A score decides where there is one: it is what all
    /// distributions and engines have in common, and what forces a maintenance window must not
    /// depend on which of them a package came from. A distribution's own word stands in where
    /// there is none: it knows better than nobody. Its word stays visible in its own feed's
    /// statement, so nothing is lost.
    pub fn severity(&self, own: Severity, own_source: SeveritySource) -> (Severity, Option<SeveritySource>) {
        match self.scores.first() {
            Some(score) => (score.base.severity(), Some(SeveritySource::Cvss)),
            None => (own, (own != Severity::Unknown).then_some(own_source)),
        }
    }

    /// Whether no feed says anything.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, feed: FeedKind, facts: &CveFacts, scores: &mut Vec<Score>) {
        scores.extend(facts.scores.iter().cloned());
        // CISA is the one who decides; the feeds only repeat it, some later than others.
        if let Some(ssvc) = &facts.ssvc
            && self.ssvc.as_ref().is_none_or(|mine| mine.decided_at < ssvc.decided_at)
        {
            self.ssvc = Some(Arc::clone(ssvc));
        }
        if self.epss.is_none() {
            self.epss.clone_from(&facts.epss);
        }
        if self.kev.is_none() {
            self.kev.clone_from(&facts.kev);
        }
        if facts.rejected {
            self.rejected_by = self.rejected_by.iter().copied().chain([feed]).collect();
        }
    }
}

/// A line that is the same for the same facts.
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scores, ssvc, epss, kev, rejected_by } = self;
        for Score { version, base, vector, source, role } in &**scores {
            write!(f, "{version} {base} {vector} {source} {role:?} ")?;
        }
        write!(f, "{rejected_by:?}")?;
        if let Some(ssvc) = ssvc {
            write!(f, " {ssvc:?}")?;
        }
        if let Some(epss) = epss {
            write!(f, " {epss:?}")?;
        }
        if let Some(kev) = kev {
            write!(f, " {kev:?}")?;
        }
        Ok(())
    }
}

/// What is known of the CVEs that matter.
#[derive(Debug, Default)]
pub(crate) struct KnownCves {
    /// At the place of each CVE's symbol: matching asks for every finding, and neighbours in a feed are
    /// neighbours here.
    by_cve: Vec<Option<Arc<Known>>>,
    nothing: Arc<Known>,
}

impl KnownCves {
    /// Joins what the feeds, in the order of their kinds, say of the CVEs that matter.
    pub fn join(symbols: &Symbols, matters: impl Fn(Symbol) -> bool, feeds: &[Cow<'_, FeedData>]) -> Self {
        let mut by_cve: HashMap<Symbol, (Known, Vec<Score>)> = HashMap::new();
        let find = |cve: &str| symbols.find(cve).filter(|cve| matters(*cve));
        for feed in feeds {
            let table: &CveTable = match &feed.content {
                Content::Packages(said) => &said.facts,
                Content::Cves(table) => table,
                Content::Exploited(_) => continue,
            };
            for (cve, facts) in &table.facts {
                if let Some(cve) = find(cve) {
                    let (known, scores) = by_cve.entry(cve).or_default();
                    known.add(feed.kind(), facts, scores);
                }
            }
        }
        for (cve, entry) in feeds.iter().filter_map(|feed| feed.exploited()).flatten() {
            if let Some(cve) = find(cve) {
                by_cve.entry(cve).or_default().0.kev = Some(Arc::clone(entry));
            }
        }
        // Thousands of CVEs have the same few hundred vectors.
        let mut texts = Symbols::default();
        let mut shared = |text: &Arc<str>| {
            let symbol = texts.intern(text);
            Arc::clone(texts.text(symbol))
        };
        let mut places = vec![None; symbols.len()];
        for (cve, (mut known, mut scores)) in by_cve {
            for score in &mut scores {
                score.vector = shared(&score.vector);
                score.source = shared(&score.source);
            }
            scores.sort_by(Score::by_preference);
            // Feeds repeat the scores of one another.
            scores.dedup_by(|later, kept| {
                (later.version, later.base, &later.source, &later.vector)
                    == (kept.version, kept.base, &kept.source, &kept.vector)
            });
            if !scores.is_empty() {
                known.scores = scores.into();
            }
            places[cve.place()] = Some(Arc::new(known));
        }
        Self { by_cve: places, nothing: Arc::default() }
    }

    /// What is known of a CVE, which may be nothing.
    pub fn of(&self, cve: Symbol) -> &Arc<Known> {
        self.by_cve.get(cve.place()).and_then(Option::as_ref).unwrap_or(&self.nothing)
    }

    /// Every CVE of which something is known, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Symbol, &Arc<Known>)> {
        let known = self.by_cve.iter().enumerate();
        known.filter_map(|(place, known)| Some((Symbol::at(place)?, known.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::score::{BaseScore, CvssVersion, ScoreRole};

    fn score(version: CvssVersion, base: f64, source: &str, role: ScoreRole) -> Score {
        Score {
            version,
            base: BaseScore::new(base).expect("in range"),
            vector: "".into(),
            source: source.into(),
            role,
        }
    }

    fn table(cve: &str, facts: CveFacts) -> Content {
        let mut table = CveTable::default();
        table.put(cve.into(), facts);
        Content::Cves(table)
    }

    /// What is known of CVE-1 when these feeds say this of it.
    fn known(said: Vec<(FeedKind, CveFacts)>) -> Known {
        let mut symbols = Symbols::default();
        let cve = symbols.intern("CVE-1");
        let feeds: Vec<Cow<'_, FeedData>> = said
            .into_iter()
            .map(|(kind, facts)| Cow::Owned(FeedData::new(kind, None, table("CVE-1", facts))))
            .collect();
        Known::clone(KnownCves::join(&symbols, |_| true, &feeds).of(cve))
    }

    #[test]
    fn scores_of_all_feeds_are_kept_once_each_and_ordered() {
        let nvd = score(CvssVersion::V31, 9.8, "nvd@nist.gov", ScoreRole::Primary);
        let cna = score(CvssVersion::V40, 9.2, "cna", ScoreRole::Secondary);
        let said = |scores: &[&Score]| CveFacts {
            scores: scores.iter().copied().cloned().collect(),
            ..CveFacts::default()
        };
        let known = known(vec![(FeedKind::UbuntuOsv, said(&[&nvd])), (FeedKind::Epss, said(&[&nvd, &cna]))]);
        assert_eq!(*known.scores, [cna, nvd]);
        let (severity, source) = known.severity(Severity::Low, SeveritySource::UbuntuPriority);
        assert_eq!((severity, source), (Severity::Critical, Some(SeveritySource::Cvss)));
    }

    #[test]
    fn the_latest_decision_counts_and_cisa_speaks_first() {
        let decided = |day: &str, automatable| {
            let mut ssvc = Ssvc::by("CISA-ADP".into(), day.parse().ok());
            ssvc.automatable = Some(automatable);
            CveFacts { ssvc: Some(Arc::new(ssvc)), ..CveFacts::default() }
        };
        let (early, late) = (decided("2024-01-01T00:00:00Z", false), decided("2025-01-01T00:00:00Z", true));
        for said in [[early.clone(), late.clone()], [late, early]] {
            let [first, second] = said;
            let known = known(vec![(FeedKind::UbuntuOsv, first), (FeedKind::Epss, second)]);
            assert_eq!(known.ssvc.and_then(|ssvc| ssvc.automatable), Some(true));
        }
        let mut symbols = Symbols::default();
        let cve = symbols.intern("CVE-1");
        let entry = |told_by| Arc::new(KevEntry::dated(told_by, date(2025, 1, 2)));
        let repeated = CveFacts { kev: Some(entry(FeedKind::UbuntuOsv)), ..CveFacts::default() };
        let catalogue = Content::Exploited(HashMap::from([("CVE-1".into(), entry(FeedKind::Kev))]));
        let repeats: Cow<'_, FeedData> =
            Cow::Owned(FeedData::new(FeedKind::UbuntuOsv, None, table("CVE-1", repeated)));
        let catalogue = Cow::Owned(FeedData::new(FeedKind::Kev, None, catalogue));
        let told_by = |feeds: &[Cow<'_, FeedData>]| {
            let known = KnownCves::join(&symbols, |_| true, feeds);
            known.of(cve).kev.as_ref().map(|kev| kev.told_by)
        };
        assert_eq!(told_by(&[repeats.clone(), catalogue]), Some(FeedKind::Kev));
        // Without the catalogue, what repeats it still counts: exploited is exploited.
        assert_eq!(told_by(&[repeats]), Some(FeedKind::UbuntuOsv));
    }

    #[test]
    fn a_rejection_is_noted_with_the_feed_that_says_so() {
        let rejected = CveFacts { rejected: true, ..CveFacts::default() };
        let said = vec![(FeedKind::UbuntuOsv, CveFacts::default()), (FeedKind::Epss, rejected)];
        assert_eq!(*known(said).rejected_by, [FeedKind::Epss]);
    }

    #[test]
    fn of_two_records_the_one_changed_last_counts() {
        let at =
            |day: &str, rejected| CveFacts { modified: day.parse().ok(), rejected, ..CveFacts::default() };
        let (old, new) = (at("2024-01-01T00:00:00Z", false), at("2025-01-01T00:00:00Z", true));
        for pair in [[old.clone(), new.clone()], [new, old]] {
            let mut all = CveTable::default();
            for facts in pair {
                let mut later = CveTable::default();
                later.put("CVE-1".into(), facts);
                all.merge(later);
            }
            assert!(all.facts["CVE-1"].rejected);
        }
    }
}
