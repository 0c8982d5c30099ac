//! How a fault of the store looks to a person.

use base::Problem;
use sea_orm::DbErr;

/// Says that the store did not take or give something. What the database said goes
/// to the log only.
pub fn storage_problem(what: &str, error: &DbErr) -> Problem {
    tracing::error!(error = error as &dyn std::error::Error, what, "the store failed");
    Problem::new("store.failed", format!("could not {what}"))
        .found("the database did not answer as it should")
        .state("Nothing was changed")
        .next("see the log of the control plane, and whether its disk is full")
}
