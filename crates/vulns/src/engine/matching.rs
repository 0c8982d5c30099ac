//! Holds an engine's version against what all sources say of it.
//!
//! An override decides alone. Otherwise one source that says "affected" is
//! enough, and what cannot be judged counts as open.

use std::{cmp::Ordering, sync::Arc};

use jiff::civil::DateTime;

use super::{
    EngineFacts, EngineOrigin, EngineSaid, EngineVersion, InstalledEngine, Product,
    advisory::{EngineIndex, Origin, Statement},
    manual,
    range::{Bound, Verdict},
    release_time::last_community_release,
};
use crate::fixability::Fixability;

/// A CVE of an engine, before scores are joined to it.
pub(crate) struct Match<'a> {
    pub cve: &'a Arc<str>,
    /// The version that was judged: the running one if it is known.
    pub judged: &'a str,
    pub fixed: Option<Arc<str>>,
    pub fixability: Fixability,
    pub first: &'a Statement,
    pub facts: Arc<EngineFacts>,
    /// The ids of the advisories about it.
    pub advisories: Vec<Arc<str>>,
}

/// What is known of the CVEs of an engine.
struct Question<'a> {
    engine: &'a InstalledEngine,
    judged: &'a str,
    version: Option<EngineVersion>,
    installed: Option<EngineVersion>,
}

/// Every CVE that the engine has, may have, or whose fix it cannot prove. Nothing is said of a
/// distribution's own build: its fixes do not show in upstream's version.
pub(crate) fn matches<'a>(index: &'a EngineIndex, engine: &'a InstalledEngine) -> Vec<Match<'a>> {
    if engine.origin == EngineOrigin::Distribution {
        return Vec::new();
    }
    let product = engine.product;
    let judged = engine.running.as_deref().unwrap_or(&engine.version);
    let question = Question {
        engine,
        judged,
        version: EngineVersion::read(product, judged).ok(),
        installed: EngineVersion::read(product, &engine.version).ok(),
    };
    let mut found = Vec::new();
    let of = |product: Product| index.by_product.get(&product);
    for (cve, statements) in of(product).into_iter().flatten() {
        found.extend(question.about(cve, statements, false));
    }
    // A fork has the faults of what it was forked from, unless something was said of the fork itself.
    let own = of(product);
    for (cve, statements) in product.upstream().and_then(of).into_iter().flatten() {
        if own.is_none_or(|own| !own.contains_key(cve)) {
            found.extend(question.about(cve, statements, true));
        }
    }
    found
}

/// What the sources say of where a fault ends.
struct Fixes<'a> {
    /// The highest of the first versions without it, as read and as written.
    highest: Option<(EngineVersion, &'a Arc<str>)>,
    /// The latest of the last versions with it, where no first one without it is named.
    after: Option<DateTime>,
}

impl<'a> Question<'a> {
    fn about(&self, cve: &'a Arc<str>, statements: &'a [Statement], of_upstream: bool) -> Option<Match<'a>> {
        let decisive = decisive(statements);
        let verdict = self.verdict(decisive, self.version.as_ref(), of_upstream);
        let step = manual::step(self.engine.product, cve);
        let (fixability, fixed) = match verdict {
            Verdict::Yes if self.is_installed_fixed(decisive, of_upstream) => {
                (Fixability::RestartDue, Some(self.engine.version.as_str().into()))
            }
            Verdict::Yes => self.fix(decisive),
            Verdict::Unclear => (Fixability::NotJudged, None),
            Verdict::No if step.is_some() && self.was_affected_before(decisive) => {
                (Fixability::ManualStep, None)
            }
            Verdict::No => return None,
        };
        let said = statements.iter().map(|statement| self.said(statement));
        let facts = EngineFacts {
            product: self.engine.product,
            origin: self.engine.origin,
            installed: self.judged.into(),
            read_as: self.version.map(|version| version.to_string().into()),
            said: said.collect(),
            manual_step: step.map(|step| step.what.into()),
            of_upstream,
        };
        // The statement that made it a finding stands for the others.
        let first = decisive
            .iter()
            .find(|one| self.version.is_some_and(|version| one.said.affected.judge(&version) == Verdict::Yes))
            .or_else(|| decisive.first())?;
        let records = statements.iter().filter(|one| one.said.origin == Origin::Osv);
        let mut advisories: Vec<Arc<str>> = records.map(|one| Arc::clone(&one.said.by)).collect();
        advisories.sort();
        advisories.dedup();
        let judged = self.judged;
        Some(Match { cve, judged, fixed, fixability, first, facts: Arc::new(facts), advisories })
    }

    fn verdict(
        &self,
        statements: &[Statement],
        version: Option<&EngineVersion>,
        of_upstream: bool,
    ) -> Verdict {
        let judge = |version: &EngineVersion| {
            let each = statements.iter().map(|one| one.said.affected.judge(version));
            each.max().unwrap_or(Verdict::No)
        };
        let Some(version) = version else {
            // An override that says "no version" holds for this one too, whichever it is.
            let never = statements.iter().all(|one| one.said.affected.is_never());
            return if never { Verdict::No } else { Verdict::Unclear };
        };
        if !of_upstream {
            return judge(version);
        }
        // The fork has all of its upstream's code up to the last community release; what it did later
        // does not show in its upstream's ranges.
        let shared = version.up_to(last_community_release());
        let verdict = judge(&shared);
        if shared == *version { verdict } else { verdict.min(Verdict::Unclear) }
    }

    /// Whether the fix is installed and the old version still runs.
    fn is_installed_fixed(&self, statements: &[Statement], of_upstream: bool) -> bool {
        self.engine.running.is_some()
            && self.installed.is_some()
            && self.verdict(statements, self.installed.as_ref(), of_upstream) == Verdict::No
    }

    /// Whether an earlier version of the same major was affected: a data directory made by it is still in use.
    fn was_affected_before(&self, statements: &[Statement]) -> bool {
        let first = self.version.and_then(|version| version.first_of_major());
        first.is_some_and(|first| self.verdict(statements, Some(&first), false) == Verdict::Yes)
    }

    /// What can be done about a version that is affected: the first version that no source calls affected.
    fn fix(&self, statements: &[Statement]) -> (Fixability, Option<Arc<str>>) {
        let Some(version) = &self.version else { return (Fixability::NotJudged, None) };
        let product = self.engine.product;
        let Fixes { highest, after } = self.fixes(version, statements);
        let is_late =
            |fixed: &EngineVersion| fixed.time().is_some_and(|time| time > last_community_release());
        match (highest, after) {
            // A fork's own override names the fork's own release, which may well be later.
            (Some((fixed, _)), _) if product == Product::Minio && is_late(&fixed) => {
                (Fixability::NoUpstream, None)
            }
            (Some((fixed, text)), _) if fixed.first_of_major() == version.first_of_major() => {
                let shown = if fixed.is_release() { fixed.to_string().into() } else { Arc::clone(text) };
                (Fixability::Fixable, Some(shown))
            }
            (Some(_), _) => (Fixability::EndOfLife, None),
            // Some later release is without the fault, and no source names it.
            (None, Some(last)) if last < last_community_release() => (Fixability::Fixable, None),
            (None, _) if product == Product::Minio => (Fixability::NoUpstream, None),
            (None, _) => (Fixability::NoFix, None),
        }
    }

    fn fixes<'b>(&self, version: &EngineVersion, statements: &'b [Statement]) -> Fixes<'b> {
        let product = self.engine.product;
        let corrected = statements.iter().filter_map(|one| one.said.correction.as_ref()?.fixed.as_ref());
        let mut known: Vec<(EngineVersion, &Arc<str>)> =
            corrected.filter_map(|text| Some((EngineVersion::read(product, text).ok()?, text))).collect();
        let mut after = None;
        if known.is_empty() {
            let mut ends = Vec::new();
            statements.iter().for_each(|one| one.said.affected.ends(version, &mut ends));
            for end in ends {
                match end {
                    Bound::Excluding(fixed, text) => known.push((*fixed, text)),
                    Bound::Including(EngineVersion::PostgreSql(last), text) => {
                        known.push((EngineVersion::PostgreSql(last.next_minor()), text));
                    }
                    Bound::Including(last, _) => after = after.max(last.time()),
                    Bound::Open | Bound::Unreadable(_) => {}
                }
            }
        }
        // Of equals the first counts, but a release rather than the commit that it was made from.
        let highest = known.into_iter().reduce(|best, other| match other.0.compare(&best.0) {
            Some(Ordering::Greater) => other,
            Some(Ordering::Equal) if other.0.is_release() && !best.0.is_release() => other,
            _ => best,
        });
        Fixes { highest, after }
    }

    fn said(&self, statement: &Statement) -> EngineSaid {
        let said = &statement.said;
        let (versions, holds) = match &self.version {
            Some(version) => {
                let holds = match said.affected.judge(version) {
                    Verdict::Yes => Some(true),
                    Verdict::No => Some(false),
                    Verdict::Unclear => None,
                };
                (said.affected.holding(version), holds)
            }
            None => (said.affected.to_string(), None),
        };
        EngineSaid {
            feed: statement.feed,
            by: Arc::clone(&said.by),
            versions: versions.into(),
            holds,
            reason: said.correction.as_ref().map(|correction| Arc::clone(&correction.reason)),
        }
    }
}

/// The statements that count: an override alone, or all.
fn decisive(statements: &[Statement]) -> &[Statement] {
    // Sorted by origin, so that overrides come first.
    let overrides = statements.partition_point(|one| one.said.origin == Origin::Override);
    if overrides > 0 { &statements[..overrides] } else { statements }
}
