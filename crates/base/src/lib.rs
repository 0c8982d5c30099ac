//! The words every other crate shares: typed ids, secrets that cannot be
//! printed, the clock, the release of a host, and [`Problem`], the shape of
//! everything that goes wrong in front of a person.
//!
//! No I/O and no dependency on another crate of ours.

mod clock;
mod digest;
mod id;
mod name;
mod problem;
mod redacted;
mod release;

pub use clock::{Clock, SystemClock};
pub use digest::{InvalidSha256, Sha256};
pub use id::{
    AcceptanceId, AuditId, EnrolmentId, InvalidId, InventoryId, KeepsakeId, OperatorId, RunId, ServerId,
    SessionId,
};
pub use name::{HostName, InvalidHostName};
pub use problem::{Problem, ProblemCode};
pub use redacted::Redacted;
pub use release::{Distribution, Release, UnknownRelease};
