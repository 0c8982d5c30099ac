//! The tables `server`, `enrolment`, `inventory` and `region`.

pub mod drift;
pub mod enrolment;
pub mod inventory;
pub mod outside_change;
pub mod region;
pub mod server;
