//! ssh-audit: what SSH offers, by its failures and warnings, and by its own policy for the
//! host's release.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Failure, Judgement, host::JudgedHost};
use crate::{command, packages};

/// The version whose judgement is asked for.
const VERSION: &str = "3.9.0";

/// Prints a built-in policy of this name, any version of it, as ssh-audit has it.
const POLICY: &str = "\
import json, sys
from ssh_audit.builtin_policies import BUILTIN_POLICIES as policies
found = [name for name in policies if name.startswith(sys.argv[1] + ' (version ')]
name = max(found, key=lambda name: int(policies[name]['version']), default=None)
print(json.dumps({'name': name, 'policy': policies.get(name)}))
";

/// Runs it.
pub fn judge(host: &JudgedHost) -> Result<Judgement> {
    let folder = installed()?;
    let program = folder.join("bin/ssh-audit").display().to_string();
    let audit = ask(host, &program, &[])?;
    let findings = findings(&audit);
    let count = |level: &str| findings.iter().filter(|(found, _)| *found == level).count();
    let (fails, warnings) = (count("fail"), count("warn"));
    let name = format!("Hardened Debian {}", host.version);
    let python = folder.join("bin/python3").display().to_string();
    let found: Value = serde_json::from_str(&command::output(&python, &["-c", POLICY, &name])?)?;
    let policy = found["name"].as_str().with_context(|| format!("ssh-audit has no policy `{name}`"))?;

    let file = folder.join("policy.txt");
    std::fs::write(&file, as_baseline(policy, &found["policy"]))?;
    let lenient = ask(host, &program, &["--policy", &file.display().to_string()])?;
    let passed = lenient["passed"] == true;
    let mut failed: Vec<Failure> = findings
        .iter()
        .map(|(level, what)| Failure { what: what.clone(), why: format!("ssh-audit calls it a {level}") })
        .collect();
    failed.extend(
        mismatches(&lenient).into_iter().map(|what| Failure { what, why: format!("not in {policy}") }),
    );
    let letter = ask(host, &program, &["--policy", policy])?;
    let note = match letter["passed"] == true {
        true => "the policy is met to the letter".to_owned(),
        false => format!(
            "the policy is met as a baseline (`allow_algorithm_subset_and_reordering`), not to the letter: {}; \
             what the host leaves out, this version of ssh-audit warns of",
            mismatches(&letter).join("; ")
        ),
    };
    Ok(Judgement {
        judge: format!("ssh-audit {VERSION}, policy {policy}"),
        said: format!(
            "{fails} failures, {warnings} warnings, policy {}",
            if passed { "passed" } else { "not passed" }
        ),
        target: "0 failures, 0 warnings, policy passed",
        reached: fails == 0 && warnings == 0 && passed,
        failed,
        notes: vec![note],
    })
}

/// Installs it beside the other tools of this machine's trials, once.
fn installed() -> Result<PathBuf> {
    let folder = command::binaries().join("judge-tools").join(format!("ssh-audit-{VERSION}"));
    if !folder.join("bin/ssh-audit").exists() {
        let _ = std::fs::remove_dir_all(&folder);
        let path = folder.display().to_string();
        // Debian keeps what an environment of one's own needs in a package apart.
        if command::output("python3", &["-c", "import ensurepip, venv"]).is_err() {
            packages::install_named(&["python3-venv"])?;
        }
        command::output("python3", &["-m", "venv", &path])?;
        let pip = folder.join("bin/pip").display().to_string();
        let package = format!("ssh-audit=={VERSION}");
        if let Err(error) =
            command::output(&pip, &["install", "--quiet", "--disable-pip-version-check", &package])
        {
            std::fs::remove_dir_all(&folder)?;
            return Err(error);
        }
    }
    Ok(folder)
}

fn ask(host: &JudgedHost, program: &str, options: &[&str]) -> Result<Value> {
    // Its attempt at flooding the host is a test of the host's patience, not of its settings.
    let common = ["--json", "--skip-rate-test", "--timeout", "10"];
    let output = host.outside(program, &[&common, options, &[host.address.as_str()]].concat())?;
    let said = String::from_utf8_lossy(&output.stdout);
    match serde_json::from_str(&said) {
        Ok(value) => Ok(value),
        Err(_) => bail!(
            "ssh-audit did not reach `{}`; `--probe NUMBER` lets it call from an admin address: {}",
            host.name,
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    }
}

/// Level and name of everything it finds fault with.
fn findings(audit: &Value) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for kind in ["kex", "key", "enc", "mac"] {
        for algorithm in audit[kind].as_array().into_iter().flatten() {
            for level in ["fail", "warn"] {
                for note in algorithm["notes"][level].as_array().into_iter().flatten() {
                    let name = algorithm["algorithm"].as_str().unwrap_or_default();
                    found.push((level, format!("{kind} {name}: {}", note.as_str().unwrap_or_default())));
                }
            }
        }
    }
    found
}

fn mismatches(result: &Value) -> Vec<String> {
    let errors = result["errors"].as_array().into_iter().flatten();
    errors.filter_map(|error| error["mismatched_field"].as_str().map(str::to_owned)).collect()
}

/// The policy as ssh-audit reads it from a file, with stricter hosts allowed:
/// "useful for specifying a baseline and allowing some hosts the option to implement
/// stricter controls", as its own description of the format says.
fn as_baseline(name: &str, policy: &Value) -> String {
    let list = |field: &str| {
        let names = policy[field].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.collect::<Vec<_>>().join(", ")
    };
    let mut text = format!(
        "name = \"{name}, as a baseline\"\nversion = 1\nallow_algorithm_subset_and_reordering = true\n\
         host keys = {}\noptional host keys = {}\nkey exchanges = {}\nciphers = {}\nmacs = {}\n",
        list("host_keys"),
        list("optional_host_keys"),
        list("kex"),
        list("ciphers"),
        list("macs"),
    );
    text.push_str(&format!("host_key_sizes = {}\n", policy["hostkey_sizes"]));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_what_is_found_fault_with() {
        let audit = json!({
            "kex": [{"algorithm": "curve25519-sha256", "notes": {"warn": ["no post-quantum"], "info": ["x"]}}],
            "mac": [{"algorithm": "hmac-sha1", "notes": {"fail": ["broken"], "warn": ["small"]}}],
            "enc": [{"algorithm": "aes256-ctr", "notes": {"info": ["x"]}}],
        });
        let levels: Vec<_> = findings(&audit).into_iter().map(|(level, _)| level).collect();
        assert_eq!(levels, ["warn", "fail", "warn"]);
    }

    #[test]
    fn a_policy_becomes_a_file() {
        let policy = json!({
            "host_keys": ["a", "b"], "optional_host_keys": ["c"], "kex": ["k"], "ciphers": ["e"], "macs": ["m"],
            "hostkey_sizes": {"a": {"hostkey_size": 256}},
        });
        let text = as_baseline("Hardened Debian 12 (version 3)", &policy);
        for line in
            ["host keys = a, b", "key exchanges = k", "host_key_sizes = {\"a\":{\"hostkey_size\":256}}"]
        {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
