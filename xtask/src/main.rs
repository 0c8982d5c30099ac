//! Development tasks: `cargo xtask up | test | e2e NAME | bench | fuzz | ci | tidy`.

mod bench;
mod command;
mod e2e;
mod fuzz;
mod judge;
mod packages;
mod test;
mod tidy;
mod up;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task>

  up [OPTIONS…]       build control plane and agent, start them, print a sign-in link;
                      options go to `holdfast up` (see `--help`)
  test                everything: format, lints, documents, unit tests, and, as root, real hosts
  e2e NAME            one trial on real hosts: pages, loop, tokens, harden, judges,
                      rollback, certificates, crash, or all
                      crash takes every kill point; `crash --sample` takes a few
  bench [NAME…]       what matching costs, beside other tools: load, memory, host, fleet, or all;
                      `--json` prints it for programs, `--install-tools` builds what is missing
  fuzz [NAME…]        odd input for every parser: all targets or the named ones, `--seconds N`
                      each (60), `--list` names them
  judge HOST          what Lynis, OpenSCAP, ssh-audit, sslscan and apt say of a lab host:
                      `--data DIR` of its control plane, `--probe N` to call SSH from that
                      probe of the lab, `--json` for programs
  tidy                the checks of the tree that are no compiler's business
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["up", options @ ..] => up::run(options),
        ["test" | "ci"] => test::run(),
        ["e2e", name, options @ ..] => e2e::run(name, options),
        ["bench", options @ ..] => bench::run(options),
        ["fuzz", options @ ..] => fuzz::run(options),
        ["judge", options @ ..] => judge::run(options),
        ["tidy"] => tidy::run(),
        ["help" | "--help" | "-h"] | [] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
            eprintln!("error: {}", chain.join("\n  because "));
            ExitCode::FAILURE
        }
    }
}
