//! Servers, their enrolment and their inventories.

mod enrolment;
mod inventories;
