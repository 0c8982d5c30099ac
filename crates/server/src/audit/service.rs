//! Appending to the trail, and proving it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use base::{AuditId, Clock, Problem, Redacted, RunId};
use hmac::{Hmac, Mac};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    entry::{Actor, AuditLine, Entry, Outcome},
    store,
};
use crate::db::{storage_problem, stored};

/// What stands before the first entry.
const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How many entries are read at a time when the whole chain is walked.
const PAGE: u64 = 1000;

/// Several control planes may append at once; each loser of the race takes the next
/// number. More than this many losses in a row mean that something else is wrong.
const RACES: usize = 20;

/// The trail.
#[derive(Clone)]
pub struct Audit {
    db: DatabaseConnection,
    clock: Arc<dyn Clock>,
    key: Redacted<[u8; 32]>,
    head_file: PathBuf,
    appending: Arc<Mutex<()>>,
}

/// Where the chain ends, kept beside the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    number: i64,
    hash: String,
}

/// What a walk along the whole chain has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Entries walked.
    pub entries: i64,
    /// Hash of the last one. Kept elsewhere, it proves later that none was dropped.
    pub head: String,
    /// The first thing that is wrong, if any.
    pub fault: Option<String>,
}

impl Audit {
    /// The trail in this database, under this key, with its head in this file.
    pub fn new(
        db: DatabaseConnection,
        clock: Arc<dyn Clock>,
        key: Redacted<[u8; 32]>,
        head_file: PathBuf,
    ) -> Self {
        Self { db, clock, key, head_file, appending: Arc::default() }
    }

    /// Appends an entry. On an error the caller must not go on.
    pub async fn record(
        &self,
        actor: &Actor,
        action: &str,
        target: &str,
        outcome: Outcome,
        run: Option<RunId>,
        detail: impl Into<String>,
    ) -> Result<(), Problem> {
        self.append(None, actor, action, target, outcome, run, detail.into()).await
    }

    /// Appends an entry of a run unless the run has done so before: a repeated step
    /// leaves one entry.
    pub async fn record_once(
        &self,
        actor: &Actor,
        action: &str,
        target: &str,
        outcome: Outcome,
        run: RunId,
        detail: impl Into<String>,
    ) -> Result<(), Problem> {
        let mark = format!("{run} {action} {outcome:?}");
        self.append(Some(mark), actor, action, target, outcome, Some(run), detail.into()).await
    }

    /// Appends an entry unless there is one with this mark: what is seen again and again
    /// leaves one entry.
    pub async fn record_marked(
        &self,
        actor: &Actor,
        action: &str,
        target: &str,
        outcome: Outcome,
        mark: String,
        detail: impl Into<String>,
    ) -> Result<(), Problem> {
        self.append(Some(mark), actor, action, target, outcome, None, detail.into()).await
    }

    #[allow(clippy::too_many_arguments, reason = "private; the fields of one entry")]
    async fn append(
        &self,
        once: Option<String>,
        actor: &Actor,
        action: &str,
        target: &str,
        outcome: Outcome,
        run: Option<RunId>,
        detail: String,
    ) -> Result<(), Problem> {
        let failed = |error: &sea_orm::DbErr| {
            storage_problem(
                &format!("write `{action}` into the audit trail, so it was not carried out"),
                error,
            )
        };
        let _guard = self.appending.lock().await;
        if let Some(mark) = &once
            && store::is_marked(&self.db, mark).await.map_err(|error| failed(&error))?
        {
            return Ok(());
        }
        let at = self.clock.now();
        let entry = Entry {
            id: AuditId::new(),
            at,
            actor: actor.clone(),
            action: action.to_owned(),
            target: target.to_owned(),
            outcome,
            run,
            detail,
        };
        let text = serde_json::to_string(&entry)
            .map_err(|_| Problem::new("audit.failed", format!("could not write `{action}` down")))?;
        for _ in 0..RACES {
            let last = store::last(&self.db).await.map_err(|error| failed(&error))?;
            let (number, previous) =
                last.map_or((1, BEGINNING.to_owned()), |last| (last.number + 1, last.hash));
            let hash = self.hash(&previous, &text);
            let model = store::Model {
                number,
                id: entry.id.to_string(),
                once: once.clone(),
                entry: text.clone(),
                action: action.to_owned(),
                target: target.to_owned(),
                at: stored(at),
                previous,
                hash: hash.clone(),
            };
            if store::append(&self.db, model).await.map_err(|error| failed(&error))? {
                return self.keep_head(&Head { number, hash });
            }
        }
        Err(Problem::new("audit.contended", format!("could not write `{action}` into the audit trail"))
            .state("It was not carried out")
            .next("try again"))
    }

    fn keep_head(&self, head: &Head) -> Result<(), Problem> {
        let temporary = self.head_file.with_extension("new");
        let written = serde_json::to_vec(head)
            .map_err(std::io::Error::other)
            .and_then(|bytes| write_through(&temporary, &bytes))
            .and_then(|()| std::fs::rename(&temporary, &self.head_file));
        written.map_err(|error| {
            tracing::error!(%error, file = %self.head_file.display(), "cannot keep the head of the audit trail");
            Problem::new("audit.head", "could not keep the head of the audit trail")
                .state("The action was not carried out")
                .next("see whether the disk of the control plane is full")
        })
    }

    fn hash(&self, previous: &str, text: &str) -> String {
        // An HMAC key may have any length, so this cannot fail.
        let Ok(mut mac) = Hmac::<sha2::Sha256>::new_from_slice(self.key.expose()) else {
            return String::new();
        };
        mac.update(previous.as_bytes());
        mac.update(b"\n");
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// The newest entries first, with a number below `before`.
    pub async fn newest(
        &self,
        target: Option<&str>,
        before: Option<i64>,
        limit: u64,
    ) -> Result<Vec<AuditLine>, Problem> {
        let rows = store::newest(&self.db, target, before.unwrap_or(i64::MAX), limit).await;
        Ok(rows
            .map_err(|error| storage_problem("read the audit trail", &error))?
            .into_iter()
            .filter_map(line)
            .collect())
    }

    /// Calls `each` with every entry, oldest first, as it stands in the store.
    pub async fn export(&self, mut each: impl FnMut(AuditLine)) -> Result<(), Problem> {
        let mut last = 0;
        loop {
            let rows = store::after(&self.db, last, PAGE).await;
            let rows = rows.map_err(|error| storage_problem("read the audit trail", &error))?;
            let Some(newest) = rows.last() else { return Ok(()) };
            last = newest.number;
            rows.into_iter().filter_map(line).for_each(&mut each);
        }
    }

    /// Walks the whole chain and checks every hash, every number, and the kept head.
    pub async fn verify(&self) -> Result<Verification, Problem> {
        let mut found = Verification { entries: 0, head: BEGINNING.to_owned(), fault: None };
        let kept: Option<Head> =
            std::fs::read(&self.head_file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        loop {
            let rows = store::after(&self.db, found.entries, PAGE).await;
            let rows = rows.map_err(|error| storage_problem("read the audit trail", &error))?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                if let Some(fault) = self.fault(&row, &found) {
                    found.fault = Some(fault);
                    return Ok(found);
                }
                if let Some(kept) = &kept
                    && kept.number == row.number
                    && kept.hash != row.hash
                {
                    found.fault = Some(format!("entry {} is not the one whose hash was kept", row.number));
                    return Ok(found);
                }
                found.entries = row.number;
                found.head = row.hash;
            }
        }
        let kept_number = kept.map_or(0, |kept| kept.number);
        if kept_number > found.entries {
            found.fault =
                Some(format!("entries {} to {kept_number} are missing at the end", found.entries + 1));
        } else if kept_number == 0 && found.entries > 0 {
            found.fault = Some("the kept head is missing, so entries may be missing at the end".to_owned());
        }
        Ok(found)
    }

    fn fault(&self, row: &store::Model, before: &Verification) -> Option<String> {
        let number = before.entries + 1;
        if row.number != number {
            return Some(format!("entry {number} is missing"));
        }
        if row.previous != before.head {
            return Some(format!("entry {number} does not follow the one before it"));
        }
        if row.hash != self.hash(&row.previous, &row.entry) {
            return Some(format!("entry {number} was changed or forged"));
        }
        match serde_json::from_str::<Entry>(&row.entry) {
            Ok(entry)
                if entry.action == row.action && entry.target == row.target && stored(entry.at) == row.at =>
            {
                None
            }
            _ => Some(format!("the columns of entry {number} do not say what the entry says")),
        }
    }
}

/// Writes a file and waits until it is on the disk: a head that a power cut leaves empty
/// would look like a trail that was tampered with.
fn write_through(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn line(row: store::Model) -> Option<AuditLine> {
    let entry = serde_json::from_str(&row.entry).ok()?;
    Some(AuditLine { number: row.number, entry, previous: row.previous, hash: row.hash })
}

#[cfg(test)]
mod tests {
    use base::SystemClock;
    use sea_orm::ConnectionTrait;

    use super::*;

    async fn trail() -> (Audit, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let db = crate::db::open_sqlite(&folder.path().join("t.db")).await.unwrap();
        let audit =
            Audit::new(db, Arc::new(SystemClock), Redacted::new([1; 32]), folder.path().join("audit.head"));
        for target in ["a", "b", "c"] {
            audit.record(&Actor::System, "test", target, Outcome::Done, None, "").await.unwrap();
        }
        (audit, folder)
    }

    async fn fault_after(statement: &str) -> Option<String> {
        let (audit, _folder) = trail().await;
        audit.db.execute_unprepared(statement).await.unwrap();
        audit.verify().await.unwrap().fault
    }

    #[tokio::test]
    async fn an_untouched_trail_verifies_and_a_once_entry_is_single() {
        let (audit, _folder) = trail().await;
        let run = RunId::new();
        for _ in 0..2 {
            audit.record_once(&Actor::System, "x", "a", Outcome::Done, run, "").await.unwrap();
        }
        let found = audit.verify().await.unwrap();
        assert_eq!((found.entries, found.fault), (4, None));
    }

    #[tokio::test]
    async fn every_kind_of_tampering_is_named() {
        let cases = [
            (
                "UPDATE audit SET entry = replace(entry, '\"b\"', '\"x\"') WHERE number = 2",
                "entry 2 was changed",
            ),
            ("UPDATE audit SET target = 'x' WHERE number = 2", "the columns of entry 2"),
            ("DELETE FROM audit WHERE number = 2", "entry 2 is missing"),
            ("DELETE FROM audit WHERE number = 3", "entries 3 to 3 are missing at the end"),
            ("DELETE FROM audit", "entries 1 to 3 are missing at the end"),
            ("UPDATE audit SET previous = hash WHERE number = 3", "entry 3 does not follow"),
        ];
        for (statement, expected) in cases {
            let fault = fault_after(statement).await.unwrap_or_default();
            assert!(fault.starts_with(expected), "{statement}: {fault}");
        }
    }

    #[tokio::test]
    async fn a_trail_that_cannot_be_written_says_that_nothing_was_done() {
        let (audit, _folder) = trail().await;
        audit.db.execute_unprepared("DROP TABLE audit").await.unwrap();
        let problem = audit.record(&Actor::System, "test", "d", Outcome::Begun, None, "").await.unwrap_err();
        assert!(problem.what.contains("not carried out"), "{problem}");
    }
}
