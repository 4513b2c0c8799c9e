//! Shadows: what runs, what is counted, and that no live request feels it.

#[path = "../support/mod.rs"]
mod support;

mod faults;
mod isolation;
mod router;
