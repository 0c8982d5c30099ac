//! A scan for people: by the update that closes the findings, or one by one.

use std::collections::BTreeMap;

use vulns::{
    Fixability, UpdateGroup,
    report::{FeedPresence, Report},
};

use super::subject::Subject;
use crate::cli::table;

/// Prints it.
pub fn print(subject: &Subject, report: &Report<'_>, each: bool) {
    let kernel = report.kernel_running.map(|kernel| format!(", kernel {kernel}")).unwrap_or_default();
    let release = report.release;
    println!(
        "{}: {release}{kernel}, {} packages of {} sources",
        subject.name, report.coverage.packages, report.coverage.sources
    );
    for feed in report.feeds.iter().filter(|feed| feed.state == FeedPresence::Read) {
        let as_of =
            feed.as_of.map(|time| format!(", as of {}", time.strftime("%Y-%m-%d"))).unwrap_or_default();
        println!("  {}: {} records{as_of}", feed.title, feed.records);
    }
    println!();
    if report.findings.is_empty() {
        println!("Nothing was found.");
        return;
    }
    if each {
        print_each(report)
    } else {
        print_updates(report)
    }
    print_counts(report);
}

fn print_each(report: &Report<'_>) {
    let rows: Vec<_> = report
        .findings
        .iter()
        .map(|finding| {
            vec![
                finding.cve.to_string(),
                finding.source_package.to_string(),
                finding.installed.to_string(),
                finding.fixed.as_deref().unwrap_or("–").to_owned(),
                finding.severity.to_string(),
                finding.kev.as_ref().map_or(String::new(), |_| "exploited".to_owned()),
                finding.fixability.to_string(),
            ]
        })
        .collect();
    table::print(&["cve", "package", "installed", "fixed", "severity", "", "can be fixed"], &rows);
}

fn print_updates(report: &Report<'_>) {
    let rows: Vec<_> = UpdateGroup::of(report.findings)
        .iter()
        .map(|group| {
            vec![
                group.source_package.to_string(),
                group.installed.to_string(),
                group.to.as_deref().unwrap_or("–").to_owned(),
                group.cves.to_string(),
                if group.kev == 0 { String::new() } else { group.kev.to_string() },
                group.worst.to_string(),
                group.fixability.to_string(),
            ]
        })
        .collect();
    table::print(&["package", "installed", "to", ">CVEs", ">exploited", "worst", "can be fixed"], &rows);
}

fn print_counts(report: &Report<'_>) {
    let mut counts: BTreeMap<Fixability, usize> = BTreeMap::new();
    for finding in report.findings {
        *counts.entry(finding.fixability).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let open = report.findings.iter().filter(|finding| finding.is_open());
    let exploited = open.clone().filter(|finding| finding.kev.is_some()).count();
    println!();
    println!("{} in effect, {exploited} known to be exploited: {}", open.count(), counts.join("; "));
}
