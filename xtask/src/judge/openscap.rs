//! OpenSCAP: the rules of the French agency ANSSI (BP-028, intermediary level), as the
//! SCAP Security Guide checks them.

use anyhow::{Context, Result, ensure};

use super::{
    Failure, Judgement,
    host::JudgedHost,
    reasons,
    tools::{APT_CONFIG, INSIDE, Loan},
};

/// The score must be above this: what an automatic remediation comes to by breaking sudo
/// is just below.
const SCORE: f64 = 73.0;

const PROFILE: &str = "xccdf_org.ssgproject.content_profile_anssi_bp28_intermediary";
const RULE_PREFIX: &str = "xccdf_org.ssgproject.content_rule_";

/// Runs it.
pub fn judge(host: &JudgedHost, loan: &Loan<'_>) -> Result<Judgement> {
    let library = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib", "lib"]
        .map(|folder| format!("{INSIDE}/{folder}"))
        .join(":");
    let share = format!("{INSIDE}/usr/share/openscap");
    // The content for Debian 12 is the newest there is.
    let content = format!("{INSIDE}/usr/share/xml/scap/ssg/content/ssg-debian12-ds.xml");
    let line = format!(
        "export APT_CONFIG={APT_CONFIG} LD_LIBRARY_PATH={library} OSCAP_SCHEMA_PATH={share}/schemas OSCAP_XSLT_PATH={share}/xsl \
         OSCAP_CPE_PATH={share}/cpe; cd {INSIDE}; {INSIDE}/usr/bin/oscap xccdf eval --skip-validation \
         --profile {PROFILE} --results {INSIDE}/results.xml {content} >{INSIDE}/oscap.txt 2>{INSIDE}/oscap.err; \
         test $? -ne 1 || {{ cat {INSIDE}/oscap.err >&2; exit 1; }}; \
         cat {INSIDE}/oscap.txt; grep '<score ' {INSIDE}/results.xml"
    );
    let printed = host.exec(&line).context("OpenSCAP could not judge")?;
    let (score, failed, passed) = read(&printed).context("OpenSCAP's results have no score")?;
    ensure!(passed > 0, "no rule passed, so the content is not for this host");
    let failed: Vec<Failure> =
        failed.into_iter().map(|rule| Failure { why: reasons::of(&rule).to_owned(), what: rule }).collect();
    Ok(Judgement {
        judge: format!(
            "OpenSCAP {}, content ssg-debian {}, profile anssi_bp28_intermediary",
            loan.version("openscap-scanner"),
            loan.version("ssg-debian")
        ),
        said: format!("{score:.1} of 100, {passed} rules passed, {} failed", failed.len()),
        target: "above 73",
        reached: score > SCORE,
        failed,
        notes: Vec::new(),
    })
}

/// `Rule ID` and `Result word` on lines of their own, with a carriage return and tabs between, and the score's element.
fn read(printed: &str) -> Option<(f64, Vec<String>, usize)> {
    let (mut rule, mut failed, mut passed, mut score) = ("", Vec::new(), 0, None);
    for line in printed.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("Rule"), Some(name), None) => rule = name,
            (Some("Result"), Some("pass"), None) => passed += 1,
            (Some("Result"), Some("fail" | "error" | "unknown"), None) => {
                failed.push(rule.strip_prefix(RULE_PREFIX).unwrap_or(rule).to_owned());
            }
            _ => {}
        }
        if line.contains("<score ") && line.contains("scoring:default") {
            score = line.split_once('>').and_then(|(_, rest)| rest.split('<').next()?.trim().parse().ok());
        }
    }
    failed.sort();
    Some((score?, failed, passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_results() {
        let printed = "Title\r\tRule of x\nRule\r\txccdf_org.ssgproject.content_rule_partition_for_var\nResult\tfail\n\nRule\tb\nResult\tpass\nRule\tc\nResult\tnotapplicable\n    <score system=\"urn:xccdf:scoring:default\" maximum=\"100.000000\">74.5</score>\n";
        assert_eq!(read(printed), Some((74.5, vec!["partition_for_var".to_owned()], 1)));
        assert_eq!(read("Rule\ta\nResult\tpass\n"), None);
    }
}
