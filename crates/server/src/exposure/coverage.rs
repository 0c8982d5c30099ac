//! The coverage meter: what the feeds can and cannot say about a server, in short for
//! tables and in plain words for people.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vulns::{Coverage, EngineCoverageState, FeedKind, KernelCoverage, Product, ReleaseCoverage};

use super::FeedState;
use crate::pages::{ago, count};

/// Something that the feeds cannot say about a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "gap")]
pub enum Gap {
    /// The release is not known, so nothing was matched.
    ReleaseUnknown,
    /// The feed of its distribution does not speak of its release.
    ReleaseNotInFeed,
    /// No feed of its distribution was read.
    NoFeed,
    /// The running kernel comes from no package that a feed names.
    KernelUnknown,
    /// The kernel belongs to the machine below and is judged there.
    KernelOfMachineBelow,
    /// Packages that another builder than the distribution made.
    ThirdPartyPackages {
        /// How many.
        packages: usize,
    },
    /// An engine of which the feeds say nothing, or not all.
    Engine {
        /// Which engine.
        product: Product,
        /// Its version.
        version: String,
        /// What the feeds can say.
        state: EngineCoverageState,
    },
    /// Source packages that no feed names for this release.
    UnnamedPackages {
        /// How many.
        sources: usize,
        /// Of how many.
        of: usize,
    },
}

/// How much is known about a server. In the order of how little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// That nothing was found means nothing.
    Nothing,
    /// A part of it that matters is not judged.
    Partly,
    /// All that feeds can say is said.
    Well,
}

impl Gap {
    /// What the feeds cannot say, of what they can.
    pub fn of(coverage: &Coverage) -> Vec<Self> {
        let release = match coverage.release {
            ReleaseCoverage::Covered => None,
            ReleaseCoverage::Unknown => Some(Self::ReleaseUnknown),
            ReleaseCoverage::NotInFeed => Some(Self::ReleaseNotInFeed),
            ReleaseCoverage::NoFeed => Some(Self::NoFeed),
        };
        if let Some(release) = release {
            // Beside this the others say nothing new.
            return vec![release];
        }
        let kernel = match coverage.kernel {
            KernelCoverage::Covered => None,
            KernelCoverage::SharedWithHost => Some(Self::KernelOfMachineBelow),
            KernelCoverage::Unknown => Some(Self::KernelUnknown),
        };
        let third_party = coverage.third_party.len();
        let third_party = (third_party > 0).then_some(Self::ThirdPartyPackages { packages: third_party });
        let engines = coverage.engines.iter().filter_map(|engine| match engine.state {
            EngineCoverageState::Covered | EngineCoverageState::ByDistribution => None,
            state => Some(Self::Engine { product: engine.product, version: engine.version.clone(), state }),
        });
        let unnamed = coverage.unnamed.len();
        let unnamed =
            (unnamed > 0).then_some(Self::UnnamedPackages { sources: unnamed, of: coverage.sources });
        kernel.into_iter().chain(engines).chain(third_party).chain(unnamed).collect()
    }

    /// How much is known in spite of it.
    pub fn leaves(&self) -> Known {
        match self {
            Self::ReleaseUnknown | Self::ReleaseNotInFeed | Self::NoFeed => Known::Nothing,
            // What is known of the project before a fork is too much for the fork, not too little.
            Self::Engine { state: EngineCoverageState::UpstreamOnly, .. } => Known::Well,
            Self::KernelUnknown | Self::ThirdPartyPackages { .. } | Self::Engine { .. } => Known::Partly,
            // The one is judged elsewhere, the others are mostly packages without a CVE ever.
            Self::KernelOfMachineBelow | Self::UnnamedPackages { .. } => Known::Well,
        }
    }

    /// In a few words, for a table.
    pub fn in_short(&self) -> String {
        match self {
            Self::ReleaseUnknown => "unknown release".to_owned(),
            Self::ReleaseNotInFeed => "release not in its feed".to_owned(),
            Self::NoFeed => "no feed of its distribution".to_owned(),
            Self::KernelUnknown => "unknown kernel".to_owned(),
            Self::KernelOfMachineBelow => "kernel of the machine below".to_owned(),
            Self::ThirdPartyPackages { packages } => {
                count(packages, "third-party package", "third-party packages")
            }
            Self::Engine { product, version, state } => match state {
                EngineCoverageState::VersionUnreadable => format!("version of {product} unreadable"),
                EngineCoverageState::UpstreamOnly => format!("{product} judged as its upstream"),
                _ => format!("{product} {version} in no feed"),
            },
            Self::UnnamedPackages { sources, of } => format!("{sources} of {of} packages in no feed"),
        }
    }

    /// In a sentence or two.
    pub fn in_words(&self) -> String {
        const MEANS_NOTHING: &str = "That there are no findings means nothing.";
        match self {
            Self::ReleaseUnknown => {
                format!("Its release is not one that Holdfast knows, so nothing was matched. {MEANS_NOTHING}")
            }
            Self::ReleaseNotInFeed => {
                format!("The feed of its distribution does not speak of its release. {MEANS_NOTHING}")
            }
            Self::NoFeed => format!("No feed of its distribution has been read. {MEANS_NOTHING}"),
            Self::KernelUnknown => {
                "Its running kernel comes from no package that a feed names, so it was not judged.".to_owned()
            }
            Self::KernelOfMachineBelow => {
                "Its kernel belongs to the machine below and is judged and patched there.".to_owned()
            }
            Self::ThirdPartyPackages { packages } => format!(
                "{} from another builder than the distribution, whose feed says nothing of these builds.",
                count(packages, "package comes", "packages come"),
            ),
            Self::Engine { product, version, state } => match state {
                EngineCoverageState::VersionUnreadable => format!(
                    "The version of {product}, \"{version}\", tells no release: every CVE of it counts as open."
                ),
                EngineCoverageState::UpstreamOnly => format!(
                    "The feeds speak only of the project that {product} was forked from: what the fork fixed by itself counts as open."
                ),
                _ => format!("No feed that is loaded speaks of {product} {version}, so it was not judged."),
            },
            Self::UnnamedPackages { sources, of } => format!(
                "No feed names {sources} of its {}: they never had a CVE, or come from a third party; a feed cannot tell which.",
                count(of, "source package", "source packages"),
            ),
        }
    }
}

/// How much these gaps leave known.
pub fn known(gaps: &[Gap]) -> Known {
    gaps.iter().map(Gap::leaves).min().unwrap_or(Known::Well)
}

/// A feed that should speak of a server and does not, or not of late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilentFeed {
    /// Which feed.
    pub kind: FeedKind,
    /// Its name for people.
    pub title: &'static str,
    /// When it was last read; never, if none.
    pub last_success_at: Option<Timestamp>,
}

impl SilentFeed {
    /// In a sentence.
    pub fn in_words(&self, now: Timestamp) -> String {
        match self.last_success_at {
            Some(at) => {
                format!(
                    "{} was last read {}; what it has said since is missing here.",
                    self.title,
                    ago(now, at)
                )
            }
            None => format!("{} has never been read, so what it says is missing here.", self.title),
        }
    }
}

/// The whole of what is known about how far a server's findings can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoverageReport {
    /// How much is known.
    pub known: Known,
    /// What the feeds cannot say.
    pub gaps: Vec<Gap>,
    /// Feeds that matter to this server, and were never read or not for six hours.
    pub silent_feeds: Vec<SilentFeed>,
    /// The numbers behind it, and the names of the packages in no feed.
    #[serde(flatten)]
    pub coverage: Coverage,
}

impl CoverageReport {
    /// Of a server of this release, as the feeds stand.
    pub fn new(coverage: Coverage, release: Option<base::Release>, feeds: &[FeedState]) -> Self {
        let distribution = release.map(|release| release.distribution());
        // A feed about CVEs matters to all, that of a distribution to its own.
        let matters = |kind: FeedKind| kind.distribution().is_none_or(|of| Some(of) == distribution);
        let silent = feeds.iter().filter(|feed| feed.stale && matters(feed.kind)).map(|feed| SilentFeed {
            kind: feed.kind,
            title: feed.title,
            last_success_at: feed.last_success_at,
        });
        let gaps = Gap::of(&coverage);
        Self { known: known(&gaps), gaps, silent_feeds: silent.collect(), coverage }
    }
}

#[cfg(test)]
mod tests {
    use vulns::EngineCoverage;

    use super::*;
    use crate::pages::samples;

    fn covered() -> Coverage {
        Coverage {
            release: ReleaseCoverage::Covered,
            kernel: KernelCoverage::Covered,
            packages: 5,
            sources: 3,
            sources_named: 3,
            unnamed: Vec::new(),
            third_party: Vec::new(),
            engines: Vec::new(),
        }
    }

    #[test]
    fn a_gap_that_hides_everything_is_the_only_one_told() {
        let gaps = Gap::of(&Coverage {
            release: ReleaseCoverage::Unknown,
            kernel: KernelCoverage::Unknown,
            sources_named: 0,
            unnamed: vec!["a".to_owned()],
            ..covered()
        });
        assert_eq!(gaps, [Gap::ReleaseUnknown]);
        assert_eq!(known(&gaps), Known::Nothing);
        assert!(gaps[0].in_words().ends_with("means nothing."));
    }

    #[test]
    fn an_unknown_kernel_leaves_a_server_partly_known_and_an_unnamed_package_does_not() {
        assert_eq!(known(&Gap::of(&covered())), Known::Well);
        let unnamed = Coverage { sources_named: 2, unnamed: vec!["acme-agent".to_owned()], ..covered() };
        assert_eq!(Gap::of(&unnamed), [Gap::UnnamedPackages { sources: 1, of: 3 }]);
        assert_eq!(known(&Gap::of(&unnamed)), Known::Well);
        let kernel = Coverage { kernel: KernelCoverage::Unknown, ..unnamed };
        assert_eq!(known(&Gap::of(&kernel)), Known::Partly);
        let container = Coverage { kernel: KernelCoverage::SharedWithHost, ..covered() };
        assert_eq!(known(&Gap::of(&container)), Known::Well);
    }

    #[test]
    fn engines_and_foreign_builds_are_gaps() {
        let engine = |state| EngineCoverage {
            product: Product::RustFs,
            version: "1.0".to_owned(),
            origin: vulns::EngineOrigin::Upstream,
            state,
        };
        let with = |state| Gap::of(&Coverage { engines: vec![engine(state)], ..covered() });
        assert!(with(EngineCoverageState::Covered).is_empty());
        assert_eq!(known(&with(EngineCoverageState::NotCovered)), Known::Partly);
        assert_eq!(known(&with(EngineCoverageState::UpstreamOnly)), Known::Well);
        assert!(with(EngineCoverageState::NotCovered)[0].in_words().contains("rustfs 1.0"));
        let foreign =
            Gap::of(&Coverage { third_party: ["a", "b", "c", "d"].map(str::to_owned).to_vec(), ..covered() });
        assert_eq!(
            (known(&foreign), foreign[0].in_short().as_str()),
            (Known::Partly, "4 third-party packages")
        );
    }

    #[test]
    fn only_feeds_that_matter_to_a_server_are_missed() {
        let feed = |kind: FeedKind| FeedState { kind, title: kind.title(), ..samples::feed(None, true) };
        let feeds = [feed(FeedKind::DebianTracker), feed(FeedKind::UbuntuOsv), feed(FeedKind::Kev)];
        let missed = |release| {
            let report = CoverageReport::new(covered(), release, &feeds);
            report.silent_feeds.iter().map(|feed| feed.kind).collect::<Vec<_>>()
        };
        assert_eq!(missed(Some(base::Release::Debian12)), [FeedKind::DebianTracker, FeedKind::Kev]);
        assert_eq!(missed(Some(base::Release::Ubuntu2404)), [FeedKind::UbuntuOsv, FeedKind::Kev]);
        assert_eq!(missed(None), [FeedKind::Kev]);
    }
}
