//! Small made-up worlds: hosts of two releases and what feeds say of them, changed at
//! random and always the same way for the same seed.

use base::Release;
use vulns::{
    Candidate, EngineOrigin, FeedData, FeedFile, FeedKind, HostPackages, InstalledEngine, InstalledPackage,
    Product, RunningKernel,
};

use crate::{debian, record, ubuntu};

/// SplitMix64: a few lines, and the same numbers on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const SOURCES: &[&str] = &["curl", "openssl", "zlib", "tinyproxy"];
const VERSIONS: &[&str] = &["1.0-1", "1.0-1+deb12u1", "1.1-1", "2:0.9-1"];
const KERNELS: &[&str] = &["6.1.90-1", "6.1.99-1", "6.1.123-1"];
const CVES: usize = 12;

/// What the feeds say, in a form that can be changed bit by bit.
#[derive(Clone)]
pub struct World {
    /// Debian's state of (source, CVE), and Ubuntu's.
    debian: Vec<(&'static str, usize, &'static str)>,
    ubuntu: Vec<(&'static str, usize, Option<&'static str>, &'static str)>,
    exploited: Vec<(usize, &'static str)>,
    /// What NVD says of a CVE as such, and of MinIO before which release.
    nvd: Vec<(usize, &'static str, &'static str, Option<&'static str>)>,
    /// Whether each feed is there at all.
    loaded: [bool; 4],
}

impl World {
    pub fn new(dice: &mut Dice) -> Self {
        let mut world =
            Self { debian: vec![], ubuntu: vec![], exploited: vec![], nvd: vec![], loaded: [true; 4] };
        for _ in 0..40 {
            world.change(dice);
        }
        world.loaded = [true; 4];
        world
    }

    /// One change, of the size that an hour brings.
    pub fn change(&mut self, dice: &mut Dice) {
        let cve = dice.below(CVES);
        let sources: Vec<&'static str> = SOURCES.iter().copied().chain(["linux"]).collect();
        let source = sources[dice.below(sources.len())];
        match dice.below(10) {
            0..3 => {
                self.debian.retain(|(known, number, _)| (*known, *number) != (source, cve));
                if !dice.one_in(4) {
                    let states = [
                        r#"{"status":"open","urgency":"low"}"#,
                        r#"{"status":"open","urgency":"unimportant"}"#,
                        r#"{"status":"open","urgency":"end-of-life"}"#,
                        r#"{"status":"open","urgency":"low","nodsa":"Minor","nodsa_reason":"postponed"}"#,
                        r#"{"status":"resolved","fixed_version":"0","urgency":"high"}"#,
                        r#"{"status":"resolved","fixed_version":"1.0-1+deb12u1","urgency":"high"}"#,
                        r#"{"status":"resolved","fixed_version":"6.1.99-1","urgency":"medium"}"#,
                        r#"{"status":"undetermined","urgency":"high"}"#,
                    ];
                    self.debian.push((source, cve, states[dice.below(states.len())]));
                }
            }
            3..6 => {
                self.ubuntu.retain(|(known, number, ..)| (*known, *number) != (source, cve));
                if !dice.one_in(4) {
                    let fixed = [None, Some("1.0-1+deb12u1"), Some("1.1-1"), Some("6.1.99-1")];
                    let ecosystems = ["Ubuntu:22.04:LTS", "Ubuntu:Pro:22.04:LTS"];
                    self.ubuntu.push((
                        source,
                        cve,
                        fixed[dice.below(fixed.len())],
                        ecosystems[dice.below(2)],
                    ));
                }
            }
            6 => {
                self.exploited.retain(|(number, _)| *number != cve);
                if !dice.one_in(3) {
                    self.exploited.push((cve, dice.of(&["2025-01-01", "2025-06-30"])));
                }
            }
            7 | 8 => {
                self.nvd.retain(|(number, ..)| *number != cve);
                if !dice.one_in(4) {
                    let status = dice.of(&["Analyzed", "Deferred", "Analyzed", "Rejected"]);
                    let before = [None, Some("2024-06-01T00-00-00Z"), Some("2025-06-01t00-00-00z")];
                    self.nvd.push((cve, status, dice.of(&["9.8", "5.0"]), before[dice.below(3)]));
                }
            }
            _ if dice.one_in(2) => self.loaded[dice.below(4)] ^= true,
            _ => {}
        }
    }

    /// The feeds of this world, written in their own formats and read again.
    pub fn feeds(&self, dice: &mut Dice) -> Vec<FeedData> {
        let mut feeds = Vec::new();
        if self.loaded[0] && !self.debian.is_empty() {
            feeds.push(self.tracker(dice));
        }
        if self.loaded[1] && !self.ubuntu.is_empty() {
            let day = 1 + dice.below(28);
            let modified = format!("2025-02-{day:02}T00:00:00Z");
            let records: Vec<String> = (0..CVES)
                .map(|cve| {
                    let of_cve = self.ubuntu.iter().filter(|(_, number, ..)| *number == cve);
                    let affected: Vec<_> =
                        of_cve.map(|(source, _, fixed, eco)| (*eco, *source, *fixed)).collect();
                    record(&format!("CVE-2025-{cve:04}"), &modified, "medium", &affected)
                })
                .collect();
            feeds.push(ubuntu(&records.concat()));
        }
        if self.loaded[2] && !self.exploited.is_empty() {
            feeds.push(self.catalogue());
        }
        if self.loaded[3] && !self.nvd.is_empty() {
            feeds.push(self.page());
        }
        feeds
    }

    fn tracker(&self, dice: &mut Dice) -> FeedData {
        let mut by_source: std::collections::BTreeMap<&str, Vec<String>> = Default::default();
        for (source, cve, state) in &self.debian {
            let entry = format!(r#""CVE-2025-{cve:04}":{{"releases":{{"bookworm":{state}}}}}"#);
            by_source.entry(source).or_default().push(entry);
        }
        let sources: Vec<String> = by_source
            .iter()
            .map(|(source, entries)| format!(r#""{source}":{{{}}}"#, entries.join(",")))
            .collect();
        let tracker = format!("{{{}}}", sources.join(","));
        // The day of a reading is all that changes when nothing else does.
        let path = format!("security-tracker-2025-03-{:02}.json", 1 + dice.below(28));
        let file = FeedFile { path: &path, bytes: tracker.as_bytes() };
        let read = vulns::parse(FeedKind::DebianTracker, file).expect("a tracker");
        assert_eq!(read.records(), debian(&tracker).records());
        read
    }

    fn page(&self) -> FeedData {
        let records: Vec<serde_json::Value> = self
            .nvd
            .iter()
            .map(|(cve, status, score, before)| {
                let ranges: Vec<_> = before
                    .iter()
                    .map(|end| {
                        serde_json::json!({"nodes": [{"operator": "OR", "cpeMatch": [{
                            "vulnerable": true,
                            "criteria": "cpe:2.3:a:minio:minio:*:*:*:*:*:*:*:*",
                            "versionEndExcluding": end,
                        }]}]})
                    })
                    .collect();
                let score: f64 = score.parse().expect("a number");
                serde_json::json!({"cve": {
                    "id": format!("CVE-2025-{cve:04}"),
                    "lastModified": "2025-07-01T00:00:00.000",
                    "vulnStatus": status,
                    "metrics": {"cvssMetricV31": [{"source": "nvd@nist.gov", "type": "Primary", "cvssData":
                        {"version": "3.1", "vectorString": "CVSS:3.1/AV:N", "baseScore": score}}]},
                    "configurations": ranges,
                }})
            })
            .collect();
        let page = serde_json::json!({
            "resultsPerPage": records.len(), "startIndex": 0, "totalResults": records.len(),
            "format": "NVD_CVE", "version": "2.0", "timestamp": "2025-07-02T00:00:00.000",
            "vulnerabilities": records,
        });
        let text = page.to_string();
        let file = FeedFile { path: "nvd/page.json", bytes: text.as_bytes() };
        vulns::parse(FeedKind::Nvd, file).expect("a page")
    }

    fn catalogue(&self) -> FeedData {
        let entries: Vec<String> = self
            .exploited
            .iter()
            .map(|(cve, day)| {
                format!(
                    r#"{{"cveID":"CVE-2025-{cve:04}","vulnerabilityName":"n","dateAdded":"{day}","dueDate":"{day}"}}"#
                )
            })
            .collect();
        let catalogue = format!(
            r#"{{"dateReleased":"2025-07-01T00:00:00Z","count":{},"vulnerabilities":[{}]}}"#,
            entries.len(),
            entries.join(",")
        );
        let file = FeedFile { path: "known_exploited_vulnerabilities.json", bytes: catalogue.as_bytes() };
        vulns::parse(FeedKind::Kev, file).expect("a catalogue")
    }
}

/// A host that looks much like the others.
pub fn host(dice: &mut Dice) -> HostPackages {
    let release = [Some(Release::Debian12), Some(Release::Ubuntu2204), None][dice.below(20) / 9];
    let mut packages = Vec::new();
    let mut pending = Vec::new();
    for source in SOURCES {
        for binary in ["", "-common"].iter().take(dice.below(3)) {
            let version = dice.of(VERSIONS).to_owned();
            let name = format!("{source}{binary}");
            if dice.one_in(3) {
                pending.push(Candidate {
                    name: name.clone(),
                    version: dice.of(VERSIONS).to_owned(),
                    security: true,
                    held: dice.one_in(5),
                    phased: dice.one_in(5),
                    ..Candidate::default()
                });
            }
            packages.push(InstalledPackage {
                name,
                architecture: dice.of(&["amd64", "all"]).to_owned(),
                source_version: version.clone(),
                version,
                source: (*source).to_owned(),
                held: dice.one_in(8),
                in_use: None,
            });
        }
    }
    let mut kernel = RunningKernel { shared_with_host: dice.one_in(8), ..RunningKernel::default() };
    for version in KERNELS.iter().take(dice.below(KERNELS.len() + 1)) {
        let abi = format!("{}-amd64", version.trim_end_matches("-1"));
        if dice.one_in(2) {
            kernel.release = abi.clone();
        }
        packages.push(InstalledPackage {
            name: format!("linux-image-{abi}"),
            architecture: "amd64".into(),
            version: (*version).to_owned(),
            source: "linux-signed-amd64".into(),
            source_version: version.replace('-', "+"),
            held: false,
            in_use: None,
        });
    }
    if dice.one_in(3) {
        // Not a kernel by its source, yet its hold keeps kernels back.
        let version = dice.of(KERNELS).to_owned();
        packages.push(InstalledPackage {
            name: "linux-image-amd64".into(),
            architecture: "amd64".into(),
            version: version.clone(),
            source: dice.of(&["linux-signed-amd64", "vendor-kernel"]).to_owned(),
            source_version: version,
            held: dice.one_in(2),
            in_use: None,
        });
    }
    if dice.one_in(3) {
        let version = dice.of(KERNELS).to_owned();
        let name = format!("linux-image-{version}-amd64");
        pending.push(Candidate { name, version, security: true, ..Candidate::default() });
    }
    let pending = dice.one_in(2).then_some(pending);
    let engines = if dice.one_in(2) {
        let version =
            dice.of(&["RELEASE.2024-01-31T20-20-33Z", "RELEASE.2025-01-01T00-00-00Z", "DEVELOPMENT"]);
        vec![InstalledEngine {
            product: [Product::Minio, Product::Silo][dice.below(2)],
            version: version.into(),
            running: None,
            origin: EngineOrigin::Upstream,
            packages: Vec::new(),
            held: false,
        }]
    } else {
        Vec::new()
    };
    HostPackages { release, kernel, packages, pending, engines }
}
