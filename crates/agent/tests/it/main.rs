//! The agent from outside: its HTTPS interface against good and bad callers, its
//! enrolment against a control plane of our own, and jobs across restarts.

mod enrolment;
mod interface;
mod jobs;
mod region;
