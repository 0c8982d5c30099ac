//! The findings of a host's engines: what matching says, joined with scores and
//! with what the host's package sources offer.

use std::{collections::HashSet, sync::Arc};

use super::{EngineOrigin, EngineVersion, InstalledEngine, matching};
use crate::{
    finding::Finding,
    fixability::Fixability,
    host::HostPackages,
    index::Index,
    proof::{BinaryFact, Proof, Statement},
    severity::{Severity, SeveritySource},
    symbols::Symbol,
};

/// The findings of every engine of the host; with `only`, those of these CVEs and no others.
pub(crate) fn findings(index: &Index, host: &HostPackages, only: Option<&HashSet<Symbol>>) -> Vec<Finding> {
    let found = host.engines.iter().flat_map(|engine| of_engine(index, host, engine));
    let is_asked = |finding: &Finding| {
        only.is_none_or(|only| index.symbols.find(&finding.cve).is_some_and(|cve| only.contains(&cve)))
    };
    found.filter(is_asked).collect()
}

fn of_engine(index: &Index, host: &HostPackages, engine: &InstalledEngine) -> Vec<Finding> {
    let packages = engine.packages.iter();
    let binaries: Arc<[Arc<str>]> = packages.map(|name| Arc::from(name.as_str())).collect();
    let source: Arc<str> = engine.product.name().into();
    let facts: Arc<[BinaryFact]> = binary_facts(engine).into();
    let found = matching::matches(&index.engines, engine).into_iter().map(|found| {
        let nothing = Arc::default();
        let known = index.symbols.find(found.cve).map_or(&nothing, |cve| index.known.of(cve));
        let (severity, severity_source) = known.severity(Severity::Unknown, SeveritySource::Cvss);
        let fixability = match (&found.fixability, &found.fixed) {
            (Fixability::Fixable, Some(fixed)) => offered(host, engine, fixed),
            (other, _) => *other,
        };
        Finding {
            cve: Arc::clone(found.cve),
            source_package: Arc::clone(&source),
            binaries: Arc::clone(&binaries),
            installed: found.judged.into(),
            fixed: found.fixed,
            fixability,
            severity,
            scores: Arc::clone(&known.scores),
            epss: known.epss.clone(),
            ssvc: known.ssvc.clone(),
            kev: known.kev.clone(),
            advisories: found.advisories.into(),
            kernel: None,
            engine: Some(found.facts),
            proof: Proof {
                feed: found.first.feed,
                as_of: index.as_of_feed(found.first.feed),
                listed_in: Arc::clone(&source),
                notice: None,
                statement: Statement::Affected,
                own_severity: Severity::Unknown,
                rejected_by: Arc::clone(&known.rejected_by),
                severity_source,
                livepatch: None,
                in_use_by: None,
                binaries: Arc::clone(&facts),
            },
        }
    });
    found.collect()
}

/// The packages as facts. What the inventory says of their sources is not needed: the engine's version
/// was compared, not theirs.
fn binary_facts(engine: &InstalledEngine) -> Vec<BinaryFact> {
    let each = engine.packages.iter().map(|name| BinaryFact {
        name: name.as_str().into(),
        architecture: "".into(),
        version: engine.version.as_str().into(),
        source: engine.product.name().into(),
        source_version: engine.version.as_str().into(),
    });
    each.collect()
}

/// Whether the host can install the fixed version. A released binary is there to be fetched; a
/// package has to be offered by the host's own sources.
fn offered(host: &HostPackages, engine: &InstalledEngine, fixed: &str) -> Fixability {
    let ours = |name: &String| engine.packages.contains(name);
    if engine.held {
        return Fixability::Held;
    }
    let (EngineOrigin::Pgdg, Some(pending)) = (engine.origin, &host.pending) else {
        return Fixability::Fixable;
    };
    let read = |text: &str| EngineVersion::read(engine.product, text).ok();
    let with_fix = pending.iter().filter(|candidate| ours(&candidate.name)).filter(|candidate| {
        let order = read(&candidate.version).zip(read(fixed)).and_then(|(new, fixed)| new.compare(&fixed));
        order.is_some_and(|order| order.is_ge())
    });
    let each = with_fix.map(|candidate| match (candidate.held, candidate.phased) {
        (true, _) => Fixability::Held,
        (false, true) => Fixability::Phased,
        (false, false) => Fixability::Fixable,
    });
    each.min().unwrap_or(Fixability::NotYetInArchive)
}
