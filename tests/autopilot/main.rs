//! The autopilot: its clamp on requests, its store, and what a broken store may not do.

#[path = "../support/moody_store.rs"]
mod moody_store;
#[path = "../support/not_worse.rs"]
mod not_worse;
#[path = "../support/mod.rs"]
mod support;

mod clamp;
mod draw;
mod faults;
mod operate;
mod rollout;
mod scripted;
mod store;
mod writers;
