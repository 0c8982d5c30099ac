//! Parse and index every feed from cold, against a bare streaming parse of the same bytes.

use std::{
    borrow::Cow,
    io::{BufRead, BufReader, Read},
    time::Duration,
};

use serde::de::IgnoredAny;
use vulns::Index;

use crate::{
    clock,
    data::{self, File},
    table::{Line, Table, Target, ms},
    tools,
};

const BENCH: &str = "load";

pub fn run(table: &mut Table) -> Result<(), String> {
    let files = data::files()?;
    let packed: usize = files.iter().map(|file| file.bytes.len()).sum();
    let (plain, bare) = least(|| files.iter().map(bare_parse).sum::<Result<u64, String>>())?;
    let (feeds, parse) = least(|| data::parse(&files))?;
    // Each run has its own copy to use up, made while no time is taken.
    let (index, build) =
        least_of(|| feeds.clone(), |feeds| Ok(Index::of(feeds.into_iter().map(Cow::Owned))))?;
    let records: usize = index.feeds().iter().map(|feed| feed.records).sum();
    drop((feeds, index));
    let whole = ms(parse + build);
    table.add(Line {
        bench: BENCH,
        work: format!(
            "parse and index {} files, {} MB packed, {} MB plain, {records} records",
            files.len(),
            packed / 1_000_000,
            plain / 1_000_000
        ),
        figure: whole,
        unit: "ms",
        target: Some(Target::WithinTimes(3.0)),
        against: Some(("a bare parse of the same bytes".into(), ms(bare))),
    });
    for (work, cost) in [("of this, parse", parse), ("of this, index", build)] {
        table.add(Line {
            bench: BENCH,
            work: work.into(),
            figure: ms(cost),
            unit: "ms",
            target: None,
            against: None,
        });
    }

    // What Debian's data costs alone, against the tools, which read nothing else.
    let debian: Vec<File> =
        files.into_iter().filter(|file| file.kind == vulns::FeedKind::DebianTracker).collect();
    let host = data::host("debian-12")?;
    let (_, ours) = least(|| {
        let index = Index::of(data::parse(&debian)?.into_iter().map(Cow::Owned));
        Ok(index.findings(&host))
    })?;
    for tool in tools::runs()? {
        table.add(Line {
            bench: BENCH,
            work: "parse and index Debian's feed, match one host".into(),
            figure: ms(ours),
            unit: "ms",
            // debsecan's data is made for it beforehand by the publisher, matched against every package.
            target: (tool.name != "debsecan").then_some(Target::TimesFaster(5.0)),
            against: Some((format!("{}, the same from cold", tool.name), ms(tool.cost))),
        });
    }
    Ok(())
}

/// The cheapest of three runs.
fn least<T>(mut work: impl FnMut() -> Result<T, String>) -> Result<(T, Duration), String> {
    least_of(|| (), |()| work())
}

/// The cheapest of three runs, without what prepares them.
fn least_of<P, T>(
    mut prepare: impl FnMut() -> P,
    mut work: impl FnMut(P) -> Result<T, String>,
) -> Result<(T, Duration), String> {
    let mut best: Option<(T, Duration)> = None;
    for _ in 0..3 {
        let prepared = prepare();
        let (done, cost) = clock::once(|| work(prepared));
        let done = done?;
        if best.as_ref().is_none_or(|(_, least)| cost < *least) {
            best = Some((done, cost));
        }
    }
    best.ok_or_else(|| "nothing was run".into())
}

/// Takes a file out of its wrapping and checks that it is JSON, or lines of text; the bytes that were in it.
fn bare_parse(file: &File) -> Result<u64, String> {
    let refused = |error: &dyn std::fmt::Display| format!("{}: {error}", file.path);
    let packed = file.bytes.as_slice();
    let stream: Box<dyn Read + '_> = match packed {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Box::new(zstd::Decoder::with_buffer(packed).map_err(|error| refused(&error))?)
        }
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        _ => Box::new(packed),
    };
    let mut stream = BufReader::with_capacity(1 << 16, stream);
    let name = file.path.trim_end_matches(".zst").trim_end_matches(".gz");
    let mut bytes = 0;
    if name.ends_with(".jsonl") || name.ends_with(".csv") || name.ends_with(".list") {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = stream.read_until(b'\n', &mut line).map_err(|error| refused(&error))?;
            if read == 0 {
                return Ok(bytes);
            }
            bytes += read as u64;
            if name.ends_with(".jsonl") {
                serde_json::from_slice::<IgnoredAny>(&line).map_err(|error| refused(&error))?;
            }
        }
    }
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).map_err(|error| refused(&error))?;
    serde_json::from_slice::<IgnoredAny>(&whole).map_err(|error| refused(&error))?;
    Ok(whole.len() as u64)
}
