//! Version order against dpkg itself, on versions of the real feeds and inventories.

use std::{
    cmp::Ordering,
    collections::BTreeSet,
    io::Write,
    process::{Command, Stdio},
};

use crate::real;
use vulns::version;

#[test]
fn dpkg_agrees_on_thousands_of_pairs() {
    let mut versions: BTreeSet<String> = BTreeSet::new();
    for name in ["debian-12", "debian-13", "ubuntu-1804", "ubuntu-2204", "ubuntu-2404", "ubuntu-2604"] {
        for package in real::inventory(name).packages {
            versions.extend([package.version, package.source_version]);
        }
    }
    let marks = ["~", "+", "-1", "~rc1", "+b1", ".0", "-0", "a", "+esm15", "0"];
    // One walk in version order gives near neighbours, one in text order gives unlike ones.
    let mut near: Vec<&str> = versions.iter().map(String::as_str).collect();
    near.sort_by(|a, b| version::compare(a, b));
    let mut pairs: Vec<(String, String)> = Vec::new();
    for list in [&near, &versions.iter().map(String::as_str).collect::<Vec<_>>()] {
        for (at, pair) in list.windows(2).step_by(2).enumerate() {
            pairs.push((pair[0].to_owned(), pair[1].to_owned()));
            if at % 3 == 0 {
                let mark = marks[(at / 3) % marks.len()];
                pairs.push((pair[0].to_owned(), format!("{}{mark}", pair[0])));
            }
        }
    }
    assert!(pairs.len() > 2000, "{}", pairs.len());

    // One shell asks dpkg for all of them: a process for each pair is dear enough.
    let script = "while IFS=' ' read -r a b; do
        if dpkg --compare-versions \"$a\" lt \"$b\" 2>/dev/null; then echo lt
        elif dpkg --compare-versions \"$a\" eq \"$b\" 2>/dev/null; then echo eq
        else echo gt; fi; done";
    let mut shell = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut input = shell.stdin.take().expect("piped");
    let questions: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let answers = String::from_utf8(shell.wait_with_output().expect("answers").stdout).expect("text");
    writer.join().expect("a writer").expect("questions written");
    assert_eq!(answers.lines().count(), pairs.len());
    for ((a, b), answer) in pairs.iter().zip(answers.lines()) {
        let order = match version::compare(a, b) {
            Ordering::Less => "lt",
            Ordering::Equal => "eq",
            Ordering::Greater => "gt",
        };
        assert_eq!(order, answer, "{a} against {b}");
    }
}
