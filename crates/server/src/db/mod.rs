//! The store: connecting, migrating, and the few forms that every table shares.
//!
//! One set of entities and migrations serves SQLite and PostgreSQL. Only the
//! `store.rs` of a domain reads or writes tables.

mod migrations;
mod problem;

use std::path::Path;

use base::Clock;
use jiff::Timestamp;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;

pub use problem::storage_problem;

/// Opens the embedded database in this file, and brings its tables up to date.
pub async fn open_sqlite(file: &Path) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
    options.max_connections(8).sqlx_logging(false);
    let connection = Database::connect(options).await?;
    // WAL lets pages read while a run commits; NORMAL is durable against a killed
    // process, and FULL also against a power cut, which receipts and audit need.
    for pragma in ["journal_mode=WAL", "synchronous=FULL"] {
        connection.execute_unprepared(&format!("PRAGMA {pragma}")).await?;
    }
    migrations::Migrator::up(&connection, None).await?;
    Ok(connection)
}

/// A moment as it is stored: microseconds since 1970, UTC.
pub fn stored(moment: Timestamp) -> i64 {
    moment.as_microsecond()
}

/// A stored moment. One outside the years 1 to 9999 cannot have been stored by us.
pub fn moment(stored: i64) -> Timestamp {
    Timestamp::from_microsecond(stored).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The present moment as it is stored.
pub fn now(clock: &dyn Clock) -> i64 {
    stored(clock.now())
}
