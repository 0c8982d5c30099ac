//! Holds the packages of a host against the index.
//!
//! Packages are compared source version against source version. Kernels are taken
//! out first and compared by what runs.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use base::{Distribution, Release};

use crate::{
    engine,
    explain::listed_in,
    finding::{Finding, ImageFact, KernelFacts},
    findings::Findings,
    fixability::Fixability,
    host::{HostPackages, InstalledPackage},
    index::{Entry, Index, Listing, Sources},
    kernel::{Image, Kernels},
    livepatch::Loaded,
    offer::Offers,
    proof::{BinaryFact, Proof, Statement},
    severity::SeveritySource,
    symbols::Symbol,
    version,
};

pub(crate) fn findings(index: &Index, host: &HostPackages) -> Findings {
    let matched = run(index, host, None, false);
    Findings::new(host.release, matched.findings)
}

/// What matching found, and what it looked at to find it.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    pub findings: Vec<Finding>,
    /// Of each finding the layer of the feed it is from: the argument of [`Index::as_of`].
    pub layers: Vec<u16>,
    /// The source packages whose listings were asked for, whether there is one or not. Nothing else
    /// that the index says of packages has been looked at.
    pub consulted: BTreeSet<String>,
}

/// The findings of a host; with `only`, those of these CVEs and no others.
pub(crate) fn matched(index: &Index, host: &HostPackages, only: Option<&HashSet<Symbol>>) -> Matched {
    run(index, host, only, true)
}

/// Notes what was consulted only where somebody asks for it.
fn run(index: &Index, host: &HostPackages, only: Option<&HashSet<Symbol>>, notes: bool) -> Matched {
    let engines = engine::findings(index, host, only);
    // A layer is that of a listing, and what is said of engines is in none.
    let matched = Matched { layers: vec![0; engines.len()], findings: engines, ..Matched::default() };
    let Some(release) = host.release else { return matched };
    let Some(sources) = index.releases.get(&release) else { return matched };
    let mut matching = Matching {
        index,
        sources,
        release,
        only,
        notes,
        offers: Offers::of(host),
        own: listed_in(release, false).into(),
        pro: listed_in(release, true).into(),
        matched,
    };
    let kernels = Kernels::of(release, &host.kernel, &host.packages);
    matching.packages(host, &kernels);
    matching.kernels(host, &kernels);
    matching.matched
}

struct Matching<'a> {
    index: &'a Index,
    sources: &'a Sources,
    release: Release,
    only: Option<&'a HashSet<Symbol>>,
    notes: bool,
    offers: Offers<'a>,
    own: Arc<str>,
    pro: Arc<str>,
    matched: Matched,
}

/// What all findings of one source package at one version have in common.
struct Subject {
    source: Arc<str>,
    installed: Arc<str>,
    binaries: Arc<[Arc<str>]>,
    facts: Arc<[BinaryFact]>,
    kernel: Option<Arc<KernelFacts>>,
    in_use_by: Option<Arc<[Arc<str>]>>,
}

impl Subject {
    fn new(source: &str, installed: &str, packages: &[&InstalledPackage]) -> Self {
        let facts: Arc<[BinaryFact]> = packages
            .iter()
            .map(|package| BinaryFact {
                name: package.name.as_str().into(),
                architecture: package.architecture.as_str().into(),
                version: package.version.as_str().into(),
                source: package.source.as_str().into(),
                source_version: package.source_version.as_str().into(),
            })
            .collect();
        let mut binaries: Vec<Arc<str>> = facts.iter().map(|fact| Arc::clone(&fact.name)).collect();
        binaries.dedup();
        Self {
            source: source.into(),
            installed: installed.into(),
            binaries: binaries.into(),
            facts,
            kernel: None,
            in_use_by: None,
        }
    }
}

impl<'a> Matching<'a> {
    fn listing(&mut self, source: &str) -> Option<&'a Listing> {
        if self.notes {
            self.matched.consulted.insert(source.to_owned());
        }
        self.sources.listings.get(source)
    }

    /// The entries of a listing that a version has, of the CVEs that are asked for.
    fn entries<'b>(
        &self,
        listing: &'b Listing,
        installed: &'b str,
    ) -> impl Iterator<Item = &'b Entry> + use<'a, 'b>
    where
        'a: 'b,
    {
        let only = self.only;
        let has = listing.of_version(&self.index.symbols, installed);
        has.filter(move |entry| only.is_none_or(|cves| cves.contains(&entry.cve)))
    }

    fn packages(&mut self, host: &HostPackages, kernels: &Kernels<'_>) {
        let distribution = self.release.distribution();
        let mut packages: Vec<&InstalledPackage> = host.packages.iter().collect();
        packages.sort_by(|a, b| {
            let order = (&a.source, &a.source_version, &a.name).cmp(&(&b.source, &b.source_version, &b.name));
            order.then_with(|| a.cmp(b))
        });
        for packages in
            packages.chunk_by(|a, b| (&a.source, &a.source_version) == (&b.source, &b.source_version))
        {
            let InstalledPackage { source, source_version, .. } = packages[0];
            if kernels.covers(distribution, source) {
                continue;
            }
            let Some(listing) = self.listing(source) else { continue };
            let mut subject = None;
            for entry in self.entries(listing, source_version) {
                let subject = subject.get_or_insert_with(|| Subject::new(source, source_version, packages));
                let fixability = self.by_statement(entry).unwrap_or_else(|| match entry.fixed {
                    Some(fixed) => self.offers.fix_of_packages(packages, self.index.symbols.text(fixed)),
                    None => without_fix(entry),
                });
                let finding = self.finding(entry, subject, fixability);
                self.matched.findings.push(finding);
                self.matched.layers.push(entry.layer);
            }
            self.replaced(listing, packages);
        }
    }

    /// What an update has fixed on the disk but not in the programs that still run what it replaced.
    fn replaced(&mut self, listing: &Listing, packages: &[&InstalledPackage]) {
        let used: Vec<&InstalledPackage> =
            packages.iter().copied().filter(|package| package.in_use.is_some()).collect();
        let former = || used.iter().filter_map(|package| package.in_use.as_ref());
        let Some(oldest) =
            former().map(|used| used.source_version.as_str()).min_by(|a, b| version::compare(a, b))
        else {
            return;
        };
        let InstalledPackage { source, source_version, .. } = used[0];
        let units: BTreeSet<&str> = former().flat_map(|used| used.units.iter().map(String::as_str)).collect();
        let mut subject = Subject::new(source, oldest, &used);
        subject.in_use_by = Some(units.into_iter().map(Arc::from).collect());
        for entry in self.entries(listing, oldest) {
            let fixed = [entry.fixed, entry.pro_fixed].into_iter().flatten();
            let mut fixed = fixed.map(|fixed| self.index.symbols.text(fixed));
            // What the installed version has too is told of it already.
            if !fixed.any(|fixed| version::compare(fixed, source_version).is_le()) {
                continue;
            }
            let fixability = match self.by_statement(entry) {
                Some(Fixability::Unimportant) => Fixability::Unimportant,
                _ => Fixability::NotInEffect,
            };
            let finding = self.finding(entry, &subject, fixability);
            self.matched.findings.push(finding);
            self.matched.layers.push(entry.layer);
        }
    }

    fn kernels(&mut self, host: &HostPackages, kernels: &Kernels<'_>) {
        for images in kernels.images.chunk_by(|a, b| a.source == b.source) {
            let running = kernels.running.as_ref().filter(|(source, _)| *source == images[0].source);
            self.kernel(
                host,
                images,
                running.map(|(_, version)| version.as_str()),
                kernels.running.is_some(),
            );
        }
        // A kernel that runs though its packages were removed.
        if let Some((source, version)) = &kernels.running
            && !kernels.images.iter().any(|image| image.source == *source)
            && let Some(listing) = self.listing(source)
        {
            let mut subject = Subject::new(source, version, &[]);
            subject.kernel = Some(Arc::new(kernel_facts(host, &[], true)));
            self.of_kernel(listing, &subject, host, &[]);
        }
    }

    /// The images of one kernel source; `running` is its version that runs, if one does.
    fn kernel(&mut self, host: &HostPackages, images: &[Image<'_>], running: Option<&str>, known: bool) {
        let Some(listing) = self.listing(&images[0].source) else { return };
        let (Some(oldest), Some(newest)) = (images.first(), images.last()) else { return };
        let source = &newest.source;
        // In a container, and where it is not known what runs, the newest image stands for the host.
        let in_effect = match running {
            Some(version) => Some(version),
            None if !known => Some(newest.version.as_str()),
            None => None,
        };
        if let Some(version) = in_effect {
            let packages = packages_at(images, version);
            let mut subject = Subject::new(source, version, &packages);
            subject.kernel = Some(Arc::new(kernel_facts(host, images, running.is_some())));
            self.of_kernel(listing, &subject, host, images);
        }
        // What the oldest image has beyond that is only lying there. It has all that the images between have.
        if in_effect.is_some_and(|version| version::compare(version, &oldest.version).is_le()) {
            return;
        }
        let symbols = &self.index.symbols;
        let lying: Vec<&Entry> = self
            .entries(listing, &oldest.version)
            .filter(|entry| {
                let fixed = [entry.fixed, entry.pro_fixed].into_iter().flatten();
                let mut fixed = fixed.map(|fixed| symbols.text(fixed));
                in_effect.is_none_or(|version| fixed.any(|fixed| version::compare(version, fixed).is_ge()))
            })
            .collect();
        if lying.is_empty() {
            return;
        }
        let mut subject = Subject::new(source, &oldest.version, &packages_at(images, &oldest.version));
        subject.kernel = Some(Arc::new(kernel_facts(host, images, false)));
        for entry in lying {
            let fixability = match self.by_statement(entry) {
                Some(Fixability::Unimportant) => Fixability::Unimportant,
                _ => Fixability::NotRunning,
            };
            let finding = self.finding(entry, &subject, fixability);
            self.matched.findings.push(finding);
            self.matched.layers.push(entry.layer);
        }
    }

    /// The findings of the kernel that is in effect.
    fn of_kernel(&mut self, listing: &Listing, subject: &Subject, host: &HostPackages, images: &[Image<'_>]) {
        let symbols = &self.index.symbols;
        let held =
            host.packages.iter().any(|package| package.held && package.name.starts_with("linux-image-"));
        // Images come oldest first, so the newest has whatever any of them has.
        let newer = images.last().map(|image| image.version.as_str());
        let newer = newer.filter(|newest| version::compare(newest, &subject.installed).is_gt());
        // What is loaded has an effect on what runs, not on what only stands for it.
        let runs = subject.kernel.as_ref().is_some_and(|facts| facts.running);
        let mut loaded = Loaded::new(if runs { &host.kernel.livepatches } else { &[] });
        for entry in self.entries(listing, &subject.installed) {
            let livepatch = entry.livepatch.map(|number| self.sources.livepatches.get(number));
            let livepatch = livepatch.filter(|fix| loaded.carries(fix));
            let installed = newer.is_some_and(|newest| {
                let mut fixed = [entry.fixed, entry.pro_fixed].into_iter().flatten();
                fixed.any(|fixed| version::compare(newest, symbols.text(fixed)).is_ge())
            });
            let fixability = self.by_statement(entry).unwrap_or_else(|| match entry.fixed {
                _ if livepatch.is_some() => Fixability::Livepatched,
                _ if installed => Fixability::NotInEffect,
                Some(_) if host.kernel.shared_with_host => Fixability::SharedKernel,
                Some(fixed) => self.offers.fix_of_kernel(held, symbols.text(fixed)),
                None => without_fix(entry),
            });
            let mut finding = self.finding(entry, subject, fixability);
            if fixability == Fixability::Livepatched {
                finding.proof.livepatch = livepatch.map(|fix| Arc::clone(&fix.notice));
            }
            self.matched.findings.push(finding);
            self.matched.layers.push(entry.layer);
        }
    }

    /// What follows from the feed's statement alone, whatever the host offers.
    fn by_statement(&self, entry: &Entry) -> Option<Fixability> {
        match entry.statement {
            Statement::Unimportant => Some(Fixability::Unimportant),
            Statement::EndOfLife => Some(Fixability::EndOfLife),
            Statement::Affected
            | Statement::NoAdvisory
            | Statement::Ignored
            | Statement::Postponed
            | Statement::NotAffected
            | Statement::Undetermined => None,
        }
    }

    fn finding(&self, entry: &Entry, subject: &Subject, fixability: Fixability) -> Finding {
        let text = |symbol| Arc::clone(self.index.symbols.text(symbol));
        let behind_pro = entry.pro_only || entry.fixed.is_none() && entry.pro_fixed.is_some();
        let own_source = match self.release.distribution() {
            Distribution::Ubuntu => SeveritySource::UbuntuPriority,
            Distribution::Debian => SeveritySource::DebianUrgency,
        };
        let known = self.index.known.of(entry.cve);
        let (severity, severity_source) = known.severity(entry.severity, own_source);
        let origin = self.sources.origin(entry);
        Finding {
            cve: text(entry.cve),
            source_package: Arc::clone(&subject.source),
            binaries: Arc::clone(&subject.binaries),
            installed: Arc::clone(&subject.installed),
            fixed: entry.fixed.or(entry.pro_fixed).map(text),
            fixability,
            severity,
            scores: Arc::clone(&known.scores),
            epss: known.epss.clone(),
            ssvc: known.ssvc.clone(),
            kev: known.kev.clone(),
            advisories: Arc::clone(self.sources.announcements.list(entry.announcement)),
            kernel: subject.kernel.clone(),
            engine: None,
            proof: Proof {
                feed: origin.feed,
                as_of: origin.as_of,
                listed_in: Arc::clone(if behind_pro { &self.pro } else { &self.own }),
                notice: entry.notice.map(text),
                statement: entry.statement,
                own_severity: entry.severity,
                rejected_by: Arc::clone(&known.rejected_by),
                severity_source,
                livepatch: None,
                in_use_by: subject.in_use_by.clone(),
                binaries: Arc::clone(&subject.facts),
            },
        }
    }
}

fn without_fix(entry: &Entry) -> Fixability {
    if entry.pro_fixed.is_some() { Fixability::EsmOnly } else { Fixability::NoFix }
}

fn packages_at<'a>(images: &[Image<'a>], version: &str) -> Vec<&'a InstalledPackage> {
    images.iter().filter(|image| image.version == version).map(|image| image.package).collect()
}

fn kernel_facts(host: &HostPackages, images: &[Image<'_>], running: bool) -> KernelFacts {
    KernelFacts {
        running,
        release: host.kernel.release.as_str().into(),
        shared_with_host: host.kernel.shared_with_host,
        images: images
            .iter()
            .map(|image| ImageFact {
                name: image.package.name.as_str().into(),
                version: image.version.as_str().into(),
            })
            .collect(),
    }
}
