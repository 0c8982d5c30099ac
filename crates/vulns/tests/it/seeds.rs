//! The seeds of the fuzz targets: there are some for every feed, and each is taken by its parser,
//! as a refused one leads nowhere.

use std::{collections::BTreeSet, fs, path::Path};

use vulns::{FeedFile, FeedKind};

#[test]
fn every_parser_has_seeds_that_it_takes() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let mut targets = BTreeSet::new();
    for folder in fs::read_dir(&seeds).expect("the seeds").flatten() {
        let target = folder.file_name().into_string().expect("a name");
        let mut files = 0;
        for file in fs::read_dir(folder.path()).expect("a folder").flatten() {
            let bytes = fs::read(file.path()).expect("a seed");
            let refused = match target.as_str() {
                "version" => None,
                "inventory" => vulns::inventory::read(&bytes).err().map(|error| error.to_string()),
                feed => {
                    let kind: FeedKind = feed.parse().expect("a feed's name");
                    let read = vulns::parse(kind, FeedFile { path: "seed-2025-02-12", bytes: &bytes });
                    read.err().map(|error| error.to_string())
                }
            };
            assert_eq!(refused, None, "{}", file.path().display());
            assert!(bytes.len() < 4096, "{} is not small", file.path().display());
            files += 1;
        }
        assert!(files > 0, "{target}");
        targets.insert(target);
    }
    let wanted = FeedKind::all().map(FeedKind::name).chain(["inventory", "version"]);
    assert_eq!(targets, wanted.map(str::to_owned).collect(), "a target for each parser");
}
