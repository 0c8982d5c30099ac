//! The web faces: pages and JSON for people and programs, and the door for hosts.
//!
//! Handlers extract, authorise, call one service function and turn its result into a
//! view. Everything here is thin.

mod answer;
mod door;
mod headers;
mod live;
mod router;
mod signed_in;

pub use answer::{ApiProblem, ApiResult, status_of};
pub use door::serve_door;
pub use live::run_events;
pub use router::router;
pub use signed_in::{ApiCaller, Caller, SESSION_COOKIE, Visitor, session_cookie};
