//! Lynis: an audit of a whole host from inside, by a hardening index and warnings.

use anyhow::{Context, Result};

use super::{
    Failure, Judgement,
    host::JudgedHost,
    reasons,
    tools::{APT_CONFIG, INSIDE, Loan},
};

/// The least hardening index.
const INDEX: u32 = 80;

/// Runs it. Its report and log stay with the tools and go with them.
pub fn judge(host: &JudgedHost, loan: &Loan<'_>) -> Result<Judgement> {
    let mut notes = Vec::new();
    let mut skipped = String::new();
    if host.shares_kernel {
        // It compares the running kernel with the newest on the disk.
        skipped.push_str("skip-test=KRNL-5830\n");
        notes.push(
            "KRNL-5830 is left out: the host runs on this machine's kernel, so the one on its disk is never the running one"
                .to_owned(),
        );
    }
    let line = format!(
        "export APT_CONFIG={APT_CONFIG}; cd {INSIDE}/usr/share/lynis && cp {INSIDE}/etc/lynis/default.prf {INSIDE}/judge.prf \
         && printf '%s' '{skipped}' >>{INSIDE}/judge.prf \
         && {INSIDE}/usr/sbin/lynis audit system --quick --no-colors --profile {INSIDE}/judge.prf \
         --plugindir {INSIDE}/etc/lynis/plugins --logfile {INSIDE}/lynis.log --report-file {INSIDE}/lynis.dat \
         >{INSIDE}/lynis.txt 2>&1; cat {INSIDE}/lynis.dat"
    );
    let report = host.exec(&line).context("Lynis wrote no report")?;
    let report = Report::read(&report).context("Lynis's report has no hardening index")?;
    let mut failed: Vec<Failure> = report
        .warnings
        .iter()
        .map(|(id, text)| Failure { what: format!("{id} (warning)"), why: text.clone() })
        .collect();
    failed.extend(
        report
            .suggestions
            .iter()
            .map(|(id, text)| Failure { what: format!("{id} ({text})"), why: reasons::of(id).to_owned() }),
    );
    Ok(Judgement {
        judge: format!("Lynis {} (package {})", report.version, loan.version("lynis")),
        said: format!("index {}, {} warnings", report.index, report.warnings.len()),
        target: "index 80 or more, 0 warnings",
        reached: report.index >= INDEX && report.warnings.is_empty(),
        failed,
        notes,
    })
}

#[derive(Debug, Default, PartialEq)]
struct Report {
    version: String,
    index: u32,
    warnings: Vec<(String, String)>,
    suggestions: Vec<(String, String)>,
}

impl Report {
    /// `key=value` a line; findings are `warning[]=ID|text|…`.
    fn read(text: &str) -> Option<Self> {
        let mut report = Self::default();
        let mut index = None;
        let finding = |value: &str| {
            let mut fields = value.split('|');
            let (id, text) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let detail = fields.next().filter(|detail| !matches!(*detail, "" | "-"));
            let text = detail.map_or_else(|| text.to_owned(), |detail| format!("{text}: {detail}"));
            (id.to_owned(), text)
        };
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "lynis_version" => report.version = value.to_owned(),
                "hardening_index" => index = value.parse().ok(),
                "warning[]" => report.warnings.push(finding(value)),
                "suggestion[]" => report.suggestions.push(finding(value)),
                _ => {}
            }
        }
        report.index = index?;
        Some(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_report() {
        let report = Report::read(
            "lynis_version=3.0.8\nwarning[]=FIRE-4512|no rules active|-|-|\nsuggestion[]=SSH-7408|Consider hardening|Port (set 22 to )|-|\nhardening_index=81\n",
        )
        .expect("a report");
        assert_eq!((report.version.as_str(), report.index), ("3.0.8", 81));
        assert_eq!(report.warnings, [("FIRE-4512".to_owned(), "no rules active".to_owned())]);
        assert_eq!(report.suggestions[0].1, "Consider hardening: Port (set 22 to )");
        // One that broke off half-way is no report.
        assert_eq!(Report::read("lynis_version=3.0.8\n"), None);
    }
}
