//! Proves that a host is the former one, by every list that was saved. A rollback that
//! this does not confirm has not happened.

use std::collections::BTreeSet;

use wire::{Failure, FailureKind};

use super::{
    check_files::{self, Facts},
    failure, internal,
    record::Record,
    some,
};
use crate::{jobs::Job, tool::Tool};

/// Lists compared, in the words of an [`wire::Outcome::Restored`].
const COMPARED: [&str; 7] = [
    "packages and states",
    "automatic and manual marks",
    "holds",
    "dpkg --verify",
    "dpkg --audit",
    "apt-get check",
    "digests, owners and modes of files",
];

/// Compares everything. Returns what was compared, or fails with the first differences.
pub(super) async fn same_as(
    job: &Job,
    before: &Record,
    files: Option<&Facts>,
) -> Result<Vec<String>, Failure> {
    let now = Record::take().await?;
    let mut found = Vec::new();
    // What was wrong before may be right now; nothing may be wrong that was right.
    let packages = |record: &Record| -> BTreeSet<String> {
        let told =
            record.packages.iter().map(|(name, (version, status))| format!("{name} {version} ({status})"));
        told.collect()
    };
    for (name, before, now) in [
        (COMPARED[0], packages(before), packages(&now)),
        (COMPARED[1], before.automatic.clone(), now.automatic.clone()),
        (COMPARED[2], before.held.clone(), now.held.clone()),
        (COMPARED[3], before.verify.clone(), now.verify.clone()),
        (COMPARED[4], before.audit.clone(), now.audit.clone()),
    ] {
        note(job, &mut found, name, "no longer", before.difference(&now));
        note(job, &mut found, name, "now", now.difference(&before));
    }
    let check = Tool::new("/usr/bin/apt-get")
        .arg("check")
        .option("Dir::Cache::pkgcache", "")
        .option("Dir::Cache::srcpkgcache", "")
        .option("Debug::NoLocking", "true");
    if let Err(error) = check.text().await {
        note(job, &mut found, COMPARED[5], "", [error.to_string()].iter());
    }
    job.progress(90.0, "Comparing all files");
    let facts = tokio::task::spawn_blocking(check_files::facts).await.map_err(internal)?.map_err(internal)?;
    match files {
        Some(files) => note(job, &mut found, COMPARED[6], "", check_files::differences(files, &facts).iter()),
        None => found.push("the list of files was not kept".to_owned()),
    }
    if found.is_empty() {
        Ok(COMPARED.map(str::to_owned).to_vec())
    } else {
        Err(failure(
            FailureKind::NotVerified,
            format!("the host is not the former one: {}", found.join("; ")),
        ))
    }
}

fn note<'a>(
    job: &Job,
    found: &mut Vec<String>,
    list: &str,
    word: &str,
    items: impl Iterator<Item = &'a String>,
) {
    let items: Vec<&String> = items.collect();
    for item in items.iter().take(100) {
        job.log(&format!("{list}: {word} {item}"));
    }
    if !items.is_empty() {
        found.push(format!("{list}: {word} {}", some(items)));
    }
}
