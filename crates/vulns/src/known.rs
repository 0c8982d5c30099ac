//! What all feeds together say about a CVE, joined once when the index is built, so
//! that a finding only has to point at it.

use std::sync::Arc;

use crate::{
    cve_facts::CveFacts,
    epss::Epss,
    feeds::{FeedKind, KevEntry},
    score::Score,
    ssvc::Ssvc,
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
    /// Joins what the feeds say, which come in the order of their kinds.
    pub fn join<'a>(said: impl Iterator<Item = (FeedKind, &'a CveFacts)>) -> Self {
        let mut known = Self::default();
        let (mut scores, mut rejected_by) = (Vec::new(), Vec::new());
        for (feed, facts) in said {
            scores.extend(facts.scores.iter().cloned());
            // CISA is the one who decides; the feeds only repeat it, some later than others.
            if let Some(ssvc) = &facts.ssvc
                && known.ssvc.as_ref().is_none_or(|mine| mine.decided_at < ssvc.decided_at)
            {
                known.ssvc = Some(Arc::clone(ssvc));
            }
            if known.epss.is_none() {
                known.epss.clone_from(&facts.epss);
            }
            if known.kev.is_none() {
                known.kev.clone_from(&facts.kev);
            }
            if facts.rejected {
                rejected_by.push(feed);
            }
        }
        scores.sort_by(Score::by_preference);
        // Feeds repeat the scores of one another.
        scores.dedup_by(|later, kept| {
            (later.version, later.base, &later.source, &later.vector)
                == (kept.version, kept.base, &kept.source, &kept.vector)
        });
        known.scores = scores.into();
        known.rejected_by = rejected_by.into();
        known
    }
}
