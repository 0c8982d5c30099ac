//! dpkg as a judge: its library, linked into a small program that judges many pairs in
//! one process, and the program `dpkg`, asked once for each pair.

use std::{
    cmp::Ordering,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What dpkg says of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    Order(Ordering),
    /// dpkg does not take one of them as a version.
    NoVersion,
}

/// Why there is no judge.
pub struct Missing {
    pub what: String,
}

/// The built program.
pub struct Oracle {
    program: PathBuf,
    /// Holds the program; removed with it.
    _folder: tempfile::TempDir,
}

/// Compiles the program against the installed libdpkg.
pub fn build() -> Result<Oracle, Missing> {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/version_order/oracle.c"));
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("oracle");
    let compiled =
        Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(source).args(["-ldpkg", "-lmd"]).output();
    match compiled {
        Ok(output) if output.status.success() => Ok(Oracle { program, _folder: folder }),
        Ok(output) => Err(Missing {
            what: format!(
                "a program cannot be linked with libdpkg; install `libdpkg-dev`:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ),
        }),
        Err(error) => Err(Missing { what: format!("`cc` cannot be started ({error}); install `gcc`") }),
    }
}

/// Without a judge nothing is proven: where the whole suite runs, that is a failure.
pub fn skip_or_fail(what: &str) {
    assert!(std::env::var_os("HOLDFAST_WHOLE_SUITE").is_none(), "version order was not judged: {what}");
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: version order was not judged by dpkg: {what}\n");
}

impl Oracle {
    /// Judges every pair, in order.
    pub fn judge(&self, pairs: &[(&str, &str)]) -> Vec<Judgement> {
        let answers = ask(&mut Command::new(&self.program), pairs);
        answers.lines().map(judgement).collect()
    }
}

/// Asks the program `dpkg`; one shell asks for all of them, as a process for each pair is dear enough.
pub fn ask_dpkg(pairs: &[(&str, &str)]) -> Vec<Ordering> {
    let script = "while IFS=' ' read -r a b; do
        if dpkg --compare-versions \"$a\" lt \"$b\"; then echo '<'
        elif dpkg --compare-versions \"$a\" eq \"$b\"; then echo '='
        else echo '>'; fi; done";
    let answers = ask(Command::new("sh").args(["-c", script]), pairs);
    let orders = answers.lines().map(|answer| match judgement(answer) {
        Judgement::Order(order) => order,
        Judgement::NoVersion => panic!("{answer}"),
    });
    orders.collect()
}

fn judgement(answer: &str) -> Judgement {
    match answer {
        "<" => Judgement::Order(Ordering::Less),
        "=" => Judgement::Order(Ordering::Equal),
        ">" => Judgement::Order(Ordering::Greater),
        "!" => Judgement::NoVersion,
        other => panic!("`{other}` is no answer"),
    }
}

fn ask(judge: &mut Command, pairs: &[(&str, &str)]) -> String {
    let mut judge = judge.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a judge");
    let mut input = judge.stdin.take().expect("piped");
    let questions: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let output = judge.wait_with_output().expect("answers");
    writer.join().expect("a writer").expect("questions written");
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).expect("text")
}
