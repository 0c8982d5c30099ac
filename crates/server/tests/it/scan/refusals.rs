//! What cannot be scanned is said plainly, with an exit code of its own: nobody takes it for a
//! clean host, nor for `--fail-on` having found something.

use super::{scan, scan_input};
use crate::exposure::Folder;

const STATUS: &[u8] =
    b"Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u1\n";

/// The exit code for what cannot be scanned.
const CANNOT: i32 = 2;

fn refused(feeds: &str, more: &[&str], input: &[u8], words: &[&str]) {
    let scanned = scan_input(&[&["--feeds", feeds, "--inventory", "-"], more].concat(), input);
    assert_eq!((scanned.code, scanned.out.as_str()), (CANNOT, ""), "{words:?}: {}", scanned.err);
    for word in words {
        assert!(scanned.err.contains(word), "`{word}` in {}", scanned.err);
    }
}

#[test]
fn an_inventory_must_be_one() {
    let folder = Folder::good();
    let feeds = folder.path().display().to_string();
    let debian = ["--release", "debian-12"];
    refused(&feeds, &[], STATUS, &["does not name its release", "--release debian-12"]);
    refused(
        &feeds,
        &["--release", "debian-99"],
        STATUS,
        &["`debian-99` is not a known release", "`ubuntu-26.04`"],
    );
    refused(&feeds, &debian, b"<html>502</html>", &["standard input", "begins with `<html>"]);
    refused(&feeds, &debian, b"\x7fELF\x02\x01\0\0", &["neither a dpkg status file"]);
    refused(&feeds, &debian, b"", &["no installed package"]);
    refused(&feeds, &debian, &STATUS[..STATUS.len() / 2], &["is the file whole?"]);
    let large = [STATUS, &vec![b' '; 64 << 20]].concat();
    refused(&feeds, &debian, &large, &["more than 67108864 bytes"]);
    let bomb = zstd::encode_all(&vec![b' '; 65 << 20][..], 1).unwrap();
    refused(&feeds, &debian, &bomb, &["cannot be unpacked"]);
    let rows = b"# family=ubuntu release=24.04 columns=Package,Version\nopenssl\t3.0\n";
    refused(&feeds, &debian, rows, &["is of ubuntu-24.04, not of debian-12"]);
}

#[test]
fn without_feeds_nothing_is_said() {
    let empty = tempfile::tempdir().unwrap();
    let debian = ["--release", "debian-12"];
    refused(
        &empty.path().display().to_string(),
        &debian,
        STATUS,
        &["no feed could be read", "known as a feed's"],
    );
    refused("/nonexistent-feeds", &debian, STATUS, &["is not a directory"]);
    let folder = Folder::good();
    let feeds = folder.path().display().to_string();
    refused(&feeds, &["--release", "debian-13"], STATUS, &["the feeds do not speak of debian-13"]);
    refused(
        &feeds,
        &["--release", "ubuntu-24.04"],
        STATUS,
        &["no feed of ubuntu-24.04's distribution", "`ubuntu-osv`"],
    );
    folder.write("debian/security-tracker.json", "<html>");
    refused(
        &feeds,
        &debian,
        STATUS,
        &["the feed `debian-tracker` is not fit to be used", "security-tracker.json"],
    );
}

#[test]
fn fail_on_judges_only_what_is_known() {
    let folder = Folder::good();
    let feeds = folder.path().display().to_string();
    let ask = |kinds: &str| {
        let named = ["--feeds", &feeds, "--inventory", "-", "--release", "debian-12", "--fail-on", kinds];
        scan_input(&named, STATUS).code
    };
    assert_eq!(["kev", "critical", "high", "fixable"].map(ask), [1, 1, 1, 1], "two are exploited");
    folder.write("kev/known_exploited_vulnerabilities.json", super::formats::no_catalogue());
    assert_eq!(["critical", "high", "fixable", "critical,fixable"].map(ask), [0, 1, 1, 1]);
    assert_eq!(ask("kev"), 0, "the catalogue lists none of them");
    std::fs::remove_dir_all(folder.path().join("kev")).unwrap();
    assert_eq!((ask("kev"), ask("critical")), (CANNOT, 0), "without a catalogue none can be known");
}

#[test]
fn this_machine_can_be_scanned_or_says_why_not() {
    let folder = Folder::good();
    let feeds = folder.path().display().to_string();
    let scanned = scan(&["--feeds", &feeds, "--this-machine", "--format", "json"]);
    // Where the tests run is not known; a machine that the feed does not speak of is refused.
    match scanned.code {
        0 => assert_eq!(scanned.json()["subject"], "this machine"),
        code => assert!(code == CANNOT && scanned.err.starts_with("error: "), "{}", scanned.err),
    }
    let both = scan(&["--feeds", &feeds, "--this-machine", "--inventory", "-"]);
    assert_eq!(both.code, CANNOT);
}
