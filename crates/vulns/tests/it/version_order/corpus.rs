//! Every version of a package that the shared feeds and inventories name, by source package.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
};

use serde::Deserialize;

use crate::real;

/// Distinct versions, numbered in the order of their letters.
pub struct Corpus {
    texts: Vec<String>,
    by_source: Vec<Vec<u32>>,
}

impl Corpus {
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    pub fn sources(&self) -> usize {
        self.by_source.len()
    }

    pub fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    pub fn by_source(&self) -> &[Vec<u32>] {
        &self.by_source
    }
}

#[derive(Default)]
struct Reading(BTreeMap<String, BTreeSet<String>>);

impl Reading {
    fn add(&mut self, source: &str, version: &str) {
        // A feed writes `0` for "never" and remarks in words; the rest is as deb-version(7) says.
        let plain = version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-:~".contains(&b));
        if plain && version != "0" && version.starts_with(|first: char| first.is_ascii_digit()) {
            if !self.0.contains_key(source) {
                self.0.insert(source.to_owned(), BTreeSet::new());
            }
            let versions = self.0.get_mut(source).expect("just put there");
            if !versions.contains(version) {
                versions.insert(version.to_owned());
            }
        }
    }
}

pub fn read() -> Corpus {
    let mut reading = Reading::default();
    for name in [
        "feeds/debian/debian-osv-2025-02-12.jsonl.zst",
        "feeds/ubuntu/ubuntu-osv-native.jsonl.zst",
        "feeds/ubuntu/ubuntu-cve-osv-derived-2024-08-09.jsonl.zst",
    ] {
        each_line(name, |line| osv(line, &mut reading));
    }
    for name in [
        "feeds/debian/security-tracker-derived-2025-02-12.json.zst",
        "feeds/debian/security-tracker-native-sample.json",
        "feeds-2026-11/debian/security-tracker-changelogs.json.zst",
    ] {
        tracker(&plain(name), &mut reading);
    }
    each_line("feeds/ubuntu/uct-cves-2024-08-09.jsonl.zst", |line| ubuntu_tracker(line, &mut reading));
    each_line("feeds/ubuntu/usn-api-notices-pages.jsonl.zst", |line| notices(line, &mut reading));
    for name in ["DSA.list", "DLA.list", "DSA-2025-02-13_2026-08-21.list", "DLA-2025-02-13_2026-08-21.list"] {
        each_line(&format!("feeds/debian/{name}"), |line| advisory(line, &mut reading));
    }
    for name in ["debian-12", "debian-13", "ubuntu-1804", "ubuntu-2204", "ubuntu-2404", "ubuntu-2604"] {
        for package in real::inventory(name).packages {
            reading.add(&package.source, &package.version);
            reading.add(&package.source, &package.source_version);
        }
    }
    status(&plain("feeds/inventory/dpkg-status-sample.zst"), &mut reading);

    let texts: BTreeSet<&String> = reading.0.values().flatten().collect();
    let texts: Vec<String> = texts.into_iter().cloned().collect();
    let number = |text: &String| texts.binary_search(text).expect("collected from the same") as u32;
    let by_source = reading.0.values().map(|versions| versions.iter().map(number).collect()).collect();
    Corpus { by_source, texts }
}

fn plain(name: &str) -> Vec<u8> {
    let bytes = real::bytes(name);
    if name.ends_with(".zst") { zstd::decode_all(bytes.as_slice()).expect(name) } else { bytes }
}

fn each_line(name: &str, mut each: impl FnMut(&[u8])) {
    let bytes = real::bytes(name);
    let stream: Box<dyn BufRead> = if name.ends_with(".zst") {
        Box::new(BufReader::new(zstd::Decoder::with_buffer(bytes.as_slice()).expect(name)))
    } else {
        Box::new(bytes.as_slice())
    };
    stream.split(b'\n').for_each(|line| each(&line.expect(name)));
}

/// A text, borrowed where it can be.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn osv(line: &[u8], reading: &mut Reading) {
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(borrow, default)]
        affected: Vec<Affected<'a>>,
    }
    #[derive(Deserialize)]
    struct Affected<'a> {
        #[serde(borrow)]
        package: Option<Package<'a>>,
        #[serde(borrow, default)]
        ranges: Vec<Range<'a>>,
        #[serde(borrow, default)]
        versions: Vec<Text<'a>>,
    }
    #[derive(Deserialize)]
    struct Package<'a> {
        #[serde(borrow, default)]
        ecosystem: Text<'a>,
        #[serde(borrow, default)]
        name: Text<'a>,
    }
    #[derive(Deserialize)]
    struct Range<'a> {
        #[serde(borrow, default)]
        events: Vec<BTreeMap<&'a str, Text<'a>>>,
    }
    let record: Record<'_> = serde_json::from_slice(line).expect("an OSV record");
    for affected in &record.affected {
        let Some(package) = &affected.package else { continue };
        if !["Debian", "Ubuntu"].iter().any(|ours| package.ecosystem.0.starts_with(ours)) {
            continue;
        }
        let events =
            affected.ranges.iter().flat_map(|range| range.events.iter().flat_map(|event| event.values()));
        affected.versions.iter().chain(events).for_each(|version| reading.add(&package.name.0, &version.0));
    }
}

fn tracker(bytes: &[u8], reading: &mut Reading) {
    // As a tree: the tracker writes `releases` as a list where there is none.
    let tracker: BTreeMap<&str, BTreeMap<&str, serde_json::Value>> =
        serde_json::from_slice(bytes).expect("a tracker");
    for (source, issues) in &tracker {
        let states = issues.values().filter_map(|issue| issue["releases"].as_object());
        for state in states.flat_map(|releases| releases.values()) {
            let present = state["repositories"].as_object().into_iter().flat_map(|found| found.values());
            let versions = present.chain(state.get("fixed_version")).filter_map(|version| version.as_str());
            versions.for_each(|version| reading.add(source, version));
        }
    }
}

fn ubuntu_tracker(line: &[u8], reading: &mut Reading) {
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(borrow, default)]
        packages: BTreeMap<&'a str, BTreeMap<&'a str, State<'a>>>,
    }
    #[derive(Deserialize)]
    struct State<'a> {
        status: &'a str,
        #[serde(borrow, default)]
        note: Option<Text<'a>>,
    }
    let record: Record<'_> = serde_json::from_slice(line).expect("a record of Ubuntu's tracker");
    for (source, state) in record.packages.values().flatten() {
        if state.status == "released"
            && let Some(version) = &state.note
        {
            reading.add(source, &version.0);
        }
    }
}

fn notices(line: &[u8], reading: &mut Reading) {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        notices: Vec<Notice<'a>>,
    }
    #[derive(Deserialize)]
    struct Notice<'a> {
        #[serde(borrow)]
        release_packages: BTreeMap<&'a str, Vec<Package<'a>>>,
    }
    #[derive(Deserialize)]
    struct Package<'a> {
        name: &'a str,
        #[serde(borrow)]
        version: Option<Text<'a>>,
    }
    let page: Page<'_> = serde_json::from_slice(line).expect("a page of notices");
    for package in page.notices.iter().flat_map(|notice| notice.release_packages.values().flatten()) {
        if let Some(version) = &package.version {
            reading.add(package.name, &version.0);
        }
    }
}

/// A line such as `[bookworm] - webkit2gtk 2.46.6-1~deb12u1`.
fn advisory(line: &[u8], reading: &mut Reading) {
    let line = String::from_utf8_lossy(line);
    let Some((_, said)) = line.split_once("] - ").filter(|_| line.starts_with('\t')) else { return };
    if let Some((source, version)) = said.split_once(' ')
        && !version.starts_with('<')
    {
        reading.add(source, version);
    }
}

/// A dpkg status file.
fn status(bytes: &[u8], reading: &mut Reading) {
    let text = String::from_utf8_lossy(bytes);
    for stanza in text.split("\n\n") {
        let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
        let (Some(package), Some(version)) = (field("Package: "), field("Version: ")) else { continue };
        let (source, source_version) = match field("Source: ").map(|source| source.split_once(" (")) {
            Some(Some((source, version))) => (source, version.trim_end_matches(')')),
            Some(None) => (field("Source: ").unwrap_or(package), version),
            None => (package, version),
        };
        reading.add(source, version);
        reading.add(source, source_version);
    }
}
