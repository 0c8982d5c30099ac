//! The tables `run`, `run_journal`, `run_signal` and `receipt`: the run store of the
//! engine, and what pages read of runs.

use async_trait::async_trait;
use base::{Problem, RunId};
use jiff::Timestamp;
use runs::{
    Closing, Event, JournalLine, Lease, Next, RunRecord, RunStore, Signal, SignalKind, Status, StoreError,
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    Condition, QueryOrder, QuerySelect, SqlErr, TransactionTrait,
    entity::prelude::*,
};
use serde::Serialize;

use crate::db::{moment, storage_problem, stored};

mod run {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "run")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        pub subject: String,
        pub status: String,
        pub step: String,
        pub outcome: Option<String>,
        pub record: String,
        pub wake_at: i64,
        pub lease_owner: Option<String>,
        pub lease_until: Option<i64>,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod journal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "run_journal")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub number: i64,
        pub run: String,
        pub at: i64,
        pub step: String,
        pub event: String,
        pub detail: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod signal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "run_signal")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub number: i64,
        pub run: String,
        pub kind: String,
        pub actor: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod receipt {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "receipt")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub run: String,
        pub body: String,
        pub at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Runs in the database.
#[derive(Clone)]
pub struct RunTable(DatabaseConnection);

/// A journal line with its place in the journal.
#[derive(Debug, Clone, Serialize)]
pub struct NumberedLine {
    /// Grows along the journal.
    pub number: i64,
    /// The line.
    #[serde(flatten)]
    pub line: JournalLine,
}

fn backend(error: DbErr) -> StoreError {
    StoreError::backend(error)
}

fn read(row: &run::Model) -> Result<RunRecord, StoreError> {
    serde_json::from_str(&row.record).map_err(StoreError::backend)
}

fn journal_row(run: RunId, line: &JournalLine) -> journal::ActiveModel {
    journal::ActiveModel {
        number: NotSet,
        run: Set(run.to_string()),
        at: Set(stored(line.at)),
        step: Set(line.step.clone()),
        event: Set(line.event.name()),
        detail: Set(line.detail.clone()),
    }
}

impl RunTable {
    /// The runs in this database.
    pub fn new(db: DatabaseConnection) -> Self {
        Self(db)
    }

    /// Lets go of every lease. Only for a control plane that has its database alone: the
    /// process that held them is then gone.
    pub async fn release_all(&self) -> Result<(), Problem> {
        let released = run::Entity::update_many()
            .col_expr(run::Column::LeaseOwner, Expr::value(Option::<String>::None))
            .col_expr(run::Column::LeaseUntil, Expr::value(Option::<i64>::None))
            .exec(&self.0)
            .await;
        released.map(drop).map_err(|error| storage_problem("take over the runs", &error))
    }

    /// The newest runs first; about one server if given.
    pub async fn newest(&self, subject: Option<&str>, limit: u64) -> Result<Vec<RunRecord>, Problem> {
        let mut query = run::Entity::find().order_by_desc(run::Column::CreatedAt).limit(limit);
        if let Some(subject) = subject {
            query = query.filter(run::Column::Subject.eq(subject));
        }
        let rows = query.all(&self.0).await.map_err(|error| storage_problem("list the runs", &error))?;
        Ok(rows.iter().filter_map(|row| read(row).ok()).collect())
    }

    /// Runs that have not ended, oldest first.
    pub async fn open(&self) -> Result<Vec<RunRecord>, Problem> {
        let query = run::Entity::find()
            .filter(run::Column::Status.ne(Status::Finished.name()))
            .order_by_asc(run::Column::CreatedAt);
        let rows = query.all(&self.0).await.map_err(|error| storage_problem("list the runs", &error))?;
        Ok(rows.iter().filter_map(|row| read(row).ok()).collect())
    }

    /// Up to `limit` journal lines with a number above `after`.
    pub async fn journal(&self, run: RunId, after: i64, limit: u64) -> Result<Vec<NumberedLine>, Problem> {
        let rows = journal::Entity::find()
            .filter(journal::Column::Run.eq(run.to_string()))
            .filter(journal::Column::Number.gt(after))
            .order_by_asc(journal::Column::Number)
            .limit(limit)
            .all(&self.0)
            .await
            .map_err(|error| storage_problem("read a run's journal", &error))?;
        let line = |row: journal::Model| NumberedLine {
            number: row.number,
            line: JournalLine {
                at: moment(row.at),
                step: row.step,
                event: Event::from_name(&row.event).unwrap_or(Event::Note),
                detail: row.detail,
            },
        };
        Ok(rows.into_iter().map(line).collect())
    }

    /// Keeps a run's receipt; the first one stays.
    pub async fn keep_receipt(&self, run: RunId, body: &str, at: Timestamp) -> Result<(), Problem> {
        let row = receipt::ActiveModel {
            run: Set(run.to_string()),
            body: Set(body.to_owned()),
            at: Set(stored(at)),
        };
        match receipt::Entity::insert(row).exec_without_returning(&self.0).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(()),
            Err(error) => Err(storage_problem("keep a receipt", &error)),
        }
    }

    /// A run's receipt, exactly as it was signed.
    pub async fn receipt(&self, run: RunId) -> Result<Option<String>, Problem> {
        let row = receipt::Entity::find_by_id(run.to_string()).one(&self.0).await;
        Ok(row.map_err(|error| storage_problem("read a receipt", &error))?.map(|row| row.body))
    }
}

#[async_trait]
impl RunStore for RunTable {
    async fn create(&self, record: &RunRecord, line: JournalLine) -> Result<(), StoreError> {
        let transaction = self.0.begin().await.map_err(backend)?;
        let row = run::ActiveModel {
            id: Set(record.id.to_string()),
            kind: Set(record.kind.clone()),
            subject: Set(record.subject.clone()),
            status: Set(record.status.name()),
            step: Set(record.step.clone()),
            outcome: Set(None),
            record: Set(serde_json::to_string(record).map_err(StoreError::backend)?),
            wake_at: Set(stored(record.wake_at)),
            lease_owner: Set(None),
            lease_until: Set(None),
            created_at: Set(stored(record.created_at)),
        };
        match run::Entity::insert(row).exec_without_returning(&transaction).await {
            Ok(_) => {}
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                transaction.rollback().await.map_err(backend)?;
                if self.find(record.id).await?.is_some() {
                    return Ok(());
                }
                let open = run::Entity::find()
                    .filter(run::Column::Subject.eq(record.subject.as_str()))
                    .filter(run::Column::Status.ne(Status::Finished.name()))
                    .one(&self.0)
                    .await
                    .map_err(backend)?;
                let open = open.and_then(|row| row.id.parse().ok()).unwrap_or(record.id);
                return Err(StoreError::Busy { open });
            }
            Err(error) => return Err(backend(error)),
        }
        journal::Entity::insert(journal_row(record.id, &line))
            .exec_without_returning(&transaction)
            .await
            .map_err(backend)?;
        transaction.commit().await.map_err(backend)
    }

    async fn claim(&self, lease: &Lease, now: Timestamp) -> Result<Option<RunRecord>, StoreError> {
        let has_signal = run::Column::Id.in_subquery(
            sea_orm::sea_query::Query::select().column(signal::Column::Run).from(signal::Entity).to_owned(),
        );
        let due = Condition::all().add(run::Column::Status.eq(Status::Active.name())).add(
            Condition::any()
                .add(run::Column::WakeAt.lte(stored(now)))
                // A clock that was set back must not put runs to sleep.
                .add(run::Column::WakeAt.gt(stored(now + Next::<()>::LONGEST_WAIT))),
        );
        let free = Condition::any()
            .add(run::Column::LeaseUntil.is_null())
            .add(run::Column::LeaseUntil.lte(stored(now)));
        let wanted = Condition::all()
            .add(run::Column::Status.ne(Status::Finished.name()))
            .add(Condition::any().add(due).add(has_signal))
            .add(free.clone());
        let candidates = run::Entity::find()
            .filter(wanted)
            .order_by_asc(run::Column::WakeAt)
            .limit(8)
            .all(&self.0)
            .await
            .map_err(backend)?;
        for candidate in candidates {
            let taken = run::Entity::update_many()
                .col_expr(run::Column::LeaseOwner, Expr::value(lease.owner.clone()))
                .col_expr(run::Column::LeaseUntil, Expr::value(stored(lease.until)))
                .filter(run::Column::Id.eq(candidate.id.as_str()))
                .filter(free.clone())
                .exec(&self.0)
                .await
                .map_err(backend)?;
            if taken.rows_affected == 1 {
                // Read again: between look and lease another engine may have moved it on.
                let row = run::Entity::find_by_id(candidate.id).one(&self.0).await.map_err(backend)?;
                return row.as_ref().map(read).transpose();
            }
        }
        Ok(None)
    }

    async fn renew(&self, run: RunId, lease: &Lease) -> Result<(), StoreError> {
        let renewed = run::Entity::update_many()
            .col_expr(run::Column::LeaseUntil, Expr::value(stored(lease.until)))
            .filter(run::Column::Id.eq(run.to_string()))
            .filter(run::Column::LeaseOwner.eq(lease.owner.as_str()))
            .exec(&self.0)
            .await
            .map_err(backend)?;
        if renewed.rows_affected == 1 { Ok(()) } else { Err(StoreError::LeaseLost { run }) }
    }

    async fn commit(
        &self,
        record: &RunRecord,
        lease: &Lease,
        lines: &[JournalLine],
        closing: &Closing,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(record).map_err(StoreError::backend)?;
        let transaction = self.0.begin().await.map_err(backend)?;
        let (owner, until) = match closing.release {
            true => (None, None),
            false => (Some(lease.owner.clone()), Some(stored(lease.until))),
        };
        let written = run::Entity::update_many()
            .col_expr(run::Column::Status, Expr::value(record.status.name()))
            .col_expr(run::Column::Step, Expr::value(record.step.clone()))
            .col_expr(run::Column::Outcome, Expr::value(record.outcome.map(runs::Outcome::name)))
            .col_expr(run::Column::Record, Expr::value(text))
            .col_expr(run::Column::WakeAt, Expr::value(stored(record.wake_at)))
            .col_expr(run::Column::LeaseOwner, Expr::value(owner))
            .col_expr(run::Column::LeaseUntil, Expr::value(until))
            .filter(run::Column::Id.eq(record.id.to_string()))
            .filter(run::Column::LeaseOwner.eq(lease.owner.as_str()))
            .exec(&transaction)
            .await
            .map_err(backend)?;
        if written.rows_affected != 1 {
            transaction.rollback().await.map_err(backend)?;
            return Err(StoreError::LeaseLost { run: record.id });
        }
        if let Some(obeyed) = closing.obeyed {
            signal::Entity::delete_many()
                .filter(signal::Column::Run.eq(record.id.to_string()))
                .filter(signal::Column::Number.lte(obeyed))
                .exec(&transaction)
                .await
                .map_err(backend)?;
        }
        if !lines.is_empty() {
            let rows = lines.iter().map(|line| journal_row(record.id, line));
            journal::Entity::insert_many(rows).exec_without_returning(&transaction).await.map_err(backend)?;
        }
        transaction.commit().await.map_err(backend)
    }

    async fn signals(&self, run: RunId) -> Result<Vec<(i64, Signal)>, StoreError> {
        let waiting = signal::Entity::find()
            .filter(signal::Column::Run.eq(run.to_string()))
            .order_by_asc(signal::Column::Number)
            .all(&self.0)
            .await
            .map_err(backend)?;
        let signals = waiting.into_iter().filter_map(|row| {
            let kind = SignalKind::from_name(&row.kind)?;
            Some((row.number, Signal { kind, actor: row.actor }))
        });
        Ok(signals.collect())
    }

    async fn signal(&self, run: RunId, asked: &Signal) -> Result<(), StoreError> {
        if self.find(run).await?.is_none() {
            return Err(StoreError::NotFound { run });
        }
        let row = signal::ActiveModel {
            number: NotSet,
            run: Set(run.to_string()),
            kind: Set(asked.kind.name()),
            actor: Set(asked.actor.clone()),
        };
        signal::Entity::insert(row).exec_without_returning(&self.0).await.map_err(backend)?;
        Ok(())
    }

    async fn find(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        let row = run::Entity::find_by_id(run.to_string()).one(&self.0).await.map_err(backend)?;
        row.as_ref().map(read).transpose()
    }

    async fn next_wake(&self) -> Result<Option<Timestamp>, StoreError> {
        let first = run::Entity::find()
            .filter(run::Column::Status.eq(Status::Active.name()))
            .order_by_asc(run::Column::WakeAt)
            .one(&self.0)
            .await
            .map_err(backend)?;
        Ok(first.map(|row| moment(row.wake_at)))
    }
}
