//! The API and the door, with input that nobody should send.

mod bad_input;
mod door;
mod problems;
