//! Certificates: a real name server (BIND), a real CA (Pebble), and where neither can be made
//! to do what is wanted, a CA of our own that says what it is told.

mod issue;
mod programs;
mod stub;
mod stubborn;
mod world;
