//! The tables `server`, `enrolment`, `inventory` and `region`.

pub mod enrolment;
pub mod inventory;
pub mod region;
pub mod server;
