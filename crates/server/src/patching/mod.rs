//! Patching: the run programs that change a server's packages, reboot it, and put it
//! back, and the signed receipts they leave.

pub mod api;
mod keepsakes;
mod ladder;
mod ledger;
pub mod pages;
mod patch;
mod plan;
mod probing;
mod reboot;
mod receipt;
mod remote;
mod resources;
mod rollback;
mod same;
mod service;
mod store;

pub use keepsakes::Keepsakes;
pub use ledger::{Keepsake, Ledger, LedgerEntry};
pub use patch::Patch;
pub use plan::{PatchPlan, SnapshotChoice};
pub use reboot::{Reboot, RebootPlan};
pub use receipt::{Receipt, ReceiptError, Receipts, SignedReceipt, public_key_of};
pub use remote::key as job_key;
pub use resources::{Resources, actor};
pub use rollback::{Rollback, RollbackPlan};
pub use service::{Patching, RunView, StepView};
pub use store::{NumberedLine, RunTable};
